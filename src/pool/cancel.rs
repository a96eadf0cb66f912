//! Cancels background tasks: the state machine holds the guard, the task watches for its drop.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll},
};

use crate::rt::TaskCell;

/// Dropping it cancels a dial, the drain of a dropped response or a timer. A task that cannot run now is dropped.
pub(super) struct CancelGuard {
    cell: TaskCell,
}

/// The task's side.
#[derive(Clone)]
pub(super) struct Canceled {
    cell: TaskCell,
}

impl CancelGuard {
    pub(super) fn new() -> (Self, Canceled) {
        let cell = TaskCell::new();
        (Self { cell: cell.clone() }, Canceled { cell })
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cell.cancel();
    }
}

impl Canceled {
    /// The cell in which to spawn the task.
    pub(super) fn cell(&self) -> TaskCell {
        self.cell.clone()
    }

    /// Ready once canceled; registers the waker otherwise.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.cell.poll_canceled(cx)
    }

    /// Runs a future until canceled. An output that is ready wins over a cancellation.
    pub(super) async fn run_until_canceled<C>(self, running: impl Future<Output = C>) -> Option<C> {
        let mut running = pin!(running);
        poll_fn(|cx| match running.as_mut().poll(cx) {
            Poll::Ready(made) => Poll::Ready(Some(made)),
            Poll::Pending => self.cell.poll_canceled(cx).map(|()| None),
        })
        .await
    }

    /// Whether it is canceled.
    #[cfg(test)]
    pub(super) fn is_canceled(&mut self) -> bool {
        let cx = Context::from_waker(std::task::Waker::noop());
        self.cell.poll_canceled(&cx).is_ready()
    }
}
