//! Runs futures for threads without a runtime: a tokio runtime that its callers drive, and a thread while none does.
//!
//! One [`BlockingRuntime`] serves the process, and ends with its last handle. A caller's thread polls its own future and drives the
//! runtime meanwhile, so that a request that is alone costs no switch between threads. Between calls something must answer a
//! `PING`, read a `GOAWAY` and close idle connections: a background thread takes the runtime over when no caller has used it for
//! `LINGER`. The next caller asks it to leave.
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
    pin::Pin,
    process,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Handle, task::AbortHandle};

use super::process::ProcessMutex;
use crate::error::{Error, Kind};

mod driven;
mod held;
mod waiting;

pub(crate) use held::Held;

use driven::DrivenRuntime;
use waiting::is_in_task;

/// A handle. Clones are the same runtime, which ends with the last of them.
#[derive(Clone)]
pub(crate) struct BlockingRuntime {
    owner: Arc<RuntimeOwner>,
}

/// Ends the driver when it is dropped. In a forked child it leaks the driver instead.
struct RuntimeOwner {
    driver: Option<Arc<DrivenRuntime>>,
    /// The process that made it: after a fork the thread and the sockets are those of the parent.
    pid: u32,
}

/// Keeps the background thread driving.
struct Guest {
    runtime: BlockingRuntime,
}

/// How a thread waits: it drives the runtime, or the background thread does.
enum WaitPlace<'a> {
    Driver(&'a DrivenRuntime),
    Guest(&'a DrivenRuntime, Guest),
}

/// A task that the background thread runs, aborted when this is dropped.
pub(crate) struct BackgroundTask {
    abort: AbortHandle,
    guest: Guest,
}

/// The runtime of each process.
static SHARED: ProcessMutex<Weak<RuntimeOwner>> = ProcessMutex::new();

impl BlockingRuntime {
    /// Returns the runtime of this process, or makes it.
    ///
    /// # Errors
    ///
    /// Where the system gives no file descriptors for it.
    pub(crate) fn get() -> Result<Self, Error> {
        let pid = process::id();
        let known = SHARED.lock().as_ref().and_then(Weak::upgrade);
        if let Some(owner) = known.filter(|owner| owner.pid == pid) {
            return Ok(Self { owner });
        }
        // Not under the lock: it makes system calls.
        let made = Arc::new(RuntimeOwner { driver: Some(Arc::new(DrivenRuntime::new()?)), pid });
        let mut shared = SHARED.lock();
        let known = shared.as_ref().and_then(Weak::upgrade).filter(|owner| owner.pid == pid);
        // Another thread may have been faster: then use its runtime. `made` is dropped after the lock.
        let owner = known.unwrap_or_else(|| {
            *shared = Some(Arc::downgrade(&made));
            made.clone()
        });
        drop(shared);
        Ok(Self { owner })
    }

    /// Polls a future to its end on this thread.
    ///
    /// # Errors
    ///
    /// `is_builder` inside a task, `is_closed` in another process than that of the handle, `is_canceled` where there is no
    /// thread left to drive.
    pub(crate) fn run<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        match self.place() {
            Ok(WaitPlace::Driver(driver)) => Ok(driver.drive(future)),
            Ok(WaitPlace::Guest(driver, _guest)) => Ok(driver.wait(future)),
            Err(error) => {
                self.discard(future);
                Err(error)
            }
        }
    }

    /// Decides how this thread may wait.
    fn place(&self) -> Result<WaitPlace<'_>, Error> {
        let driver = self.driver()?;
        match Handle::try_current() {
            Err(error) if error.is_missing_context() => Ok(WaitPlace::Driver(driver)),
            Err(_) => Err(Error::builder("a blocking request while its thread ends")),
            Ok(_) if is_in_task() => Err(in_task()),
            Ok(_) => Ok(WaitPlace::Guest(driver, self.guest()?)),
        }
    }

    /// Polls a future of this thread once, where it may be ready without waiting: not within another runtime.
    pub(crate) fn poll_once<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        let has_no_runtime = Handle::try_current().is_err_and(|error| error.is_missing_context());
        match self.driver() {
            Ok(driver) if has_no_runtime => driver.inside(|| {
                let mut context = Context::from_waker(Waker::noop());
                Pin::new(future).poll(&mut context)
            }),
            _ => Poll::Pending,
        }
    }

    /// Runs a future in the background, until it is ready or the task is dropped.
    pub(crate) fn spawn(
        &self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Result<BackgroundTask, Error> {
        let guest = self.guest()?;
        Ok(BackgroundTask { abort: self.driver()?.spawn(future), guest })
    }

    /// Keeps the background thread driving until the guest is dropped.
    fn guest(&self) -> Result<Guest, Error> {
        let driver = self.driver()?;
        driver.start()?;
        driver.add_guest();
        Ok(Guest { runtime: self.clone() })
    }

    /// Keeps connections alive between calls, from now on.
    pub(crate) fn keep_driving(&self) -> Result<(), Error> {
        self.driver()?.start()
    }

    /// Whether this is called in a process that was forked off that of the handle.
    pub(crate) fn is_forked(&self) -> bool {
        self.owner.pid != process::id()
    }

    /// Calls `act` with the runtime entered.
    pub(crate) fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        match self.driver() {
            Ok(driver) => driver.inside(act),
            Err(_) => act(),
        }
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

impl Drop for RuntimeOwner {
    fn drop(&mut self) {
        let Some(driver) = self.driver.take() else { return };
        if self.pid != process::id() {
            mem::forget(driver);
            return;
        }
        driver.end();
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        if !self.guest.runtime.is_forked() {
            self.abort.abort();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Ok(driver) = self.runtime.driver() {
            driver.remove_guest();
        }
    }
}

impl fmt::Debug for BlockingRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingRuntime").finish_non_exhaustive()
    }
}

impl fmt::Debug for BackgroundTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundTask").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
