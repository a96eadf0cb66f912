//! The default runtime without tokio: there is none, so tasks are dropped, which their owners report as cancelled.

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
        Self { fault, ..Self::new(NoRuntime, NoRuntime) }
    }
}

/// Without tokio, a [`Runtime`] stands for one runtime only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RuntimeHandle {
    _only: (),
}

/// The id of the only runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuntimeId {
    _only: (),
}

impl RuntimeHandle {
    pub(crate) fn id(&self) -> RuntimeId {
        RuntimeId::default()
    }

    /// Returns the task, to be run elsewhere.
    pub(super) fn spawn(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }

    pub(super) fn drives_itself(&self) -> bool {
        false
    }

    /// Whether its tasks run while something is awaited here.
    pub(super) fn is_driven_here(&self) -> bool {
        true
    }

    /// Whether its tasks may wait for a thread to drive it.
    pub(crate) fn is_foreign(&self) -> bool {
        false
    }

    pub(crate) fn has_ended(&self) -> bool {
        false
    }
}

/// The timer of a known runtime: there is none.
pub(super) enum RuntimeTimer {}

impl RuntimeTimer {
    pub(super) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
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
