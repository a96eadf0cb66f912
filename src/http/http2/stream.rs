//! One stream, from its request to the end of its answer.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use h2::RecvStream;

use super::{shared::ConnShared, upload::RestGuard};
use crate::{
    connection::Progress,
    error::Error,
    timeout::{Elapsed, StallTimeout, WaitingFor},
};

/// What a stream needs from its request to the end of its answer: made once, and handed from the wait for the head to the
/// body.
pub(in crate::http) struct OpenStream {
    pub(super) guard: StreamGuard,
    pub(super) stall: StallTimeout,
    /// What is left of the request, once the answer has begun.
    pub(super) uploading: Option<RestGuard>,
    /// The answer, once it has begun.
    pub(super) receiving: Option<RecvStream>,
    /// Bytes of the answer's content that came.
    pub(super) received: u64,
    /// Bytes of it to come, if that is known.
    pub(super) left: Option<u64>,
    /// The peer was not waited for yet.
    is_new: bool,
}

/// A stream that someone waits on: counted, and when it is given up without a word of the peer, told.
#[derive(Debug)]
pub(super) struct StreamGuard {
    conn: Arc<ConnShared>,
    /// What had been written when it was opened.
    written: u64,
    /// Heads that may be 1xx, which had come by then on the connection.
    heads: u64,
    /// If somebody waits.
    wait: Option<Wait>,
}

/// A wait for the peer.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// What had been read when it began.
    read: u64,
    since: Instant,
}

impl OpenStream {
    /// For a request that is about to be queued.
    pub(super) fn new(conn: Arc<ConnShared>, stall: StallTimeout) -> Box<Self> {
        let guard = StreamGuard::new(conn);
        let (uploading, receiving) = (None, None);
        Box::new(Self { guard, stall, uploading, receiving, received: 0, left: None, is_new: true })
    }

    /// Ready when the peer has been waited for too long.
    pub(super) fn poll_limits(
        &mut self,
        awaited: WaitingFor,
        moved: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Elapsed> {
        let outcome = self.stall.poll(awaited, moved, self.guard.conn().runtime(), cx);
        // The guard of a stream begins to wait when it is made.
        let is_new = mem::replace(&mut self.is_new, false);
        if self.stall.has_just_moved() && !is_new {
            self.guard.waits_anew();
        }
        outcome
    }
}

impl StreamGuard {
    /// A stream of which the request is about to be queued.
    pub(super) fn new(conn: Arc<ConnShared>) -> Self {
        let now = conn.runtime().now();
        conn.begin_use(now);
        conn.state().stream_opens();
        let meter = conn.state().meter();
        let (written, wait) = (meter.written(), Wait { read: meter.read(), since: now });
        let heads = conn.state().unanswered().heads();
        Self { conn, written, heads, wait: Some(wait) }
    }

    pub(super) fn conn(&self) -> &Arc<ConnShared> {
        &self.conn
    }

    /// Whether a head of 1xx may have come for it.
    pub(super) fn may_have_informational(&self) -> bool {
        self.conn.state().unanswered().heads() != self.heads
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
        self.wait.get_or_insert_with(|| Wait::begin(&self.conn));
    }

    /// The peer is being waited for, from now on.
    pub(super) fn waits_anew(&mut self) {
        self.wait = Some(Wait::begin(&self.conn));
    }

    /// The peer is not being waited for.
    pub(super) fn heard(&mut self) {
        self.wait = None;
    }
}

impl Wait {
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
        if let Some(wait) = self.wait
            && wait.read == self.conn.state().meter().read()
            && self.was_written()
        {
            self.conn.tell_silence(wait.read, wait.time(&self.conn));
        }
    }
}
