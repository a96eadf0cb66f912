//! One stream, from its request to the end of its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::shared::ConnShared;
use crate::{connection::Progress, error::Error};

/// A stream that someone waits on: counted, and when it is given up without a word of the peer, told.
#[derive(Debug)]
pub(super) struct StreamGuard {
    conn: Arc<ConnShared>,
    /// What had been written when it was opened.
    written: u64,
    /// If somebody waits.
    waiting: Option<Waiting>,
}

/// A wait for the peer.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// What had been read when it began.
    read: u64,
    since: Instant,
}

impl StreamGuard {
    /// A stream of which the request is about to be queued.
    pub(super) fn new(conn: Arc<ConnShared>) -> Self {
        let now = conn.runtime().now();
        conn.begin_use(now);
        conn.state().stream_opens();
        let meter = conn.state().meter();
        let (written, waiting) = (meter.written(), Waiting { read: meter.read(), since: now });
        Self { conn, written, waiting: Some(waiting) }
    }

    pub(super) fn conn(&self) -> &Arc<ConnShared> {
        &self.conn
    }

    /// Whether anything was written since the stream was opened; if not, nothing of its request was.
    pub(super) fn was_written(&self) -> bool {
        self.conn.state().meter().written() != self.written
    }

    /// The same, for good: if nothing was, nothing is written on the connection any more.
    pub(super) fn stays_unwritten(&self) -> bool {
        self.conn.state().meter().stops_unwritten(self.written)
    }

    /// The stream failed: nobody waits any more.
    ///
    /// It is decided once how far the request came, because the connection may write meanwhile.
    pub(super) fn fail(&mut self, error: h2::Error) -> (Progress, Error) {
        self.heard();
        let progress = self.progress(&error);
        let error = match progress {
            Progress::Unsent => self.conn.failed_unsent(error),
            _ => self.conn.failed_sending(error),
        };
        (progress, error)
    }

    /// The connection took no stream: nothing of its request was queued.
    pub(super) fn refuse(&mut self, error: h2::Error) -> Error {
        self.heard();
        self.conn.failed_unsent(error)
    }

    /// The peer is being waited for, from now on or from before.
    pub(super) fn waits(&mut self) {
        self.waiting.get_or_insert_with(|| Waiting::begin(&self.conn));
    }

    /// The peer is being waited for, from now on.
    pub(super) fn waits_anew(&mut self) {
        self.waiting = Some(Waiting::begin(&self.conn));
    }

    /// The peer is not being waited for.
    pub(super) fn heard(&mut self) {
        self.waiting = None;
    }
}

impl Waiting {
    fn begin(conn: &ConnShared) -> Self {
        Self { read: conn.state().meter().read(), since: conn.runtime().now() }
    }

    fn time(self, conn: &ConnShared) -> Duration {
        conn.runtime().now().saturating_duration_since(self.since)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.conn.state().stream_ends();
        if let Some(waiting) = self.waiting
            && waiting.read == self.conn.state().meter().read()
            && self.was_written()
        {
            self.conn.tell_silence(waiting.read, waiting.time(&self.conn));
        }
    }
}
