//! What one connection is to see.

use std::{fmt, io, time::Duration};

use bytes::Bytes;

use crate::rt::Runtime;

/// What one connection of a [`ScriptedConnector`](super::ScriptedConnector) sees, step by step.
///
/// What is written is compared as it comes, in pieces of any size, and what is written too early waits for the step that
/// expects it. A script ends with the connection open and silent, where another byte is a mistake; with
/// [`stall`](Self::stall), [`close`](Self::close) or [`reset`](Self::reset) it ends as that says, wherever in the chain
/// it stands, and the last of them counts.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

#[derive(Clone)]
pub(super) enum Step {
    Expect(Bytes),
    ExpectHead,
    Respond(Bytes),
    Pause(Runtime, Duration),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Open,
    Stall,
    Close,
    Reset,
    /// It never begins.
    Fail(io::ErrorKind),
}

impl Script {
    /// A connection that is open and silent.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection that cannot be made, for this reason.
    pub fn fail(kind: io::ErrorKind) -> Self {
        Self { steps: Vec::new(), end: End::Fail(kind) }
    }

    /// These bytes are to be written now. If others are, reading fails, and the error says which.
    pub fn expect(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Expect(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// The head of an HTTP/1.1 message is to be written now, whatever it says: all up to an empty line.
    pub fn expect_head(self) -> Self {
        self.then(Step::ExpectHead)
    }

    /// These bytes can be read, once everything before was written. Two responses are two reads.
    pub fn respond(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Respond(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Nothing can be read for so long, by the clock of this runtime: that of a
    /// [`PausedClock`](super::PausedClock), or [`Runtime::default`] with tokio's clock paused.
    pub fn pause(self, runtime: Runtime, duration: Duration) -> Self {
        self.then(Step::Pause(runtime, duration))
    }

    /// At the end nothing can be read for ever, and anything may be written.
    pub fn stall(self) -> Self {
        self.end(End::Stall)
    }

    /// At the end the peer closes: reading finds the end, writing a [`BrokenPipe`](io::ErrorKind::BrokenPipe).
    pub fn close(self) -> Self {
        self.end(End::Close)
    }

    /// At the end the peer resets: reading and writing find a [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    pub fn reset(self) -> Self {
        self.end(End::Reset)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expect(bytes) => write!(f, "expect(\"{}\")", bytes.escape_ascii()),
            Self::ExpectHead => f.write_str("expect_head()"),
            Self::Respond(bytes) => write!(f, "respond(\"{}\")", bytes.escape_ascii()),
            Self::Pause(_, duration) => write!(f, "pause({duration:?})"),
        }
    }
}
