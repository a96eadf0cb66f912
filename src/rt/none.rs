//! The default runtime of a build without tokio: there is none, so whatever would run is dropped, which its owner
//! reports as cancelled.

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
        let fault = || Some(Fault::Missing("built without the feature `tokio`: set a runtime"));
        Self { fault, ..Self::new(Nowhere, Nowhere) }
    }
}

/// Without tokio, a [`Runtime`] stands for one runtime only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RuntimeHandle {
    _only: (),
}

/// Which runtime is meant: there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuntimeId {
    _only: (),
}

impl RuntimeHandle {
    pub(crate) fn id(&self) -> RuntimeId {
        RuntimeId::default()
    }

    /// Gives the task back to be run elsewhere.
    pub(super) fn spawn(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }

    pub(super) fn drives_itself(&self) -> bool {
        false
    }

    /// Whether its tasks go on while something is waited for here.
    pub(super) fn is_driven_here(&self) -> bool {
        true
    }

    /// Whether its tasks may wait for somebody to drive it.
    pub(crate) fn is_foreign(&self) -> bool {
        false
    }

    pub(crate) fn has_ended(&self) -> bool {
        false
    }
}

/// A timer of a runtime that is known: there is none.
pub(super) enum RuntimeTimer {}

impl RuntimeTimer {
    pub(super) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}

struct Nowhere;

/// The timer where there is no runtime.
struct Never;

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

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl hyper::rt::Sleep for Never {}
