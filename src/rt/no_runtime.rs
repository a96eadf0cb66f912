//! The default runtime without tokio and smol: there is none, so tasks are dropped, and their requests fail as
//! cancelled.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Timer};

use super::{Fault, Runtime, Task};

impl Default for Runtime {
    fn default() -> Self {
        let fault = || {
            let why = "built without the features `tokio` and `smol`: set a runtime";
            Some(Fault::Missing(why))
        };
        Self { fault, ..Self::new(NoRuntime, NoRuntime) }
    }
}

struct NoRuntime;

/// The timer without a runtime: it never fires.
struct NoTimer;

impl Executor<Task> for NoRuntime {
    fn execute(&self, _: Task) {}
}

impl Timer for NoRuntime {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(NoTimer)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(NoTimer)
    }
}

impl Future for NoTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl hyper::rt::Sleep for NoTimer {}
