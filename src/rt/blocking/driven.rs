//! A current-thread runtime that is driven by whoever waits, and by a background thread while no one does.

use std::{
    future::Future,
    mem,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime as CurrentThread},
    sync::Notify,
    task::AbortHandle,
};

use super::waiting;
use crate::{
    error::{Error, Kind},
    lock,
};

/// How long no caller drives before the background thread does. A wake for each costs nothing beside the requests that come
/// within it, and a peer waits no longer for its answer to a `PING`.
const LINGER: Duration = Duration::from_millis(10);

const THREAD_NAME: &str = "tower-transport";

/// The runtime, and who drives it.
pub(super) struct DrivenRuntime {
    /// `None` only while it is dropped.
    runtime: Option<CurrentThread>,
    /// Threads that drive, or wait to.
    pub(super) callers: AtomicUsize,
    /// How many callers there were ever, which wraps around.
    calls: AtomicUsize,
    /// Threads and tasks that need the background thread.
    pub(super) guests: AtomicUsize,
    /// A [`Background`].
    background: AtomicU8,
    /// Asks the background thread to stop driving.
    leave: Notify,
    is_over: AtomicBool,
    /// The background thread, once it was needed.
    pub(super) thread: OnceLock<Thread>,
    /// Held by the caller that starts the thread. No wake waits for it.
    starting: Mutex<()>,
}

/// What the background thread does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Background {
    /// It looks at each [`LINGER`] whether callers still come.
    Watching,
    /// A caller drives for long. The last one to leave wakes the thread.
    Asleep,
    Driving,
}

/// A thread that drives, or waits to.
struct Caller<'a>(&'a DrivenRuntime);

impl DrivenRuntime {
    pub(super) fn new() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Of threads that resolve names and read files.
            .thread_name(THREAD_NAME)
            .build()
            .map_err(|error| Error::new(Kind::Canceled, "making a runtime").because(error))?;
        Ok(Self {
            runtime: Some(runtime),
            callers: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            guests: AtomicUsize::new(0),
            background: AtomicU8::new(Background::Watching as u8),
            leave: Notify::new(),
            is_over: AtomicBool::new(false),
            thread: OnceLock::new(),
            starting: Mutex::new(()),
        })
    }

    fn runtime(&self) -> &CurrentThread {
        match &self.runtime {
            Some(runtime) => runtime,
            // `drop` alone takes it, after which nothing can be called.
            None => unreachable!("the runtime of a dropped driver"),
        }
    }

    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime().spawn(future).abort_handle()
    }

    /// Drives the runtime on this thread, unless another thread does, until the future is ready.
    pub(super) fn drive<F: Future>(&self, future: F) -> F::Output {
        let _caller = Caller::enter(self);
        self.runtime().block_on(future)
    }

    /// Polls a future on this thread, while the background thread drives.
    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        let _inside = self.runtime().enter();
        waiting::wait(future)
    }

    /// Calls this inside the runtime, where the thread still can.
    pub(super) fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        let is_ending = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        let _inside = (!is_ending).then(|| self.runtime().enter());
        act()
    }

    /// Starts the background thread, unless it runs.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), Error> {
        if self.thread.get().is_some() {
            return Ok(());
        }
        let _starting = lock::lock(&self.starting);
        if self.thread.get().is_some() {
            return Ok(());
        }
        let its = self.clone();
        let started = thread::Builder::new()
            .name(THREAD_NAME.into())
            .spawn(move || its.run_in_background())
            .map_err(|error| {
                Error::new(Kind::Canceled, "starting the thread of blocking requests")
                    .because(error)
            })?;
        // The thread itself may have set it already.
        let _ = self.thread.set(started.thread().clone());
        Ok(())
    }

    fn run_in_background(&self) {
        // Before its first sleep, so that whoever finds it asleep can wake it.
        let _ = self.thread.set(thread::current());
        let mut seen = self.calls.load(SeqCst).wrapping_sub(1);
        while !self.is_over.load(SeqCst) {
            if self.guests.load(SeqCst) > 0 {
                self.drive_in_background();
                continue;
            }
            let calls = self.calls.load(SeqCst);
            let is_quiet = mem::replace(&mut seen, calls) == calls;
            match (self.callers.load(SeqCst), is_quiet) {
                (0, true) => self.drive_in_background(),
                (_, true) => self.sleep(),
                (_, false) => thread::park_timeout(LINGER),
            }
        }
    }

    /// Drives until a caller comes, unless there are guests, or to the end.
    fn drive_in_background(&self) {
        self.set(Background::Driving);
        // Whoever comes after this look sees that the background drives.
        let is_free = self.callers.load(SeqCst) == 0 || self.guests.load(SeqCst) > 0;
        if is_free && !self.is_over.load(SeqCst) {
            self.runtime().block_on(self.leave.notified());
        }
        self.set(Background::Watching);
    }

    /// Sleeps while a caller drives, however long.
    fn sleep(&self) {
        self.set(Background::Asleep);
        // Whoever leaves after this look wakes this thread.
        let is_needed = self.callers.load(SeqCst) == 0
            || self.guests.load(SeqCst) > 0
            || self.is_over.load(SeqCst);
        if !is_needed {
            thread::park();
        }
        self.set(Background::Watching);
    }

    fn set(&self, background: Background) {
        self.background.store(background as u8, SeqCst);
    }

    pub(super) fn is(&self, background: Background) -> bool {
        self.background.load(SeqCst) == background as u8
    }

    pub(super) fn add_guest(&self) {
        self.guests.fetch_add(1, SeqCst);
        self.unpark();
    }

    pub(super) fn remove_guest(&self) {
        // A caller that came meanwhile left the background driving for this guest.
        if self.guests.fetch_sub(1, SeqCst) == 1 && self.callers.load(SeqCst) > 0 {
            self.leave.notify_one();
        }
    }

    /// Ends the background thread, which is not waited for.
    pub(super) fn end(&self) {
        self.is_over.store(true, SeqCst);
        self.leave.notify_one();
        self.unpark();
    }

    /// Has the background thread look again, if it does not drive.
    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Drop for DrivenRuntime {
    fn drop(&mut self) {
        // Waits for nothing, so it may be dropped anywhere, in a task too.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl<'a> Caller<'a> {
    fn enter(driver: &'a DrivenRuntime) -> Self {
        driver.calls.fetch_add(1, SeqCst);
        driver.callers.fetch_add(1, SeqCst);
        if driver.is(Background::Driving) && driver.guests.load(SeqCst) == 0 {
            driver.leave.notify_one();
        }
        Self(driver)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        let Self(driver) = self;
        if driver.callers.fetch_sub(1, SeqCst) == 1 && driver.is(Background::Asleep) {
            driver.unpark();
        }
    }
}
