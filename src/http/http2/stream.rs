//! One stream, from its request to the end of its response.

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

/// The state of a stream, allocated once and handed from the wait for the head to the body.
pub(in crate::http) struct OpenStream {
    pub(super) guard: StreamGuard,
    pub(super) stall: StallTimeout,
    /// The rest of the upload, once the response has begun.
    pub(super) uploading: Option<RestGuard>,
    /// The response body, once it has begun.
    pub(super) receiving: Option<RecvStream>,
    /// Bytes of content received.
    pub(super) received: u64,
    /// Bytes of content to come, if known.
    pub(super) left: Option<u64>,
    /// `poll_limits` was not called yet.
    is_new: bool,
}

/// Counts an active stream. Dropping it while the peer is silent marks the connection suspect.
#[derive(Debug)]
pub(super) struct StreamGuard {
    conn: Arc<ConnShared>,
    /// Bytes written by the connection when it was opened.
    written: u64,
    /// Possible 1xx heads received on the connection by then.
    heads: u64,
    /// `None` while the peer is not waited for.
    wait: Option<PeerWait>,
}

/// A wait for the peer.
#[derive(Clone, Copy, Debug)]
struct PeerWait {
    /// Bytes read by the connection at its start.
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

    /// Ready when the peer was waited for too long.
    pub(super) fn poll_limits(
        &mut self,
        awaited: WaitingFor,
        moved: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Elapsed> {
        let outcome = self.stall.poll(awaited, moved, self.guard.conn().runtime(), cx);
        // The guard's own wait starts when it is created.
        let is_new = mem::replace(&mut self.is_new, false);
        if self.stall.has_just_moved() && !is_new {
            self.guard.restart_wait();
        }
        outcome
    }
}

impl StreamGuard {
    /// For a request that is about to be queued.
    pub(super) fn new(conn: Arc<ConnShared>) -> Self {
        let now = conn.runtime().now();
        // Before this stream counts: `begin_use` asks whether another one is active.
        conn.begin_use(now);
        conn.state().stream_opens();
        let meter = conn.state().meter();
        let (written, wait) = (meter.written(), PeerWait { read: meter.read(), since: now });
        let heads = conn.state().unanswered().heads();
        Self { conn, written, heads, wait: Some(wait) }
    }

    pub(super) fn conn(&self) -> &Arc<ConnShared> {
        &self.conn
    }

    /// Whether a 1xx head may have come for it.
    pub(super) fn may_have_informational(&self) -> bool {
        self.conn.state().unanswered().heads() != self.heads
    }

    /// Whether anything was written since the stream was opened; if not, nothing of its request was.
    pub(super) fn was_written(&self) -> bool {
        self.conn.state().meter().written() != self.written
    }

    /// Whether nothing was written and nothing ever will be: the connection's writes have ended.
    pub(super) fn stays_unwritten(&self) -> bool {
        self.conn.state().meter().stops_unwritten(self.written)
    }

    /// The stream failed: stops waiting, and decides how far the request came. Decided once, because the connection may write
    /// meanwhile.
    pub(super) fn fail(&mut self, error: h2::Error) -> (Progress, Error) {
        self.end_wait();
        let progress = self.progress(&error);
        let error = match progress {
            Progress::Unsent => self.conn.failed_unsent(error),
            _ => self.conn.failed_sending(error),
        };
        (progress, error)
    }

    /// h2 refused the stream: nothing of its request was queued.
    pub(super) fn refuse(&mut self, error: h2::Error) -> Error {
        self.end_wait();
        self.conn.failed_unsent(error)
    }

    /// The peer is waited for; keeps the start of a running wait.
    pub(super) fn start_wait(&mut self) {
        self.wait.get_or_insert_with(|| PeerWait::begin(&self.conn));
    }

    /// The peer is waited for, from now on.
    pub(super) fn restart_wait(&mut self) {
        self.wait = Some(PeerWait::begin(&self.conn));
    }

    /// The peer is not waited for.
    pub(super) fn end_wait(&mut self) {
        self.wait = None;
    }
}

impl PeerWait {
    fn begin(conn: &ConnShared) -> Self {
        Self { read: conn.state().meter().read(), since: conn.runtime().now() }
    }

    /// For how long nothing has come, if that counts: since the wait began, or for long.
    fn silence(self, conn: &ConnShared) -> Option<Duration> {
        let (state, now) = (conn.state(), conn.runtime().now());
        if self.read == state.meter().read() {
            return Some(now.saturating_duration_since(self.since));
        }
        // Bytes came, perhaps unread ones of this stream: only a PING tells whether the peer lives.
        state.is_long(state.time_since_read(now)).then_some(Duration::ZERO)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        let (state, meter) = (self.conn.state(), self.conn.state().meter());
        state.stream_ends();
        // The peer owes an answer to what was written, or it has long not read what waits to be written.
        let owes = |silence| self.was_written() || meter.is_full() && state.is_long(silence);
        if let Some(wait) = self.wait
            && let Some(silence) = wait.silence(&self.conn).filter(|silence| owes(*silence))
        {
            self.conn.report_silence(meter.read(), silence);
        }
    }
}
