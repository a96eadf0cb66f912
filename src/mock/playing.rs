//! Decides what a scripted connection does next: how far its script has come, and what was written.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;

use super::script::{End, Script, Step};
use crate::{rt::Runtime, target::Target};

/// How a record of TLS begins that holds a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: [u8; 2] = [22, 3];

/// One connection and its script.
pub(super) struct Playing {
    pub(super) target: Target,
    pub(super) written: Vec<u8>,
    /// So much of what was written the script has taken.
    taken: usize,
    steps: VecDeque<Step>,
    end: End,
    fault: Option<String>,
}

/// What a reader is told.
pub(super) enum Turn {
    Read(Bytes),
    End,
    Fail(io::Error),
    /// Until something is written.
    Wait,
    /// And then [`go_on`](Playing::go_on).
    Pause(Runtime, Duration),
}

/// How what was written looks to a step.
enum Seen {
    /// So many bytes of it are the step's, which is done.
    Done(usize),
    NotYet,
    Otherwise,
}

impl Playing {
    pub(super) fn new(target: Target, script: Option<Script>) -> Self {
        let fault = script.is_none().then(|| "there is no script for it".to_owned());
        let Script { steps, end } = script.unwrap_or_default();
        let (written, steps) = (Vec::new(), steps.into());
        Self { target, written, taken: 0, steps, end, fault }
    }

    /// Whether there is a connection at all.
    pub(super) fn begin(&self) -> io::Result<()> {
        match (&self.fault, self.end) {
            (Some(fault), _) => Err(io::Error::other(fault.clone())),
            (None, End::Fail(kind)) => Err(kind.into()),
            (None, _) => Ok(()),
        }
    }

    /// What the reader, who has so much room, is told.
    pub(super) fn turn(&mut self, room: usize) -> Turn {
        self.hear();
        if let Some(fault) = &self.fault {
            return Turn::Fail(io::Error::new(io::ErrorKind::InvalidData, fault.clone()));
        }
        match self.steps.front_mut() {
            Some(Step::Respond(bytes)) => Turn::Read(bytes.split_to(room.min(bytes.len()))),
            Some(Step::Pause(runtime, duration)) => Turn::Pause(runtime.clone(), *duration),
            Some(Step::Expect(_) | Step::ExpectHead) => Turn::Wait,
            None => self.end.turn(),
        }
    }

    /// The pause is over; whoever holds no lock drops it.
    pub(super) fn go_on(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.reached() {
            Some(End::Close) => return Err(io::ErrorKind::BrokenPipe.into()),
            Some(End::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => self.written.extend_from_slice(bytes),
        }
        self.hear();
        Ok(())
    }

    /// Why the script is not done, if it is not.
    pub(super) fn lacks(&mut self) -> Option<String> {
        self.hear();
        let unplayed = (!self.steps.is_empty()).then(|| format!("not played: {:?}", self.steps));
        self.fault.clone().or(unplayed)
    }

    /// The end, if the script has come to it.
    fn reached(&mut self) -> Option<End> {
        self.hear();
        self.steps.is_empty().then_some(self.end)
    }

    /// Takes what was written, as far as the script expects it, and notices what it does not.
    fn hear(&mut self) {
        while let Some(step) = self.steps.front() {
            match step.look(&self.written[self.taken..]) {
                Seen::Done(length) => self.taken += length,
                Seen::NotYet => return,
                Seen::Otherwise => return self.object(format!("{step:?}")),
            }
            self.steps.pop_front();
        }
        if self.end == End::Open && self.taken < self.written.len() {
            self.object("nothing more".to_owned());
        }
    }

    fn object(&mut self, expected: String) {
        let written = &self.written[self.taken..];
        let fault = || match written.starts_with(&TLS_HANDSHAKE) {
            true => format!(
                "the script has {expected}, but TLS was begun: the target is `https` behind a proxy, or `below_tls`, and \
                 this script is not what is inside of TLS"
            ),
            false => {
                format!("the script has {expected}, but \"{}\" was written", written.escape_ascii())
            }
        };
        self.fault.get_or_insert_with(fault);
    }
}

impl End {
    fn turn(self) -> Turn {
        match self {
            Self::Open | Self::Stall => Turn::Wait,
            Self::Close => Turn::End,
            Self::Reset => Turn::Fail(io::ErrorKind::ConnectionReset.into()),
            Self::Fail(kind) => Turn::Fail(kind.into()),
        }
    }
}

impl Step {
    fn look(&self, written: &[u8]) -> Seen {
        match self {
            Self::Expect(bytes) if written.starts_with(bytes) => Seen::Done(bytes.len()),
            Self::Expect(bytes) if bytes.starts_with(written) => Seen::NotYet,
            Self::Expect(_) => Seen::Otherwise,
            Self::ExpectHead if written.starts_with(&TLS_HANDSHAKE) => Seen::Otherwise,
            Self::ExpectHead => match written.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(start) => Seen::Done(start + 4),
                None => Seen::NotYet,
            },
            Self::Respond(bytes) if bytes.is_empty() => Seen::Done(0),
            Self::Respond(_) | Self::Pause(..) => Seen::NotYet,
        }
    }
}
