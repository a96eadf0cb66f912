//! A task that is polled, and threads that cancel, abort or drop it.

use std::{
    future::{pending, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use loom::{future::block_on, thread};

use crate::try_all;

use super::{
    FOREIGN, RuntimeHandle, Task,
    abort::{TaskCell, abortable},
};

/// Counts how often it is dropped.
#[derive(Clone, Default)]
struct Drops(Arc<AtomicUsize>);

struct Counted(Drops);

impl Drops {
    fn counted(&self) -> Counted {
        Counted(self.clone())
    }

    fn number(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task that runs until its cell is canceled.
fn until_canceled(cell: &TaskCell, drops: &Drops) -> Task {
    let (cell, counted) = (cell.clone(), drops.counted());
    Task::new(async move {
        let _counted = counted;
        poll_fn(|cx| cell.poll_canceled(cx)).await;
    })
}

/// Whenever it is canceled, the task ends, and is dropped once; with a runtime that may not run it, before `cancel` returns
/// unless it is being polled.
pub fn a_canceled_task_ends() {
    for runtime in [RuntimeHandle::default(), FOREIGN] {
        try_all(move || {
            let (cell, drops) = (TaskCell::new(), Drops::default());
            let task = cell.hold(until_canceled(&cell, &drops), &runtime);
            let canceler = thread::spawn(move || cell.cancel());
            block_on(task);
            canceler.join().unwrap();
            assert_eq!(drops.number(), 1);
        });
    }
}

/// It may be canceled before there is a task.
pub fn a_task_that_is_canceled_before_it_starts_ends() {
    for runtime in [RuntimeHandle::default(), FOREIGN] {
        try_all(move || {
            let (cell, drops) = (TaskCell::new(), Drops::default());
            let canceler = thread::spawn({
                let cell = cell.clone();
                move || cell.cancel()
            });
            let task = cell.hold(until_canceled(&cell, &drops), &runtime);
            // Its runtime is never driven again.
            let is_foreign = runtime.is_foreign();
            if !is_foreign {
                block_on(task);
                canceler.join().unwrap();
                assert_eq!(drops.number(), 1);
                return;
            }
            canceler.join().unwrap();
            assert_eq!(drops.number(), 1);
            block_on(task);
        });
    }
}

/// Two threads that cancel, and one that drops the task with its runtime.
pub fn a_task_is_dropped_once() {
    try_all(|| {
        let (cell, drops) = (TaskCell::new(), Drops::default());
        let task = cell.hold(until_canceled(&cell, &drops), &FOREIGN);
        let cancel = |cell: TaskCell| thread::spawn(move || cell.cancel());
        let cancelers = [cancel(cell.clone()), cancel(cell)];
        drop(task);
        for canceler in cancelers {
            canceler.join().unwrap();
        }
        assert_eq!(drops.number(), 1);
    });
}

/// Nothing but the abort wakes the task, so this wake has to free it.
pub fn an_aborted_task_frees_what_is_left_of_it() {
    try_all(|| {
        let drops = Drops::default();
        let counted = drops.counted();
        let task = Task::new(async move {
            let _counted = counted;
            pending::<()>().await;
        });
        let (task, handle) = abortable(task, FOREIGN);
        let aborter = thread::spawn(move || handle.abort_if_foreign());
        block_on(task);
        aborter.join().unwrap();
        assert_eq!(drops.number(), 1);
    });
}
