//! Runs futures for threads without a runtime: a tokio runtime that its callers drive, and a thread while none does.
//!
//! One [`BlockingRuntime`] serves the process, and ends with its last handle. A caller's thread polls its own future and drives the
//! runtime meanwhile, so that a request that is alone costs no switch between threads. Between calls something must answer a
//! `PING`, read a `GOAWAY` and close idle connections: a background thread takes the runtime over when no caller has used it for
//! [`LINGER`]. The next caller asks it to leave.
//!
//! ```text
//! caller     enter ── block_on (drives) ── leave          enter ── asks to leave ── block_on ── leave
//! background  Watching: looks each LINGER ──────── Driving: block_on(until asked to leave) ── Watching
//! ```
//!
//! A thread that is inside of another tokio runtime, such as one of `spawn_blocking`, cannot drive this one. It is a guest: it
//! polls its future itself, and the background thread drives as long as there are guests.

use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    process,
    sync::{
        Arc, Mutex, TryLockError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker, ready},
    thread::{self, Thread},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::{
    runtime::{Builder, Handle, Runtime as CurrentThread},
    sync::Notify,
    task::coop,
};

use crate::{
    error::{Error, Kind},
    lock,
};

mod held;

pub(crate) use held::Held;

/// How long no caller drives before the background thread does. A wake for each costs nothing beside the requests that come
/// within it, and a peer waits no longer for its answer to a `PING`.
const LINGER: Duration = Duration::from_millis(10);

/// More polls than a task of tokio has before it must yield.
const MORE_THAN_A_BUDGET: usize = 256;

/// A handle. Clones are the same runtime, which ends with the last of them.
#[derive(Clone)]
pub(crate) struct BlockingRuntime {
    owner: Arc<RuntimeOwner>,
}

/// Ends the driver when it is dropped.
struct RuntimeOwner {
    driver: Option<Arc<DrivenRuntime>>,
    /// The process that made it: after a fork the thread and the sockets are those of the parent.
    pid: u32,
}

struct DrivenRuntime {
    /// `None` only while it is dropped.
    runtime: Option<CurrentThread>,
    /// Threads that drive, or wait to.
    callers: AtomicUsize,
    /// How many callers there were ever, which wraps around.
    calls: AtomicUsize,
    guests: AtomicUsize,
    /// A [`Background`].
    background: AtomicU8,
    /// Asks the background thread to stop driving.
    leave: Notify,
    is_over: AtomicBool,
    /// The background thread, once it was needed.
    thread: Mutex<Option<Thread>>,
    has_thread: AtomicBool,
}

/// What the background thread does.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Background {
    /// It looks at each [`LINGER`] whether callers still come.
    Watching,
    /// A caller drives for long. The last one to leave wakes the thread.
    Asleep,
    Driving,
}

/// A thread that drives, or waits to.
struct Caller<'a>(&'a DrivenRuntime);

/// Keeps the background thread driving.
pub(crate) struct Guest {
    runtime: BlockingRuntime,
}

/// The driver of the process.
static SHARED: Mutex<Weak<RuntimeOwner>> = Mutex::new(Weak::new());

impl BlockingRuntime {
    /// The driver of this process, a new one if there is none.
    pub(crate) fn get() -> Result<Self, Error> {
        // A process that was forked while another thread held the lock never sees it free: after a second it gives each handle a
        // runtime of its own.
        let mut shared = None;
        for _ in 0..1000 {
            match SHARED.try_lock() {
                Ok(locked) => shared = Some(locked),
                Err(TryLockError::Poisoned(locked)) => shared = Some(locked.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    thread::park_timeout(Duration::from_millis(1));
                    continue;
                }
            }
            break;
        }
        let pid = process::id();
        let known = shared.as_ref().and_then(|shared| shared.upgrade());
        if let Some(owner) = known {
            if owner.pid == pid {
                return Ok(Self { owner });
            }
            // Of the parent. Dropped below, where it forgets what it holds.
        }
        let owner = Arc::new(RuntimeOwner { driver: Some(Arc::new(DrivenRuntime::new()?)), pid });
        if let Some(shared) = &mut shared {
            **shared = Arc::downgrade(&owner);
        }
        Ok(Self { owner })
    }

    /// Polls a future to its end on this thread.
    ///
    /// # Errors
    ///
    /// `is_builder` inside a task, `is_closed` in another process than that of the handle, `is_canceled` where there is no
    /// thread left to drive.
    pub(crate) fn run<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let future = Held::new(future, Some(self.clone()));
        let driver = self.driver()?;
        match Handle::try_current() {
            Err(error) if error.is_missing_context() => {
                Ok(driver.drive(DroppedInside::new(future.into_inner())))
            }
            Err(_) => Err(Error::builder("a blocking request while its thread ends")),
            Ok(_) if is_in_task() => Err(in_task()),
            Ok(_) => {
                let _guest = self.guest()?;
                Ok(driver.wait(DroppedInside::new(future.into_inner())))
            }
        }
    }

    /// Runs a future on the background thread, or on that of whichever caller drives.
    pub(crate) fn spawn(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let driver = self.driver()?;
        drop(driver.runtime().map(|runtime| runtime.handle().spawn(task)));
        Ok(())
    }

    /// Keeps the background thread driving until the guest is dropped.
    pub(crate) fn guest(&self) -> Result<Guest, Error> {
        let driver = self.driver()?;
        DrivenRuntime::start(driver)?;
        driver.guests.fetch_add(1, SeqCst);
        driver.unpark();
        Ok(Guest { runtime: self.clone() })
    }

    /// Keeps connections alive between calls, from now on.
    pub(crate) fn keep_driving(&self) -> Result<(), Error> {
        let driver = self.driver()?;
        match driver.has_thread.load(SeqCst) {
            true => Ok(()),
            false => DrivenRuntime::start(driver),
        }
    }

    /// Whether this is called in a process that was forked off that of the handle.
    pub(crate) fn is_forked(&self) -> bool {
        self.owner.pid != process::id()
    }

    /// Drops a value that may hold sockets: in the runtime, or after a fork not at all.
    ///
    /// A fork shares the set of sockets that the parent waits for (`epoll`): closing one of them in the child would take it out
    /// of that set.
    pub(crate) fn discard<T>(&self, value: T) {
        match self.driver() {
            Err(_) => mem::forget(value),
            Ok(driver) => driver.inside(|| drop(value)),
        }
    }

    fn driver(&self) -> Result<&Arc<DrivenRuntime>, Error> {
        match &self.owner.driver {
            Some(driver) if !self.is_forked() => Ok(driver),
            _ => Err(forked()),
        }
    }
}

/// Whether this is called in a task of tokio, which must not block.
///
/// Only a task has a budget, so only there it runs out. What is taken of it is given back.
fn is_in_task() -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let is_over = (0..MORE_THAN_A_BUDGET).any(|_| match coop::poll_proceed(&mut context) {
        Poll::Ready(one) => {
            taken.push(one);
            false
        }
        Poll::Pending => true,
    });
    // Each gives back what there was before it, so the first must be the last to do so.
    while let Some(one) = taken.pop() {
        drop(one);
    }
    is_over
}

fn in_task() -> Error {
    Error::builder(
        "a blocking request inside an async task: use the async one, or `spawn_blocking`",
    )
}

fn forked() -> Error {
    let text =
        "a blocking request with a handle that was made before a fork: make a new one in the child";
    Error::new(Kind::Closed, text)
}

impl DrivenRuntime {
    fn new() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
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
            thread: Mutex::new(None),
            has_thread: AtomicBool::new(false),
        })
    }

    fn runtime(&self) -> Option<&CurrentThread> {
        self.runtime.as_ref()
    }

    /// Drives the runtime on this thread, unless another thread does, until the future is ready.
    fn drive<F: Future>(&self, future: F) -> F::Output {
        let _caller = Caller::enter(self);
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("only dropping the driver takes its runtime"),
        }
    }

    /// Polls a future on this thread, while the background thread drives.
    fn wait<F: Future>(&self, future: F) -> F::Output {
        let _inside = self.runtime().map(CurrentThread::enter);
        let mut future = pin!(future);
        let wakes =
            Arc::new(ThreadWaker { thread: thread::current(), is_woken: AtomicBool::new(false) });
        let waker = Waker::from(wakes.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            // Others may unpark this thread, and a signal may.
            while !wakes.is_woken.swap(false, SeqCst) {
                thread::park();
            }
        }
    }

    /// Calls this inside the runtime, where the thread still can.
    fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        let is_ending = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        let _inside = self.runtime().filter(|_| !is_ending).map(CurrentThread::enter);
        act()
    }

    fn start(driver: &Arc<Self>) -> Result<(), Error> {
        let mut thread = lock::lock(&driver.thread);
        if thread.is_some() {
            return Ok(());
        }
        let its = driver.clone();
        let started = thread::Builder::new()
            .name("tower-transport".into())
            .spawn(move || its.run_in_background())
            .map_err(|error| {
                Error::new(Kind::Canceled, "starting the thread of blocking requests")
                    .because(error)
            })?;
        *thread = Some(started.thread().clone());
        driver.has_thread.store(true, SeqCst);
        Ok(())
    }

    fn run_in_background(&self) {
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
        if is_free
            && !self.is_over.load(SeqCst)
            && let Some(runtime) = &self.runtime
        {
            runtime.block_on(self.leave.notified());
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

    fn is(&self, background: Background) -> bool {
        self.background.load(SeqCst) == background as u8
    }

    /// Has the background thread look again, if it does not drive.
    fn unpark(&self) {
        if let Some(thread) = &*lock::lock(&self.thread) {
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

impl Drop for RuntimeOwner {
    fn drop(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        if self.pid != process::id() {
            mem::forget(driver);
            return;
        }
        driver.is_over.store(true, SeqCst);
        driver.leave.notify_one();
        driver.unpark();
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

impl Drop for Guest {
    fn drop(&mut self) {
        let Ok(driver) = self.runtime.driver() else { return };
        // A caller that came meanwhile left the background driving for this guest.
        if driver.guests.fetch_sub(1, SeqCst) == 1 && driver.callers.load(SeqCst) > 0 {
            driver.leave.notify_one();
        }
    }
}

/// Wakes a thread that is parked.
struct ThreadWaker {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_woken.swap(true, SeqCst) {
            self.thread.unpark();
        }
    }
}

pin_project! {
    /// Drops a future when it is ready: inside the runtime, which `block_on` leaves before.
    struct DroppedInside<F> {
        #[pin]
        future: Option<F>,
    }
}

impl<F> DroppedInside<F> {
    fn new(future: F) -> Self {
        Self { future: Some(future) }
    }
}

impl<F: Future> Future for DroppedInside<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let output = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(output)
    }
}

impl fmt::Debug for BlockingRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingRuntime").finish_non_exhaustive()
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
