//! Replaces tokio's part without the feature `tokio`: there is only one runtime.

use std::task::{Context, Poll};

use super::{Reactor, Task};

/// What drives the sockets of all runtimes.
pub(super) const REACTOR: Reactor = Reactor::Smol;

/// Whether the task may go on before it has to yield.
#[cfg(feature = "http1")]
pub(super) fn has_budget() -> bool {
    true
}

/// Gives the work back: there are no blocking threads.
pub(super) fn run_blocking<F: FnOnce() + Send + 'static>(work: F) -> Result<(), F> {
    Err(work)
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
