//! The default runtime of a build without tokio: there is none, so whatever would run is dropped, which its owner
//! reports as cancelled.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Timer};

use super::{Fault, Never, Runtime, Task};

impl Default for Runtime {
    fn default() -> Self {
        let fault = || Some(Fault::Missing("built without the feature `tokio`: set a runtime"));
        Self { fault, ..Self::new(Nowhere, Nowhere) }
    }
}

struct Nowhere;

impl Executor<Task> for Nowhere {
    fn execute(&self, _: Task) {}
}

impl Timer for Nowhere {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Never)
    }
}
