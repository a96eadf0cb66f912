//! One stream, from its request to the end of its answer.

use std::sync::Arc;

use super::link::Link;
use crate::error::Error;

/// A stream that someone waits on: counted, and when it is given up without a word of the peer, told.
#[derive(Debug)]
pub(super) struct Open {
    link: Arc<Link>,
    /// What had been written when it was opened.
    written: u64,
    /// What had been read when somebody began to wait, if somebody waits.
    waiting: Option<u64>,
}

impl Open {
    /// A stream of which the request is about to be queued.
    pub(super) fn new(link: Arc<Link>) -> Self {
        link.vitals().stream_opens();
        let meter = link.vitals().meter();
        let (written, waiting) = (meter.written(), Some(meter.read()));
        Self { link, written, waiting }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Whether anything was written since the stream was opened; if not, nothing of its request was.
    pub(super) fn was_written(&self) -> bool {
        self.link.vitals().meter().written() != self.written
    }

    /// The stream failed: nobody waits any more.
    pub(super) fn fail(&mut self, error: h2::Error) -> Error {
        self.heard();
        match self.was_written() {
            true => self.link.failed_sending(error),
            false => self.link.failed_unsent(error),
        }
    }

    /// The peer is being waited for, from now on or from before.
    pub(super) fn waits(&mut self) {
        let read = self.link.vitals().meter().read();
        self.waiting.get_or_insert(read);
    }

    /// The peer is being waited for, from now on.
    pub(super) fn waits_anew(&mut self) {
        self.waiting = Some(self.link.vitals().meter().read());
    }

    /// The peer is not being waited for.
    pub(super) fn heard(&mut self) {
        self.waiting = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.link.vitals().stream_ends();
        if let Some(read) = self.waiting
            && read == self.link.vitals().meter().read()
            && self.was_written()
        {
            self.link.tell_silence(read);
        }
    }
}
