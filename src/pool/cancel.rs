//! Whether something that runs in the background is still canceled: the state holds the guard, the task watches it.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, OnceLock},
    task::Poll,
};

use tokio::sync::oneshot;

use crate::rt::AbortHandle;

/// The state wants this dial, or this rest of a response, until this is dropped.
pub(super) struct CancelGuard {
    held: Option<oneshot::Sender<Infallible>>,
    task: Arc<OnceLock<AbortHandle>>,
}

/// What the task knows of its being canceled.
pub(super) struct Canceled {
    guard: oneshot::Receiver<Infallible>,
    task: Arc<OnceLock<AbortHandle>>,
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
    pub(super) fn task(&self) -> Arc<OnceLock<AbortHandle>> {
        self.task.clone()
    }

    /// What is made, unless it is not canceled any more: then it is dropped, and not even begun if it was not.
    pub(super) async fn make<C>(mut self, making: impl Future<Output = C>) -> Option<C> {
        let mut making = pin!(making);
        poll_fn(|cx| match Pin::new(&mut self.guard).poll(cx) {
            Poll::Ready(_dropped) => Poll::Ready(None),
            Poll::Pending => making.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// The same, but what is ready when it is asked is taken even if nobody wants it.
    pub(super) async fn make_if_ready<C>(mut self, making: impl Future<Output = C>) -> Option<C> {
        let mut making = pin!(making);
        poll_fn(|cx| match making.as_mut().poll(cx) {
            Poll::Ready(made) => Poll::Ready(Some(made)),
            Poll::Pending => Pin::new(&mut self.guard).poll(cx).map(|_dropped| None),
        })
        .await
    }

    /// Whether it is not canceled any more.
    #[cfg(test)]
    pub(super) fn is_over(&mut self) -> bool {
        self.guard.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }
}
