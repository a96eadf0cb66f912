//! Plays one script: compares written bytes, and decides the next read.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;

use super::script::{Script, ScriptEnd, ScriptStep};
use crate::rt::Runtime;

/// The start of a TLS record with a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// A connection and its position in the script.
pub(super) struct ScriptPlayer {
    pub(super) written: Vec<u8>,
    /// The number of written bytes that steps have consumed.
    taken: usize,
    steps: VecDeque<ScriptStep>,
    end: ScriptEnd,
    fault: Option<String>,
}

/// The result of a read.
pub(super) enum ReadAction {
    Read(Bytes),
    End,
    Fail(io::Error),
    /// Wait until something is written.
    Wait,
    /// Wait, then call [`end_pause`](ScriptPlayer::end_pause).
    Pause(Runtime, Duration),
}

/// The comparison of written bytes with a step.
enum Match {
    /// The step is done, and consumes this many bytes.
    Done(usize),
    NotYet,
    Otherwise,
}

impl ScriptPlayer {
    pub(super) fn new(script: Option<Script>) -> Self {
        let fault = script.is_none().then(|| "there is no script for it".to_owned());
        let Script { steps, end } = script.unwrap_or_default();
        let (written, steps) = (Vec::new(), steps.into());
        Self { written, taken: 0, steps, end, fault }
    }

    /// Whether connecting succeeds.
    pub(super) fn begin(&self) -> io::Result<()> {
        match (&self.fault, self.end) {
            (Some(fault), _) => Err(io::Error::other(fault.clone())),
            (None, ScriptEnd::Fail(kind)) => Err(kind.into()),
            (None, _) => Ok(()),
        }
    }

    /// The result of a read with this much room.
    pub(super) fn next_read(&mut self, room: usize) -> ReadAction {
        self.consume();
        if let Some(fault) = &self.fault {
            return ReadAction::Fail(io::Error::new(io::ErrorKind::InvalidData, fault.clone()));
        }
        match self.steps.front_mut() {
            Some(ScriptStep::Respond(bytes)) => {
                ReadAction::Read(bytes.split_to(room.min(bytes.len())))
            }
            Some(ScriptStep::Pause(runtime, duration)) => {
                ReadAction::Pause(runtime.clone(), *duration)
            }
            Some(ScriptStep::Expect(_) | ScriptStep::ExpectHead) => ReadAction::Wait,
            None => self.end.next_read(),
        }
    }

    /// Ends the pause. Drop the step without holding the lock.
    pub(super) fn end_pause(&mut self) -> Option<ScriptStep> {
        self.steps.pop_front()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.reached() {
            Some(ScriptEnd::Close) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some(ScriptEnd::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => self.written.extend_from_slice(bytes),
        }
        self.consume();
        Ok(())
    }

    /// What is left of the script, or what went wrong.
    pub(super) fn unfinished(&mut self) -> Option<String> {
        self.consume();
        let unplayed = (!self.steps.is_empty()).then(|| format!("not played: {:?}", self.steps));
        self.fault.clone().or(unplayed)
    }

    /// The end, if the script has reached it.
    pub(super) fn reached(&mut self) -> Option<ScriptEnd> {
        self.consume();
        self.steps.is_empty().then_some(self.end)
    }

    /// Consumes written bytes as far as steps expect them, and records a mismatch.
    fn consume(&mut self) {
        while let Some(step) = self.steps.front() {
            match step.match_written(&self.written[self.taken..]) {
                Match::Done(length) => self.taken += length,
                Match::NotYet => return,
                Match::Otherwise => return self.set_fault(format!("{step:?}")),
            }
            self.steps.pop_front();
        }
        if self.end == ScriptEnd::Open && self.taken < self.written.len() {
            self.set_fault("nothing more".to_owned());
        }
    }

    fn set_fault(&mut self, expected: String) {
        let written = &self.written[self.taken..];
        let fault = || match written.starts_with(&TLS_HANDSHAKE) {
            true => format!(
                "the script has {expected}, but TLS was begun: the script is not played inside of TLS (`https` behind a \
                 proxy, or `below_tls`); see `Script::play`"
            ),
            false => {
                format!("the script has {expected}, but \"{}\" was written", written.escape_ascii())
            }
        };
        self.fault.get_or_insert_with(fault);
    }
}

impl ScriptEnd {
    fn next_read(self) -> ReadAction {
        match self {
            Self::Open | Self::Stall => ReadAction::Wait,
            Self::Close => ReadAction::End,
            Self::Reset => ReadAction::Fail(io::ErrorKind::ConnectionReset.into()),
            Self::Fail(kind) => ReadAction::Fail(kind.into()),
        }
    }
}

impl ScriptStep {
    fn match_written(&self, written: &[u8]) -> Match {
        match self {
            Self::Expect(bytes) if written.starts_with(bytes) => Match::Done(bytes.len()),
            Self::Expect(bytes) if bytes.starts_with(written) => Match::NotYet,
            Self::Expect(_) => Match::Otherwise,
            Self::ExpectHead if written.starts_with(&TLS_HANDSHAKE) => Match::Otherwise,
            Self::ExpectHead => match written.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(start) => Match::Done(start + 4),
                None => Match::NotYet,
            },
            Self::Respond(bytes) if bytes.is_empty() => Match::Done(0),
            Self::Respond(_) | Self::Pause(..) => Match::NotYet,
        }
    }
}
