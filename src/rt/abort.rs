//! Ends tasks of a runtime that may not be driven at the moment.
//!
//! A current-thread runtime runs its tasks only while some thread blocks on it. Asking such a task to end, by a channel
//! or by tokio's own `abort`, waits for that. So the future of a task that holds a socket is kept where any thread can
//! drop it.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use super::{RuntimeHandle, Task};
use crate::lock;

/// Drops the future of a task, from any thread.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "http2"),
    allow(dead_code, reason = "the driver of HTTP/2 is such a task")
)]
pub(crate) struct TaskAbortHandle {
    /// `None` of a task that needs none, because its runtime drives itself.
    cell: Option<TaskCell>,
    runtime: RuntimeHandle,
}

/// What cancels one task: made before the task is, held by whoever may cancel it, and watched by the task.
#[derive(Clone)]
pub(crate) struct TaskCell {
    state: Arc<Mutex<CellState>>,
}

/// What the runtime runs in place of a task that a cell holds.
pub(super) struct Abortable {
    cell: TaskCell,
}

struct CellState {
    held: HeldTask,
    is_canceled: bool,
    /// That of the last poll.
    waker: Option<Waker>,
    runtime: RuntimeHandle,
}

enum HeldTask {
    /// There is no task yet, or its runtime drives itself and has it.
    Nothing,
    Waiting(Task),
    /// Taken out by the thread that polls it.
    Polled,
    Over,
}

/// A task that ends when it is told to by the handle.
pub(super) fn abortable(task: Task, runtime: RuntimeHandle) -> (Task, TaskAbortHandle) {
    if runtime.drives_itself() {
        return (task, TaskAbortHandle { cell: None, runtime });
    }
    let cell = TaskCell::new();
    (cell.hold(task, &runtime), TaskAbortHandle { cell: Some(cell), runtime })
}

#[cfg_attr(
    not(feature = "http2"),
    allow(dead_code, reason = "the driver of HTTP/2 is such a task")
)]
impl TaskAbortHandle {
    /// Whether [`abort_if_foreign`](Self::abort_if_foreign) would.
    #[cfg(feature = "http2")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.runtime.is_foreign()
    }

    /// Drops the future now, if its runtime is neither the current one nor one that drives itself; the caller has asked
    /// it to end already. A future that is being polled is dropped after that poll.
    pub(crate) fn abort_if_foreign(&self) {
        if let Some(cell) = &self.cell
            && self.runtime.is_foreign()
        {
            cell.end();
        }
    }
}

impl TaskCell {
    pub(crate) fn new() -> Self {
        let runtime = RuntimeHandle::default();
        let held = HeldTask::Nothing;
        let state = CellState { held, is_canceled: false, waker: None, runtime };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Keeps a task that may have to be dropped from another thread, and returns what the runtime runs for it.
    pub(super) fn hold(&self, task: Task, runtime: &RuntimeHandle) -> Task {
        if runtime.drives_itself() {
            return task;
        }
        let mut state = self.lock();
        state.held = HeldTask::Waiting(task);
        state.runtime = runtime.clone();
        drop(state);
        Task::held(Abortable { cell: self.clone() })
    }

    /// Tells the task to end, and ends it here if its runtime may not run it now.
    pub(crate) fn cancel(&self) {
        let mut state = self.lock();
        state.is_canceled = true;
        let waker = state.waker.take();
        let runtime = match state.held {
            HeldTask::Waiting(_) | HeldTask::Polled => state.runtime.clone(),
            HeldTask::Nothing | HeldTask::Over => RuntimeHandle::default(),
        };
        drop(state);
        if runtime.is_foreign() {
            self.end();
        }
        waker.map(Waker::wake).unwrap_or_default();
    }

    /// Ready if it was canceled; the task that polls this is woken when it is.
    pub(crate) fn poll_canceled(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_canceled {
            return Poll::Ready(());
        }
        // The waker of a task that is held is kept after each of its polls, once for both ends.
        let is_held = matches!(state.held, HeldTask::Polled);
        if is_held || state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let before = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(before);
        Poll::Pending
    }

    fn end(&self) {
        let mut state = self.lock();
        let ended = std::mem::replace(&mut state.held, HeldTask::Over);
        let waker = state.waker.take();
        drop(state);
        if let HeldTask::Waiting(task) = ended {
            drop(task);
        }
        // So that the runtime lets go of what is left of it.
        waker.map(Waker::wake).unwrap_or_default();
    }

    fn lock(&self) -> MutexGuard<'_, CellState> {
        lock::lock(&self.state)
    }
}

impl Abortable {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.cell.lock();
        let HeldTask::Waiting(mut task) = std::mem::replace(&mut state.held, HeldTask::Polled)
        else {
            state.held = HeldTask::Over;
            return Poll::Ready(());
        };
        drop(state);
        let poll = Pin::new(&mut task).poll(cx);
        let mut state = self.cell.lock();
        if poll.is_ready() || !matches!(state.held, HeldTask::Polled) {
            state.held = HeldTask::Over;
            let waker = state.waker.take();
            drop(state);
            drop((task, waker));
            return Poll::Ready(());
        }
        state.held = HeldTask::Waiting(task);
        let is_known = state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        let before = if is_known { None } else { state.waker.replace(cx.waker().clone()) };
        // It was canceled after it had asked.
        let is_late = state.is_canceled;
        drop(state);
        drop(before);
        if is_late {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for Abortable {
    fn drop(&mut self) {
        let mut state = self.cell.lock();
        let left = std::mem::replace(&mut state.held, HeldTask::Over);
        let waker = state.waker.take();
        drop(state);
        drop((left, waker));
    }
}

impl fmt::Debug for TaskAbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskAbortHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskCell").finish_non_exhaustive()
    }
}
