//! The runtime of smol: its global executor, its timers and its blocking threads.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use smol::Timer;

use super::{DynRuntime, Reactor, Runtime, Sleep, Task};

#[cfg(not(feature = "tokio"))]
mod default;

impl Runtime {
    /// smol: tasks on its global executor, as by `smol::spawn`, with its timers and sockets.
    ///
    /// The executor runs on one thread, or on as many as the environment variable `SMOL_THREADS` says, and starts with the
    /// first task. A request may be polled anywhere: by smol's `block_on`, by an executor of your own, and by other runtimes.
    /// Files and names are read on smol's blocking threads, unless the caller is in a tokio runtime.
    ///
    /// There is one such runtime in a process, so it never ends, and is always driven.
    ///
    /// ```
    /// use tower_transport::{Transport, rt::Runtime};
    ///
    /// # fn main() -> Result<(), tower_transport::Error> {
    /// let transport = Transport::builder().runtime(Runtime::smol()).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn smol() -> Self {
        Self { inner: Arc::new(SmolRuntime), fault: || None }
    }
}

struct SmolRuntime;

impl DynRuntime for SmolRuntime {
    fn reactor(&self) -> Reactor {
        Reactor::Smol
    }

    fn spawn(&self, task: Task) {
        smol::spawn(task).detach();
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::own(Box::pin(SmolSleep(Timer::after(duration))))
    }

    #[expect(clippy::disallowed_methods, reason = "the one door")]
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A timer of smol, by hyper's trait.
struct SmolSleep(Timer);

impl Future for SmolSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(())
    }
}

impl hyper::rt::Sleep for SmolSleep {}

/// Runs work on smol's blocking threads.
pub(super) fn run_blocking(work: impl FnOnce() + Send + 'static) {
    smol::unblock(work).detach();
}
