//! What those who use a connection tell its driver, without a look at a channel in each of the driver's turns.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use crate::lock;
use tokio::sync::oneshot;

/// What the driver is told.
#[derive(Debug)]
pub(super) enum Signal {
    /// A stream was given up for which nothing came: so many bytes had been read, then and now.
    Silence(u64),
    /// It is to read once; a request waits until this is dropped.
    Read(oneshot::Sender<()>),
    /// No handle, request or body of the connection is left.
    Unused,
    /// It is to end at once.
    Cut,
}

/// The signals that the driver has not taken yet.
#[derive(Default)]
pub(super) struct Signals {
    /// There is one: all that most turns of the driver look at.
    is_announced: AtomicBool,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    signals: Vec<Signal>,
    /// Of the driver's task. It stays, so that no signal is sent between two registrations. Shared, because wakers are
    /// others' code, which is not called under the lock.
    driver: Option<Arc<Waker>>,
    /// The driver has ended.
    is_closed: bool,
}

impl Signals {
    /// Tells the driver. A signal to one that has ended is dropped.
    pub(super) fn send(&self, signal: Signal) {
        let mut inbox = self.lock();
        if inbox.is_closed {
            drop(inbox);
            drop(signal);
            return;
        }
        inbox.signals.push(signal);
        // Under the lock: the driver finds either this when it has registered its waker, or the sender finds the waker.
        self.is_announced.store(true, Ordering::Release);
        let driver = inbox.driver.clone();
        drop(inbox);
        if let Some(driver) = driver {
            driver.wake_by_ref();
        }
    }

    /// Wakes this task from now on. Signals from before have to be taken after it.
    pub(super) fn wake_by(&self, driver: &Waker) {
        let driver = Arc::new(driver.clone());
        let replaced = self.lock().driver.replace(driver);
        drop(replaced);
    }

    /// Whether any has come since the last time.
    pub(super) fn are_announced(&self) -> bool {
        self.is_announced.load(Ordering::Acquire)
    }

    /// All that have come since the last time.
    pub(super) fn take(&self) -> Vec<Signal> {
        let mut inbox = self.lock();
        self.is_announced.store(false, Ordering::Release);
        mem::take(&mut inbox.signals)
    }

    /// The driver has ended: whoever waits for it need not any more.
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
        signals.wake_by(&Waker::from(wakes.clone()));
        assert!(matches!(signals.take()[..], [Signal::Silence(1)]));
        signals.send(Signal::Cut);
        signals.send(Signal::Unused);
        assert_eq!(wakes.0.load(Ordering::Acquire), 2);
        assert!(matches!(signals.take()[..], [Signal::Cut, Signal::Unused]));
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
