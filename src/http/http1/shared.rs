//! The state that a connection's handle, its exchange and the response body share.
//!
//! No task drives a connection: the future of the request polls it, then the body of the response. Only a request that is
//! still being sent after its response began gets a task, for its rest.
//!
//! ```text
//! idle ── call ──▶ busy ── response whole ─────────────▶ idle
//!   │               │ └─── response body ── its end ───▶ idle, or busy until the request is sent
//!   │               └── failed, dropped, aborted ──────▶ closed
//!   └── unsolicited bytes, or the end ─────────────────▶ closed
//! ```
//!
//! The lock is contended only while a connection is [aborted](ConnShared::abort). No foreign code runs under it: no poll of
//! a body, no callback, no wake, no drop of a stream, a waker or a slot.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Wake, Waker},
};

use http::StatusCode;

use super::{
    config::HeadLimits,
    status::{ConnStatus, StatusCell},
    wire::{ReadEnd, Wire},
};
use crate::{
    connection::{Abort, PoolSlot},
    error::{Error, Kind},
    io::{direct::DirectIo, greeting::Spoken, write_count::WriteCount},
    lock,
    rt::{Runtime, RuntimeHandle},
    target::Target,
    timeout::StallTimeout,
};

/// Shared by the handle, the exchange and the body of a connection.
pub(super) struct ConnShared {
    target: Target,
    runtime: Runtime,
    /// The runtime in which the connection was made: only there its stream wakes tasks.
    home: RuntimeHandle,
    pub(super) limits: HeadLimits,
    pub(super) status: StatusCell,
    state: Mutex<ConnState>,
}

/// The state under the lock.
pub(super) struct ConnState {
    pub(super) wire: Wire,
    pub(super) phase: ConnPhase,
    /// Polls for the response; woken when the connection is aborted.
    reader: Option<Waker>,
    /// Waits until the connection is idle.
    next: Option<Waker>,
    /// Released when the stream is dropped, wherever it goes.
    slot: Option<HeldSlot>,
    /// The stream is being dropped, outside of the lock.
    is_closing: bool,
    /// The box of the last exchange, with its timer, for the next one.
    pub(super) stall: Option<Box<StallTimeout>>,
}

/// A pool's slot.
#[expect(dead_code, reason = "it is held to be dropped")]
pub(super) enum HeldSlot {
    Pool(PoolSlot),
    #[cfg(test)]
    Other(Box<dyn Send>),
}

/// The use of a connection.
pub(super) enum ConnPhase {
    Idle,
    /// A request is sent or its response is read.
    Busy,
    /// The response began before the request was sent: a task sends the rest, or could not.
    Uploading(Uploading),
}

/// The rest of a request whose response has begun.
pub(super) struct Uploading {
    /// The response may wait for the caller's body: a refusal does not.
    pub(super) is_success: bool,
    /// The caller's body is pending, and the response may wait for it.
    pub(super) is_body_awaited: bool,
    /// The response has ended: the connection is idle when the request has.
    is_answered: bool,
    /// The caller's body failed: the request has broken off. Drop it outside of the lock.
    failure: Option<Error>,
    task: Option<Waker>,
}

impl ConnShared {
    pub(super) fn new(
        io: DirectIo,
        count: Option<&WriteCount>,
        target: &Target,
        limits: HeadLimits,
        runtime: Runtime,
    ) -> Self {
        Self {
            target: target.clone(),
            home: runtime.current(),
            runtime,
            limits,
            status: StatusCell::new(),
            state: Mutex::new(ConnState {
                wire: Wire::new(io, count),
                phase: ConnPhase::Idle,
                reader: None,
                next: None,
                slot: None,
                is_closing: false,
                stall: None,
            }),
        }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ConnState> {
        lock::lock(&self.state)
    }

    /// Closes the connection at once, in any phase, unless it was upgraded.
    pub(super) fn abort(&self) {
        // The status first, so that no request starts meanwhile; an upgraded stream is not ours.
        if !self.status.close() {
            return;
        }
        let mut state = self.lock();
        let io = state.wire.take_io();
        // While the stream is dropped outside of the lock, `hold` may still bring the slot.
        state.is_closing |= io.is_some();
        let phase = std::mem::replace(&mut state.phase, ConnPhase::Idle);
        let (reader, next) = (state.reader.take(), state.next.take());
        let stall = state.stall.take();
        drop(state);
        if io.is_some() {
            drop(io);
            // Only now: the pool may dial as soon as the slot is free.
            self.release_slot();
        }
        drop(stall);
        let uploading = match phase {
            ConnPhase::Uploading(uploading) => uploading.task,
            ConnPhase::Idle | ConnPhase::Busy => None,
        };
        // After the lock and all drops: a woken task may use the connection at once.
        [reader, next, uploading].into_iter().flatten().for_each(Waker::wake);
    }

    /// Releases the slot after the stream is dropped, including one that came meanwhile: the pool then counts the connection
    /// as closed.
    fn release_slot(&self) {
        let mut state = self.lock();
        state.is_closing = false;
        let slot = state.slot.take();
        drop(state);
        drop(slot);
    }

    /// Shuts an idle connection down as far as that needs no waiting; aborts a busy one.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.is_idle() {
            // A stream that cannot take the shutdown now is closed without one.
            let _ = state.wire.poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
        drop(state);
        self.abort();
    }

    /// Holds `slot` until the stream is dropped; drops it at once if that has happened.
    pub(super) fn hold(&self, slot: HeldSlot) {
        let mut slot = Some(slot);
        let mut state = self.lock();
        if state.wire.is_open() || state.is_closing {
            std::mem::swap(&mut state.slot, &mut slot);
        }
        drop(state);
        drop(slot);
    }

    /// Ready when the next request may be sent.
    pub(super) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if matches!(state.phase, ConnPhase::Idle) || !state.wire.is_open() {
            return Poll::Ready(());
        }
        let old = state.next.replace(cx.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Ends the response. The connection becomes idle, unless the request is still being sent.
    pub(super) fn end_response(self: &Arc<Self>, mut state: MutexGuard<'_, ConnState>) {
        // Bytes after the response belong to no request; a failed write has left part of this one unsent.
        if !state.wire.unread().is_empty() || state.wire.write_failed() {
            self.status.finish();
        }
        match &mut state.phase {
            // Even if it takes no further request: whoever closes it then has to wake the task.
            ConnPhase::Uploading(uploading) => uploading.is_answered = true,
            ConnPhase::Idle | ConnPhase::Busy => self.become_idle(&mut state),
        }
        let next = state.next.take();
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }

    /// The task has sent the rest of the request, or cannot.
    pub(super) fn end_upload(self: &Arc<Self>) {
        let mut state = self.lock();
        let ConnPhase::Uploading(uploading) = &mut state.phase else { return };
        let (is_answered, task) = (uploading.is_answered, uploading.task.take());
        // `end_response` makes only a busy connection idle.
        state.phase = ConnPhase::Busy;
        state.wire.is_full = false;
        if is_answered {
            self.end_response(state);
        } else {
            drop(state);
        }
        drop(task);
    }

    /// The caller's body failed. What was received of the response is still read; if that is not all of it, this is its error.
    pub(super) fn fail_upload(&self, error: Error) {
        self.status.finish();
        let mut state = self.lock();
        let ConnPhase::Uploading(uploading) = &mut state.phase else { return };
        if uploading.is_answered {
            drop(state);
            return self.abort();
        }
        let task = uploading.task.take();
        uploading.failure = Some(error);
        let reader = state.reader.take();
        drop(state);
        drop(task);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn become_idle(self: &Arc<Self>, state: &mut ConnState) {
        state.phase = ConnPhase::Idle;
        // The response came before the whole head was written: its rest must not precede the next request.
        if !state.wire.is_flushed() {
            self.status.finish();
        }
        state.wire.shrink();
        // A read that finds nothing also registers the watcher for the idle time.
        if self.status.takes_requests() && !self.is_quiet(state) {
            self.status.finish();
        }
    }

    /// Whether nothing was received. If so, registers to be woken when something is.
    fn is_quiet(self: &Arc<Self>, state: &mut ConnState) -> bool {
        // The stream keeps this `Arc` in its waker; `abort` drops the stream, which ends the cycle.
        let watcher = Waker::from(self.clone());
        state.wire.poll_received(&mut Context::from_waker(&watcher)).is_pending()
    }

    /// Watches a new connection. If it has already ended, it is closed by a task, so that a request that is about to be sent
    /// learns how it ended.
    pub(super) fn watch(self: &Arc<Self>) {
        let mut state = self.lock();
        let is_quiet = self.is_quiet(&mut state);
        drop(state);
        if !is_quiet {
            self.clone().wake();
        }
    }

    /// Closes an idle connection on which something was received.
    fn close_unless_quiet(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.is_idle() && !self.is_quiet(&mut state) {
            drop(state);
            self.abort();
        }
    }

    /// An operation and its peer, for errors.
    pub(super) fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.target)
    }

    /// Why it takes no request.
    pub(super) fn closed_error(&self) -> Error {
        let doing = self.doing("sending a request to");
        let state = self.lock();
        if let Some(strange) = self.foreign_protocol(&state.wire, &doing) {
            return strange;
        }
        let counts = state.wire.counts;
        match &state.wire.end {
            Some(ReadEnd::Below(error)) if error.kind() != Kind::Io => error.clone(),
            Some(ReadEnd::Below(error)) => closed_by_peer(doing).because(error.clone()),
            Some(ReadEnd::Closed(_)) if counts.read > 0 && counts.written == 0 => {
                spoke_first(&doing)
            }
            Some(ReadEnd::Closed(kind)) => closed_by_peer(doing).because(io::Error::from(*kind)),
            None if counts.read > 0 && counts.written == 0 => spoke_first(&doing),
            None if !state.wire.unread().is_empty() => {
                closed_by_peer(doing).because(io::Error::from(io::ErrorKind::ConnectionAborted))
            }
            None => Error::new(Kind::Canceled, format!("{doing}: its connection has ended")),
        }
    }

    /// The error for a peer that speaks another protocol, if it does.
    pub(super) fn foreign_protocol(&self, wire: &Wire, doing: &str) -> Option<Error> {
        let name = wire.spoken.name().filter(|_| wire.spoken != Spoken::Http1)?;
        let text = format!("{doing}: the server speaks {name}, and HTTP/1.1 was expected");
        Some(Error::new(Kind::Protocol, text))
    }
}

impl ConnState {
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.phase, ConnPhase::Idle) && self.wire.is_open()
    }

    /// Registers the waker for an abort. Drop the returned waker outside of the lock.
    #[must_use]
    pub(super) fn register_reader(&mut self, cx: &Context<'_>) -> Option<Waker> {
        match &self.reader {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => self.reader.replace(cx.waker().clone()),
        }
    }

    /// Like [`register_reader`](Self::register_reader), for the task that sends the rest of a request.
    #[must_use]
    pub(super) fn register_upload(&mut self, cx: &Context<'_>) -> Option<Waker> {
        match &mut self.phase {
            ConnPhase::Uploading(uploading) => uploading.task.replace(cx.waker().clone()),
            ConnPhase::Idle | ConnPhase::Busy => None,
        }
    }

    /// Whether the caller's body failed, and its error is not taken.
    pub(super) fn has_upload_failed(&self) -> bool {
        matches!(&self.phase, ConnPhase::Uploading(uploading) if uploading.failure.is_some())
    }

    pub(super) fn take_upload_failure(&mut self) -> Option<Error> {
        match &mut self.phase {
            ConnPhase::Uploading(uploading) => uploading.failure.take(),
            ConnPhase::Idle | ConnPhase::Busy => None,
        }
    }

    pub(super) fn take_slot(&mut self) -> Option<HeldSlot> {
        self.slot.take()
    }
}

impl Uploading {
    pub(super) fn new(status: StatusCode) -> Self {
        let is_success = status.is_success();
        Self { is_success, is_body_awaited: false, is_answered: false, failure: None, task: None }
    }
}

impl Abort for ConnShared {
    fn abort(&self) {
        Self::abort(self);
    }
}

/// Woken when an idle connection has something to read: its end, or unsolicited bytes.
impl Wake for ConnShared {
    fn wake(self: Arc<Self>) {
        if !self.status.takes_requests() {
            return;
        }
        // In a task: an I/O driver calls this, and may hold its own locks.
        let shared = self.clone();
        self.runtime.spawn_on(&self.home, async move { shared.close_unless_quiet() });
    }
}

/// The peer closed the connection before it was given a request.
fn closed_by_peer(doing: String) -> Error {
    Error::new(Kind::Canceled, format!("{doing}: the server closed the connection"))
}

fn spoke_first(doing: &str) -> Error {
    let text = format!("{doing}: the server spoke before it was asked");
    let cause = io::Error::new(io::ErrorKind::InvalidData, "bytes came before any request");
    Error::new(Kind::Canceled, text).because(cause)
}

impl fmt::Debug for ConnShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status: ConnStatus = self.status.get();
        f.debug_struct("ConnShared")
            .field("peer", &format_args!("{}", self.target))
            .field("status", &status)
            .finish_non_exhaustive()
    }
}
