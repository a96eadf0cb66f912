//! Ends tasks of a runtime that may not be driven at the moment.
//!
//! A current-thread runtime runs its tasks only while some thread blocks on it. Asking such a task to end, by a channel
//! or by tokio's own `abort`, waits for that. So the future of a task that holds a socket is kept where any thread can
//! drop it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{RuntimeHandle, Task};

/// Drops the future of a task, from any thread.
#[derive(Clone)]
pub(crate) struct TaskAbortHandle {
    /// `None` of a task that needs none, because its runtime drives itself.
    slot: Option<Arc<Slot>>,
    runtime: RuntimeHandle,
}

/// What the runtime runs.
struct Abortable {
    slot: Arc<Slot>,
}

struct Slot {
    state: Mutex<State>,
}

enum State {
    /// With the waker of its last poll.
    Waiting(Task, Option<Waker>),
    /// Taken out by the thread that polls it.
    Polled,
    Over,
}

pub(super) fn abortable(
    future: impl Future<Output = ()> + Send + 'static,
    runtime: RuntimeHandle,
) -> (Task, TaskAbortHandle) {
    let task = Task { future: Box::pin(future) };
    if runtime.drives_itself() {
        return (task, TaskAbortHandle { slot: None, runtime });
    }
    let slot = Arc::new(Slot { state: Mutex::new(State::Waiting(task, None)) });
    let shell = Abortable { slot: slot.clone() };
    (Task { future: Box::pin(shell) }, TaskAbortHandle { slot: Some(slot), runtime })
}

impl TaskAbortHandle {
    /// Whether [`abort_if_foreign`](Self::abort_if_foreign) would.
    #[cfg(feature = "http2")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.runtime.is_foreign()
    }

    /// Drops the future now, if its runtime is neither the current one nor one that drives itself; the caller has asked
    /// it to end already. A future that is being polled is dropped after that poll.
    pub(crate) fn abort_if_foreign(&self) {
        if let Some(slot) = &self.slot
            && self.runtime.is_foreign()
        {
            slot.end();
        }
    }
}

impl Slot {
    fn end(&self) {
        let ended = std::mem::replace(&mut *self.lock(), State::Over);
        if let State::Waiting(task, waker) = ended {
            drop(task);
            // So that the runtime lets go of what is left of it.
            waker.map(Waker::wake).unwrap_or_default();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Abortable {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let taken = std::mem::replace(&mut *self.slot.lock(), State::Polled);
        let State::Waiting(mut task, waker) = taken else {
            *self.slot.lock() = State::Over;
            return Poll::Ready(());
        };
        let poll = Pin::new(&mut task).poll(cx);
        let waker = waker.filter(|waker| waker.will_wake(cx.waker()));
        let waker = waker.unwrap_or_else(|| cx.waker().clone());
        let mut state = self.slot.lock();
        match *state {
            State::Polled if poll.is_pending() => *state = State::Waiting(task, Some(waker)),
            _ => {
                *state = State::Over;
                drop(state);
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Abortable {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.slot.lock(), State::Over);
        drop(left);
    }
}

impl fmt::Debug for TaskAbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskAbortHandle").finish_non_exhaustive()
    }
}
