//! The script of one connection.

use std::{fmt, io, time::Duration};

use bytes::Bytes;

use crate::rt::Runtime;

/// The script of one connection of a [`ScriptedConnector`](super::ScriptedConnector), step by step.
///
/// Written bytes are compared as they arrive, in pieces of any size; bytes written early wait for the step that
/// expects them. By default the script ends with an open and silent connection, on which another written byte is a
/// mistake. [`stall`](Self::stall), [`close`](Self::close) and [`reset`](Self::reset) set another end, wherever they
/// stand in the chain; the last of them counts.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) steps: Vec<ScriptStep>,
    pub(super) end: ScriptEnd,
}

#[derive(Clone)]
pub(super) enum ScriptStep {
    Expect(Bytes),
    ExpectHead,
    Respond(Bytes),
    Pause(Runtime, Duration),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ScriptEnd {
    #[default]
    Open,
    Stall,
    Close,
    Reset,
    /// Connecting fails.
    Fail(io::ErrorKind),
}

impl Script {
    /// An open and silent connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connecting fails with this kind.
    pub fn fail(kind: io::ErrorKind) -> Self {
        Self { steps: Vec::new(), end: ScriptEnd::Fail(kind) }
    }

    /// Expects these bytes to be written. Otherwise reading fails with an error that shows what was written.
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(ScriptStep::Expect(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Expects the head of an HTTP/1.1 message to be written, with any content: all up to an empty line.
    pub fn expect_head(self) -> Self {
        self.then(ScriptStep::ExpectHead)
    }

    /// Makes these bytes readable, once everything before was written. Two responses are two reads.
    pub fn respond(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(ScriptStep::Respond(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Makes nothing readable for this time, by the clock of this runtime: that of a
    /// [`PausedClock`](super::PausedClock), or [`Runtime::default`] with tokio's clock paused.
    pub fn pause(self, runtime: Runtime, duration: Duration) -> Self {
        self.then(ScriptStep::Pause(runtime, duration))
    }

    /// Ends silently: nothing is readable, and anything may be written.
    pub fn stall(self) -> Self {
        self.end(ScriptEnd::Stall)
    }

    /// Ends by a close: reads find the end, writes fail with [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    pub fn close(self) -> Self {
        self.end(ScriptEnd::Close)
    }

    /// Ends by a reset: reads and writes fail with [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    pub fn reset(self) -> Self {
        self.end(ScriptEnd::Reset)
    }

    fn then(mut self, step: ScriptStep) -> Self {
        self.steps.push(step);
        self
    }

    fn end(mut self, end: ScriptEnd) -> Self {
        self.end = end;
        self
    }
}

impl fmt::Debug for ScriptStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expect(bytes) => write!(f, "expect(\"{}\")", bytes.escape_ascii()),
            Self::ExpectHead => f.write_str("expect_head()"),
            Self::Respond(bytes) => write!(f, "respond(\"{}\")", bytes.escape_ascii()),
            Self::Pause(_, duration) => write!(f, "pause({duration:?})"),
        }
    }
}
