//! What ties handles, requests and bodies to their connection.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot, watch,
};

use super::state::{CloseCause, ConnState};
use crate::{
    connect::ConnectInfo,
    connection::Cut,
    options::Timeouts,
    rt::{AbortHandle, Runtime},
    target::Target,
};

/// Everyone who uses a connection has it; the connection is closed after the last.
pub(super) struct ConnShared {
    state: Arc<ConnState>,
    /// The driver, once it runs.
    task: Option<AbortHandle>,
    target: Target,
    /// The target, as error texts name it.
    peer: Box<str>,
    info: ConnectInfo,
    /// Of requests that say nothing themselves.
    timeouts: Timeouts,
    runtime: Runtime,
    signals: UnboundedSender<Signal>,
    settled: watch::Receiver<()>,
    is_used: AtomicBool,
}

/// Dropped when the peer's SETTINGS have come, or never will.
pub(super) type Unsettled = watch::Sender<()>;

/// What those who use a connection tell its driver.
#[derive(Debug)]
pub(super) enum Signal {
    /// A stream was given up for which nothing came: so many bytes had been read, then and now.
    Silence(u64),
    /// It is to read once; a request waits until this is dropped.
    Read(oneshot::Sender<()>),
    /// It is to end at once.
    Cut,
}

impl ConnShared {
    pub(super) fn new(
        state: Arc<ConnState>,
        target: &Target,
        info: ConnectInfo,
        runtime: Runtime,
    ) -> (Self, (UnboundedReceiver<Signal>, Unsettled)) {
        let (signals, receiver) = unbounded_channel();
        let (unsettled, settled) = watch::channel(());
        let (target, peer) = (target.clone(), target.to_string().into());
        let (timeouts, is_used, task) = (Timeouts::default(), AtomicBool::new(false), None);
        let conn =
            Self { state, task, target, peer, info, timeouts, runtime, signals, settled, is_used };
        (conn, (receiver, unsettled))
    }

    pub(super) fn driven_by(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    pub(super) fn state(&self) -> &ConnState {
        &self.state
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
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

    /// What is being done, and with whom.
    pub(super) fn doing(&self, what: &str) -> String {
        format!("{what} {}", self.peer)
    }

    /// Whoever used the connection before may have left the runtime believing that there is nothing to read. h2 reads
    /// before it writes.
    pub(super) fn look_at_the_socket(&self) {
        if self.is_used.swap(true, Ordering::AcqRel)
            && let Some(recheck) = self.info.recheck()
        {
            recheck.request();
        }
    }

    /// The connection has rested since it was made.
    pub(super) fn mark_used(&self) {
        self.is_used.store(true, Ordering::Release);
    }

    /// Whether the driver may have left something unread: the connection was used or has rested, and no stream is active.
    pub(super) fn has_rested(&self) -> bool {
        self.is_used.load(Ordering::Acquire) && self.state.active() == 0
    }

    /// Waits until the driver has read what lies in the socket, or the connection has ended.
    pub(super) fn has_read(&self) -> impl Future<Output = ()> + Send + 'static {
        self.look_at_the_socket();
        let (reading, read) = oneshot::channel();
        // If the driver has ended, `reading` is dropped here.
        let _ = self.signals.send(Signal::Read(reading));
        async move {
            // Nothing is ever sent: the drop is the word.
            let _ = read.await;
        }
    }

    /// Waits until the peer's SETTINGS have come, or the connection has ended.
    pub(super) fn settled(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut settled = self.settled.clone();
        async move {
            // There is no other word but the end.
            let _ = settled.changed().await;
        }
    }

    /// Whether the peer's SETTINGS have come, or the connection has ended.
    pub(super) fn is_settled(&self) -> bool {
        self.settled.has_changed().is_err()
    }

    /// Tells the driver that a stream was given up, and that nothing has come since so many bytes were `read`. A short
    /// silence is no reason to doubt the peer before it was asked.
    pub(super) fn tell_silence(&self, read: u64, silence: Duration) {
        if self.state.is_long(silence) {
            self.state.doubt();
        }
        let _ = self.signals.send(Signal::Silence(read));
    }

    /// The switch does not count among those who use the connection.
    pub(super) fn cut(&self) -> Cut {
        let (signals, state, task) =
            (self.signals.downgrade(), self.state.clone(), self.task.clone());
        Cut::new(move || {
            if let Some(signals) = signals.upgrade() {
                let _ = signals.send(Signal::Cut);
            }
            // The driver may not run now.
            if let Some(task) = task.as_ref().filter(|task| task.is_foreign()) {
                state.close(CloseCause::Cut);
                task.abort_if_foreign();
            }
        })
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
