//! Cancels what runs in the background: the state machine holds the guard, the task watches for its drop.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::Poll,
};

use tokio::sync::oneshot;

use crate::rt::TaskAbortHandle;

/// Cancels a dial, or the drain of a dropped response, when it is dropped.
pub(super) struct CancelGuard {
    held: Option<oneshot::Sender<Infallible>>,
    task: Arc<OnceLock<TaskAbortHandle>>,
}

/// What the task watches.
pub(super) struct Canceled {
    guard: oneshot::Receiver<Infallible>,
    task: Arc<OnceLock<TaskAbortHandle>>,
}

impl CancelGuard {
    pub(super) fn new() -> (Self, Canceled) {
        let (held, guard) = oneshot::channel();
        let (held, task) = (Some(held), Arc::<OnceLock<_>>::default());
        (Self { held, task: task.clone() }, Canceled { guard, task })
    }
}

/// The task is told to end; one that may not run now is ended.
impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.held = None;
        if let Some(task) = self.task.get() {
            task.abort_if_foreign();
        }
    }
}

impl Canceled {
    /// Where the task is named once it is known.
    pub(super) fn task(&self) -> Arc<OnceLock<TaskAbortHandle>> {
        self.task.clone()
    }

    /// Runs a future unless it is canceled: then the future is dropped, and not even begun if it was not.
    pub(super) async fn make<C>(mut self, making: impl Future<Output = C>) -> Option<C> {
        let mut making = pin!(making);
        poll_fn(|cx| match Pin::new(&mut self.guard).poll(cx) {
            Poll::Ready(_dropped) => Poll::Ready(None),
            Poll::Pending => making.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// The same, but an output that is ready is taken even if it is canceled.
    pub(super) async fn make_if_ready<C>(mut self, making: impl Future<Output = C>) -> Option<C> {
        let mut making = pin!(making);
        poll_fn(|cx| match making.as_mut().poll(cx) {
            Poll::Ready(made) => Poll::Ready(Some(made)),
            Poll::Pending => Pin::new(&mut self.guard).poll(cx).map(|_dropped| None),
        })
        .await
    }

    /// Whether it is canceled.
    #[cfg(test)]
    pub(super) fn is_over(&mut self) -> bool {
        self.guard.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }
}
