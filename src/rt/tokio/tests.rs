//! Timers and tasks when runtimes end, or are not driven.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::runtime::{Builder, Runtime as TokioRuntime};

use crate::rt::{Runtime, RuntimeHandle, Sleep, Task, TaskCell};

const MINUTE: Duration = Duration::from_secs(60);

fn runtime() -> TokioRuntime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

fn poll(sleep: &mut Sleep) -> Poll<()> {
    Pin::new(sleep).poll(&mut Context::from_waker(Waker::noop()))
}

/// A timer that was polled in a runtime.
fn begun(runtime: &TokioRuntime, ours: &Runtime) -> Sleep {
    let _inside = runtime.enter();
    let mut sleep = ours.sleep(MINUTE);
    assert!(poll(&mut sleep).is_pending());
    sleep
}

#[test]
fn a_timer_whose_runtime_has_ended_goes_on_where_it_is_polled() {
    let (first, second, ours) = (runtime(), runtime(), Runtime::tokio());
    let mut sleep = begun(&first, &ours);
    drop(first);
    second.block_on(async {
        assert!(poll(&mut sleep).is_pending());
        let began = ours.now();
        sleep.await;
        let rest = ours.now() - began;
        assert!(rest > MINUTE / 2 && rest <= MINUTE + Duration::from_secs(1), "{rest:?}");
    });
}

#[test]
fn a_timer_of_a_runtime_that_nobody_drives_rings_where_it_is_polled() {
    let (first, second, ours) = (runtime(), runtime(), Runtime::tokio());
    let mut sleep = begun(&first, &ours);
    second.block_on(poll_fn(|cx| Pin::new(&mut sleep).poll(cx)));
}

#[test]
fn no_timer_panics_where_its_runtime_has_ended() {
    let (first, ours) = (runtime(), Runtime::tokio());
    let mut sleep = begun(&first, &ours);
    let ended = first.handle().clone();
    drop(first);
    assert!(poll(&mut sleep).is_pending());
    let _inside = ended.enter();
    assert!(poll(&mut sleep).is_pending());
    assert!(poll(&mut ours.sleep(MINUTE)).is_pending());
    ours.spawn(async { unreachable!("it is dropped") });
}

#[test]
fn a_timer_is_polled_while_its_runtime_ends_without_a_panic() {
    for _ in 0..50 {
        let ours = Runtime::tokio();
        let first = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut sleep = {
            let _inside = first.enter();
            ours.sleep(MINUTE)
        };
        let handle = first.handle().clone();
        std::thread::scope(|scope| {
            let (polled, is_polled) = std::sync::mpsc::channel();
            scope.spawn(move || {
                let _inside = handle.enter();
                for _ in 0..200 {
                    assert!(poll(&mut sleep).is_pending());
                    let _ = polled.send(());
                }
            });
            is_polled.recv().unwrap();
            drop(first);
        });
    }
}

#[test]
fn a_runtime_is_the_same_everywhere_and_no_other() {
    let (first, second, ours) = (runtime(), runtime(), Runtime::tokio());
    let handle = |runtime: &TokioRuntime| {
        let _inside = runtime.enter();
        ours.current()
    };
    let (one, two) = (handle(&first), handle(&second));
    assert_eq!(one, handle(&first));
    assert_ne!(one, two);
    std::thread::scope(|scope| {
        let same = scope.spawn(|| handle(&first) == one).join();
        assert!(same.unwrap());
    });
    // Outside of any runtime: the first one that still runs.
    assert_eq!(ours.current(), one);
    drop(first);
    assert!(one.has_ended() && !two.has_ended());
    assert_eq!(ours.current(), RuntimeHandle::default());
    assert_eq!(handle(&second), ours.current());
}

#[test]
fn a_task_is_ended_from_another_runtime_that_drives_it_not() {
    let (first, second, ours) = (runtime(), runtime(), Runtime::tokio());
    let held = Arc::new(());
    let abort = {
        let _inside = first.enter();
        let held = held.clone();
        ours.spawn_on(&ours.current(), async move {
            std::future::pending::<()>().await;
            drop(held);
        })
    };
    first.block_on(async { abort.abort_if_foreign() });
    assert_eq!(Arc::strong_count(&held), 2, "its own runtime can be asked");
    second.block_on(async { abort.abort_if_foreign() });
    assert_eq!(Arc::strong_count(&held), 1);
    first.block_on(tokio::task::yield_now());
}

#[test]
fn a_task_that_ends_itself_while_it_runs_is_dropped_after_that() {
    let (first, second, ours) = (runtime(), runtime(), Runtime::tokio());
    let polls = Arc::<AtomicUsize>::default();
    let (on, counted) = (second.block_on(async { ours.current() }), polls.clone());
    let (give, take) = tokio::sync::oneshot::channel();
    let abort = ours.spawn_on(&on, async move {
        let abort: crate::rt::TaskAbortHandle = take.await.unwrap();
        let mut never = pin!(poll_fn(|_| {
            counted.fetch_add(1, Ordering::SeqCst);
            let _elsewhere = first.enter();
            abort.abort_if_foreign();
            Poll::<()>::Pending
        }));
        never.as_mut().await;
    });
    let is_given = give.send(abort).is_ok();
    assert!(is_given);
    second.block_on(async {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(polls.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&polls), 1);
}

#[test]
fn a_task_that_was_canceled_before_its_start_is_dropped_though_nobody_drives_its_runtime() {
    let (first, ours) = (runtime(), Runtime::tokio());
    let here = first.block_on(async { ours.current() });
    let (cell, alive) = (TaskCell::new(), Arc::new(()));
    cell.cancel();
    let held = alive.clone();
    let task = async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    ours.spawn_in(&cell, &here, Task::new(task));
    assert_eq!(Arc::strong_count(&alive), 1);
}
