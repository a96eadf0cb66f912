//! The default runtime: tokio.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Timer};
use hyper_util::rt::TokioTimer;
use tokio::runtime::Handle;

use super::{Never, Runtime, Task};

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime is. A request that is
    /// sent where there is none, nor was before, fails with [`is_canceled`](crate::Error::is_canceled).
    pub fn tokio() -> Self {
        let runtime = Remembering::default();
        Self::new(runtime.clone(), runtime)
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

/// The runtime of the caller, or the first there was, because a body may be read or dropped on a thread that has none.
#[derive(Clone, Default)]
struct Remembering {
    first: Arc<OnceLock<Handle>>,
}

impl Remembering {
    fn handle(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(current) => {
                let _ = self.first.set(current.clone());
                Some(current)
            }
            Err(_) => self.first.get().cloned(),
        }
    }
}

impl Executor<Task> for Remembering {
    fn execute(&self, task: Task) {
        // Without a runtime the task is dropped, which its owner reports as cancelled.
        if let Some(handle) = self.handle() {
            drop(handle.spawn(task));
        }
    }
}

impl Timer for Remembering {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let Some(handle) = self.handle() else { return Box::pin(Never) };
        let _inside = handle.enter();
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let Some(handle) = self.handle() else { return Box::pin(Never) };
        let _inside = handle.enter();
        TokioTimer::new().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}
