//! The part that handles, requests and bodies of a connection share.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::{oneshot, watch};

use super::{
    signals::Signal,
    state::{CloseCause, ConnState},
};
use crate::{
    connect::ConnectInfo,
    connection::AbortHandle,
    options::Timeouts,
    request_target::http2::NamedOrigin,
    rt::{Runtime, TaskAbortHandle},
    target::{Origin, Target},
};

/// Shared by the handles, requests and bodies of a connection, which closes after the last of them.
pub(super) struct ConnShared {
    state: Arc<ConnState>,
    /// h2's handle, cloned for each request.
    streams: SendRequest<Bytes>,
    /// The driver, once spawned.
    task: Option<TaskAbortHandle>,
    target: Target,
    origin: NamedOrigin,
    /// The target, as error texts name it.
    peer: Box<str>,
    info: ConnectInfo,
    /// For requests without their own.
    timeouts: Timeouts,
    /// The waits of all requests share one timer.
    runtime: Runtime,
    settled: watch::Receiver<()>,
    is_used: AtomicBool,
}

/// Dropped when the peer's SETTINGS have come, or never will.
pub(super) type SettingsPending = watch::Sender<()>;

/// If the driver has read this recently, nothing new is expected: a check costs a system call.
const RECENT_NANOSECONDS: u64 = 1_000_000;

impl ConnShared {
    pub(super) fn new(
        state: Arc<ConnState>,
        streams: SendRequest<Bytes>,
        target: &Target,
        info: ConnectInfo,
        runtime: &Runtime,
    ) -> (Self, SettingsPending) {
        let (settings_pending, settled) = watch::channel(());
        let conn = Self {
            state,
            streams,
            task: None,
            target: target.clone(),
            origin: NamedOrigin::new(&target.origin),
            peer: target.to_string().into(),
            info,
            timeouts: Timeouts::default(),
            runtime: runtime.with_shared_timer(),
            settled,
            is_used: AtomicBool::new(false),
        };
        (conn, settings_pending)
    }

    pub(super) fn driven_by(&mut self, task: TaskAbortHandle) {
        self.task = Some(task);
    }

    pub(super) fn state(&self) -> &ConnState {
        &self.state
    }

    /// A handle for one request.
    ///
    /// Not shared: after a request that found the connection full, h2 replaces its waker with that of the next user of the
    /// same handle, and its upload would never continue.
    pub(super) fn streams(&self) -> SendRequest<Bytes> {
        self.streams.clone()
    }

    /// The connection's origin, and how requests name it.
    pub(super) fn origin(&self) -> (&Origin, &NamedOrigin) {
        (&self.target.origin, &self.origin)
    }

    pub(super) fn info(&self) -> &ConnectInfo {
        &self.info
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    pub(super) fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// An operation and its peer, for errors.
    pub(super) fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.peer)
    }

    /// Called before a request. After an idle time the runtime may report nothing to read although there is; h2 reads before
    /// it writes. While a stream is active, the driver reads by itself.
    pub(super) fn begin_use(&self, now: Instant) {
        let was_used = self.is_used.load(Ordering::Acquire);
        if !was_used {
            self.mark_used();
        } else if self.state.active() == 0 && !self.state.was_read_within(RECENT_NANOSECONDS, now) {
            self.recheck_socket();
        }
    }

    fn recheck_socket(&self) {
        if let Some(recheck) = self.info.recheck() {
            recheck.request();
        }
    }

    /// The connection was idle since its dial.
    pub(super) fn mark_used(&self) {
        self.is_used.store(true, Ordering::Release);
    }

    /// Whether the driver may have left something unread: the connection was used or idle before, and no stream is active.
    pub(super) fn may_have_unread(&self) -> bool {
        self.is_used.load(Ordering::Acquire) && self.state.active() == 0
    }

    /// Waits until the driver has read what is in the socket, or the connection has ended.
    pub(super) fn has_read(&self) -> impl Future<Output = ()> + Send + 'static {
        self.recheck_socket();
        let (reading, read) = oneshot::channel();
        // If the driver has ended, `send` drops `reading`.
        self.state.signals().send(Signal::Read(reading));
        async move {
            // Nothing is ever sent: the drop is the signal.
            let _ = read.await;
        }
    }

    /// Waits until the peer's SETTINGS have come, or the connection has ended.
    pub(super) fn settings_known(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut settled = self.settled.clone();
        async move {
            // Nothing is ever sent: the drop is the signal.
            let _ = settled.changed().await;
        }
    }

    /// Whether the peer's SETTINGS have come, or the connection has ended.
    pub(super) fn has_settings(&self) -> bool {
        self.settled.has_changed().is_err()
    }

    /// Reports a cancelled stream without a byte since `read`. After a short silence the connection becomes suspect only if a
    /// PING stays unanswered.
    pub(super) fn report_silence(&self, read: u64, silence: Duration) {
        if self.state.is_long(silence) {
            self.state.suspect();
        }
        self.state.signals().send(Signal::Silence(read));
    }

    /// Does not keep the connection open.
    pub(super) fn abort_handle(&self) -> AbortHandle {
        let (state, task) = (self.state.clone(), self.task.clone());
        AbortHandle::new(move || {
            state.signals().send(Signal::Abort);
            // The driver's runtime may not be driven now.
            if let Some(task) = task.as_ref().filter(|task| task.is_foreign()) {
                state.close(CloseCause::Aborted);
                task.abort_if_foreign();
            }
        })
    }
}

impl Drop for ConnShared {
    fn drop(&mut self) {
        self.state.signals().send(Signal::Unused);
    }
}

impl fmt::Debug for ConnShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnShared")
            .field("peer", &self.peer)
            .field("state", &self.state)
            .field("info", &self.info)
            .finish()
    }
}
