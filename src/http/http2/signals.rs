//! Signals to the driver. Checking for them costs one atomic load per turn.

use std::{fmt, mem, sync::Arc, task::Waker};

use tokio::sync::oneshot;

use crate::lock::{
    self, Mutex, MutexGuard,
    atomic::{AtomicBool, Ordering},
};

/// A signal to the driver.
#[derive(Debug)]
pub(super) enum Signal {
    /// A stream was cancelled without a byte since this byte count.
    Silence(u64),
    /// Read once; a request waits until this is dropped.
    Read(oneshot::Sender<()>),
    /// No handle, request or body of the connection is left.
    Unused,
    /// Close at once.
    Abort,
}

/// Signals that the driver has not taken yet.
#[derive(Default)]
pub(super) struct Signals {
    /// There is a signal. The driver checks only this in most turns.
    is_announced: AtomicBool,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    signals: Vec<Signal>,
    /// The driver's waker. It stays, so that no signal falls between two registrations. In an `Arc`, because wakers are
    /// foreign code, which must not run under the lock.
    driver: Option<Arc<Waker>>,
    /// The driver has ended.
    is_closed: bool,
}

impl Signals {
    /// Sends a signal; drops it if the driver has ended.
    pub(super) fn send(&self, signal: Signal) {
        let mut inbox = self.lock();
        if inbox.is_closed {
            drop(inbox);
            drop(signal);
            return;
        }
        inbox.signals.push(signal);
        // Under the lock: either the driver sees this after registering its waker, or this sees the waker.
        self.is_announced.store(true, Ordering::Release);
        let driver = inbox.driver.clone();
        drop(inbox);
        if let Some(driver) = driver {
            driver.wake_by_ref();
        }
    }

    /// Registers the driver's waker. Take earlier signals afterwards.
    pub(super) fn register(&self, driver: &Waker) {
        let driver = Arc::new(driver.clone());
        let replaced = self.lock().driver.replace(driver);
        drop(replaced);
    }

    /// Whether signals have come since the last `take`.
    pub(super) fn has_any(&self) -> bool {
        self.is_announced.load(Ordering::Acquire)
    }

    /// Takes all signals.
    pub(super) fn take(&self) -> Vec<Signal> {
        let mut inbox = self.lock();
        // Under the lock, so that a signal sent afterwards announces itself again.
        self.is_announced.store(false, Ordering::Release);
        mem::take(&mut inbox.signals)
    }

    /// The driver has ended: drops the signals, which releases their waiters.
    pub(super) fn close(&self) {
        let mut inbox = self.lock();
        inbox.is_closed = true;
        let left = (mem::take(&mut inbox.signals), inbox.driver.take());
        drop(inbox);
        drop(left);
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        lock::lock(&self.inbox)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("waiting", &self.lock().signals.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn each_signal_wakes_and_is_taken_once_and_none_outlives_the_driver() {
        let (signals, wakes) = (Signals::default(), Arc::new(Wakes::default()));
        signals.send(Signal::Silence(1));
        signals.register(&Waker::from(wakes.clone()));
        assert!(matches!(signals.take()[..], [Signal::Silence(1)]));
        signals.send(Signal::Abort);
        signals.send(Signal::Unused);
        assert_eq!(wakes.0.load(Ordering::Acquire), 2);
        assert!(matches!(signals.take()[..], [Signal::Abort, Signal::Unused]));
        assert!(signals.take().is_empty());
        let (reader, mut read) = oneshot::channel();
        signals.send(Signal::Read(reader));
        signals.close();
        assert!(matches!(read.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        let (reader, mut read) = oneshot::channel();
        signals.send(Signal::Read(reader));
        assert!(matches!(read.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(signals.take().is_empty());
    }
}
