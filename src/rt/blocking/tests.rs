//! Who drives, who is refused, and what an end leaves behind.

#![allow(clippy::disallowed_methods, reason = "tests spawn on the runtime that they are about")]

use std::{
    future::{pending, poll_fn, ready},
    sync::{atomic::Ordering::SeqCst, mpsc},
    task::{Context, Poll},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Id},
    sync::oneshot,
    task::{LocalSet, block_in_place, coop, spawn_blocking},
};

use super::{driven::Background, waiting::MORE_THAN_A_BUDGET, *};

/// A runtime that no other test shares.
fn alone() -> BlockingRuntime {
    let driver = Some(Arc::new(DrivenRuntime::new().unwrap()));
    BlockingRuntime { owner: Arc::new(RuntimeOwner { driver, pid: process::id() }) }
}

fn driver(runtime: &BlockingRuntime) -> Arc<DrivenRuntime> {
    runtime.driver().unwrap().clone()
}

fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if is_so() {
            return;
        }
        thread::yield_now();
    }
    panic!("it did not come to be so");
}

#[test]
fn a_caller_drives_its_own_future_without_another_thread() {
    let runtime = alone();
    let exchanged = runtime.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut near = near;
        near.write_all(b"hello").await.unwrap();
        let mut read = [0; 5];
        far.read_exact(&mut read).await.unwrap();
        read
    });
    assert_eq!(&exchanged.unwrap(), b"hello");
    assert!(driver(&runtime).thread.get().is_none());
}

#[test]
fn tasks_run_in_the_background_once_no_caller_drives() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    for _ in 0..3 {
        let (done, is_done) = mpsc::channel();
        let driven = driver(&runtime);
        runtime.run(async { drop(tokio::spawn(async move { done.send(()).unwrap() })) }).unwrap();
        is_done.recv().unwrap();
        wait_until(|| driven.is(Background::Driving));
    }
}

#[test]
fn a_caller_takes_over_from_the_background_which_takes_over_again() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    let driven = driver(&runtime);
    for _ in 0..5 {
        wait_until(|| driven.is(Background::Driving));
        let is_driving = runtime.run(poll_fn(|cx| match driven.is(Background::Driving) {
            true => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            false => Poll::Ready(false),
        }));
        assert!(!is_driving.unwrap());
    }
}

#[test]
fn the_background_sleeps_while_a_caller_drives_for_long_and_wakes_when_it_leaves() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    let driven = driver(&runtime);
    let (end, ended) = oneshot::channel::<()>();
    let caller = thread::spawn({
        let runtime = runtime.clone();
        move || runtime.run(ended).unwrap()
    });
    wait_until(|| driven.is(Background::Asleep));
    drop(end);
    assert!(caller.join().unwrap().is_err());
    wait_until(|| driven.is(Background::Driving));
}

#[test]
fn many_callers_at_once_are_all_served() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let runtime = runtime.clone();
            thread::spawn(move || {
                for _ in 0..200 {
                    let turn = async {
                        let (give, take) = oneshot::channel();
                        tokio::spawn(async move { give.send(1).unwrap() });
                        take.await.unwrap()
                    };
                    assert_eq!(runtime.run(turn).unwrap(), 1);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    let driven = driver(&runtime);
    assert_eq!((driven.callers.load(SeqCst), driven.guests.load(SeqCst)), (0, 0));
}

#[test]
fn callers_and_guests_that_come_and_go_are_all_served() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    let other = Builder::new_current_thread().build().unwrap();
    thread::scope(|scope| {
        for caller in 0..8_usize {
            let (runtime, other) = (&runtime, &other);
            scope.spawn(move || {
                for turn in 0..150_usize {
                    let entered = (turn * 7 + caller).is_multiple_of(3).then(|| other.enter());
                    assert_eq!(runtime.run(needs_a_driver()).unwrap(), 7);
                    drop(entered);
                    // Sometimes for longer than the background waits before it drives.
                    for _ in 0..(turn * 31 + caller * 17) % 400 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    let driven = driver(&runtime);
    assert_eq!((driven.callers.load(SeqCst), driven.guests.load(SeqCst)), (0, 0));
    wait_until(|| driven.is(Background::Driving));
}

/// Wakes itself by a task, which only a driven runtime runs.
async fn needs_a_driver() -> u8 {
    let (give, take) = oneshot::channel();
    tokio::spawn(async move { give.send(7).unwrap() });
    take.await.unwrap()
}

fn is_refused(runtime: &BlockingRuntime) -> bool {
    match runtime.run(ready(())) {
        Ok(()) => false,
        Err(error) => error.is_builder() && error.to_string().contains("inside an async task"),
    }
}

#[test]
fn a_task_is_refused_in_each_flavor() {
    let ours = alone();
    let current = Builder::new_current_thread().build().unwrap();
    let several = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [&current, &several] {
        let (one, two) = (ours.clone(), ours.clone());
        assert!(runtime.block_on(async { is_refused(&ours) }));
        assert!(
            runtime
                .block_on(async { tokio::spawn(async move { is_refused(&one) }).await.unwrap() })
        );
        assert!(LocalSet::new().block_on(runtime, async {
            tokio::task::spawn_local(async move { is_refused(&two) }).await.unwrap()
        }));
    }
}

#[test]
fn a_refusal_takes_nothing_of_the_budget_of_its_task() {
    let ours = alone();
    let polls = |cx: &mut Context<'_>| {
        (0..1000)
            .take_while(|_| coop::poll_proceed(cx).map(|it| it.made_progress()).is_ready())
            .count()
    };
    let runtime = Builder::new_current_thread().build().unwrap();
    let (before, after) = runtime.block_on(async {
        let before = poll_fn(|cx| Poll::Ready(polls(cx))).await;
        tokio::task::yield_now().await;
        assert!(is_refused(&ours));
        (before, poll_fn(|cx| Poll::Ready(polls(cx))).await)
    });
    assert!(before > 0 && before < MORE_THAN_A_BUDGET, "{before}");
    assert_eq!(before, after);
}

#[test]
fn threads_of_another_runtime_that_may_block_are_guests() {
    let ours = alone();
    let several = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (one, two) = (ours.clone(), ours.clone());
    several.block_on(async {
        let blocking = spawn_blocking(move || one.run(needs_a_driver()).unwrap());
        assert_eq!(blocking.await.unwrap(), 7);
        let in_place =
            tokio::spawn(async move { block_in_place(|| two.run(needs_a_driver()).unwrap()) });
        assert_eq!(in_place.await.unwrap(), 7);
    });
    let _entered = several.enter();
    assert_eq!(ours.run(needs_a_driver()).unwrap(), 7);
    assert_eq!(driver(&ours).guests.load(SeqCst), 0);
}

#[test]
fn a_task_that_is_not_recognised_blocks_its_thread_and_nothing_more() {
    let ours = alone();
    let runtime = Builder::new_current_thread().build().unwrap();
    let unlimited = tokio::task::unconstrained(async { ours.run(needs_a_driver()).unwrap() });
    assert_eq!(runtime.block_on(unlimited), 7);
}

#[test]
fn a_future_that_panics_hurts_no_other_caller() {
    let runtime = alone();
    runtime.keep_driving().unwrap();
    let ours = runtime.clone();
    let panicked = thread::spawn(move || ours.run(async { panic!("an expected panic") }));
    assert!(panicked.join().is_err());
    assert_eq!(runtime.run(needs_a_driver()).unwrap(), 7);
    assert_eq!(driver(&runtime).callers.load(SeqCst), 0);
}

#[test]
fn a_finished_future_is_dropped_inside_the_runtime() {
    struct Look(mpsc::Sender<Option<Id>>);
    impl Drop for Look {
        fn drop(&mut self) {
            self.0.send(Handle::try_current().ok().map(|handle| handle.id())).unwrap();
        }
    }
    let runtime = alone();
    let ours = Some(driver(&runtime).inside(|| Handle::current().id()));
    let (seen, seen_in) = mpsc::channel();
    // It holds the value to its end.
    let future = || {
        let look = Look(seen.clone());
        poll_fn(move |_| {
            let _held = &look;
            Poll::Ready(())
        })
    };
    runtime.run(future()).unwrap();
    assert_eq!(seen_in.recv().unwrap(), ours);
    runtime.discard(Look(seen.clone()));
    assert_eq!(seen_in.recv().unwrap(), ours);
    let other = Builder::new_current_thread().build().unwrap();
    let _entered = other.enter();
    runtime.run(future()).unwrap();
    assert_eq!(seen_in.recv().unwrap(), ours);
    runtime.discard(Look(seen.clone()));
    assert_eq!(seen_in.recv().unwrap(), ours);
}

#[test]
fn the_last_handle_ends_the_thread_wherever_it_is_dropped() {
    let outer = Builder::new_current_thread().build().unwrap();
    for is_in_task in [false, true] {
        let runtime = alone();
        runtime.keep_driving().unwrap();
        let driven = Arc::downgrade(&driver(&runtime));
        let held = Arc::new(());
        let (inside, weak) = (held.clone(), Arc::downgrade(&held));
        runtime
            .run(async move {
                drop(tokio::spawn(async move {
                    let _inside = inside;
                    pending::<()>().await;
                }));
            })
            .unwrap();
        drop(held);
        match is_in_task {
            true => outer.block_on(async { drop(runtime) }),
            false => drop(runtime),
        }
        wait_until(|| driven.strong_count() == 0);
        // Its tasks are dropped with it.
        wait_until(|| weak.strong_count() == 0);
    }
}

#[test]
fn a_handle_of_another_process_is_refused_and_drops_nothing() {
    let driver = Some(Arc::new(DrivenRuntime::new().unwrap()));
    let parent = process::id() + 1;
    let runtime = BlockingRuntime { owner: Arc::new(RuntimeOwner { driver, pid: parent }) };
    let error = runtime.run(ready(())).unwrap_err();
    assert!(error.is_closed() && error.to_string().contains("before a fork"), "{error:?}");
    assert!(runtime.keep_driving().unwrap_err().is_closed());
    let kept = Arc::new(());
    runtime.discard(kept.clone());
    assert_eq!(Arc::strong_count(&kept), 2);
    drop(Held::new(kept.clone(), Some(runtime.clone())));
    assert_eq!(Arc::strong_count(&kept), 3);
    let driven = Arc::downgrade(runtime.owner.driver.as_ref().unwrap());
    drop(runtime);
    assert!(driven.upgrade().is_some());
}

#[test]
fn handles_of_one_process_share_a_runtime_which_ends_with_the_last() {
    let one = BlockingRuntime::get().unwrap();
    let two = BlockingRuntime::get().unwrap();
    assert!(Arc::ptr_eq(&one.owner, &two.owner));
}
