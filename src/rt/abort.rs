//! Ends tasks of a runtime that may not be driven now.
//!
//! A current-thread runtime runs its tasks only while a thread blocks on it. A channel, or tokio's own `abort`, would
//! wait for that. So the future of a task that holds a socket is stored where any thread can drop it.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{RuntimeHandle, Task};
use crate::lock::{self, Mutex, MutexGuard};

/// Drops the future of a task, from any thread.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "http2"),
    allow(dead_code, reason = "the driver of HTTP/2 is such a task")
)]
pub(crate) struct TaskAbortHandle {
    /// `None` if the runtime drives itself.
    cell: Option<TaskCell>,
    runtime: RuntimeHandle,
}

/// Cancels one task: created before the task, held by its canceller, polled by the task.
#[derive(Clone)]
pub(crate) struct TaskCell {
    state: Arc<Mutex<CellState>>,
}

/// What the runtime runs in place of a task in a cell.
pub(super) struct Abortable {
    cell: TaskCell,
}

struct CellState {
    held: HeldTask,
    is_canceled: bool,
    /// Of the last poll.
    waker: Option<Waker>,
    runtime: RuntimeHandle,
}

enum HeldTask {
    /// No task yet, or its runtime drives itself and owns it.
    Nothing,
    Waiting(Task),
    /// Taken out by the thread that polls it.
    Polled,
    Over,
}

/// A task that the handle can end.
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
    /// Whether [`abort_if_foreign`](Self::abort_if_foreign) would end the task.
    #[cfg(feature = "http2")]
    pub(crate) fn is_foreign(&self) -> bool {
        self.runtime.is_foreign()
    }

    /// Drops the future now, if its runtime is neither the current one nor drives itself. The caller has asked the task to
    /// end already. A future that is being polled is dropped after that poll.
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

    /// Stores a task that may have to be dropped from another thread, and returns what the runtime runs instead.
    pub(super) fn hold(&self, task: Task, runtime: &RuntimeHandle) -> Task {
        if runtime.drives_itself() {
            return task;
        }
        let mut state = self.lock();
        state.held = HeldTask::Waiting(task);
        state.runtime = runtime.clone();
        let is_late = state.is_canceled;
        drop(state);
        // Canceled before there was a task: nothing else would drop it.
        if is_late && runtime.is_foreign() {
            self.end();
        }
        Task::held(Abortable { cell: self.clone() })
    }

    /// Asks the task to end, and drops it here if its runtime may not run it now.
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

    /// Ready if canceled; registers the waker otherwise.
    pub(crate) fn poll_canceled(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.is_canceled {
            return Poll::Ready(());
        }
        // The waker of a stored task is registered after each of its polls, for both purposes.
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
        // Wake it, so that the runtime frees what is left of the task.
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
        // Canceled during the poll, after the task had checked.
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
