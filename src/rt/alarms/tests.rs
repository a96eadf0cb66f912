use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::{
    task::{JoinSet, yield_now},
    time::advance,
};

use crate::rt::{Runtime, Sleep};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Counts the timers that the runtime is asked for.
#[derive(Clone, Default)]
struct Counting(std::sync::Arc<AtomicUsize>);

impl hyper::rt::Timer for Counting {
    fn sleep(&self, time: Duration) -> std::pin::Pin<Box<dyn hyper::rt::Sleep>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        TokioTimer::new().sleep(time)
    }

    fn sleep_until(&self, at: std::time::Instant) -> std::pin::Pin<Box<dyn hyper::rt::Sleep>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        TokioTimer::new().sleep_until(at)
    }

    fn now(&self) -> std::time::Instant {
        TokioTimer::new().now()
    }
}

/// Runs these sleeps at once, each in its own task. Returns the milliseconds until all have ended.
async fn times(runtime: &Runtime, sleeps: &[u64]) -> Vec<u64> {
    let (start, mut tasks) = (runtime.now(), JoinSet::new());
    for (index, time) in sleeps.iter().enumerate() {
        let (sleep, runtime) = (runtime.sleep(ms(*time)), runtime.clone());
        tasks.spawn(async move {
            sleep.await;
            (index, (runtime.now() - start).as_millis() as u64)
        });
    }
    let mut fired = tasks.join_all().await;
    fired.sort_unstable();
    fired.into_iter().map(|(_, time)| time).collect()
}

#[tokio::test(start_paused = true)]
async fn shared_timers_ring_when_timers_of_their_own_would() {
    let own = Runtime::tokio();
    let shared = own.with_shared_timer();
    for sleeps in [&[0, 1, 5, 5, 30, 7][..], &[100; 20], &[40, 30, 20, 10], &[3, 1000, 2]] {
        let (own, shared) = (times(&own, sleeps).await, times(&shared, sleeps).await);
        // A keeper that was started for another alarm may fire a millisecond late, as tokio rounds up.
        let is_like =
            own.iter().zip(&shared).all(|(own, shared)| (0..=1).contains(&(shared - own)));
        assert!(is_like, "{sleeps:?}: {own:?} {shared:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_waits_that_end_early_take_one_timer_of_the_runtime() {
    let counting = Counting::default();
    let runtime = Runtime::new(TokioExecutor::new(), counting.clone()).with_shared_timer();
    for _ in 0..100 {
        let mut waits: Vec<Sleep> = (0..10).map(|_| runtime.sleep(ms(1000))).collect();
        for wait in &mut waits {
            assert!(is_pending(wait).await);
        }
    }
    yield_now().await;
    assert_eq!(counting.0.load(Ordering::SeqCst), 1);
    // The next alarm fires in time, though the timer was started for another.
    advance(ms(500)).await;
    assert_eq!(times(&runtime, &[1000]).await, [1000]);
}

async fn is_pending(sleep: &mut Sleep) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *sleep).poll(cx).is_pending())
    })
    .await
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn short_waits_beside_a_long_one_share_its_task() {
    let runtime = Runtime::tokio().with_shared_timer();
    let before = alive_tasks();
    let mut long = runtime.sleep(ms(3_600_000));
    assert!(is_pending(&mut long).await);
    yield_now().await;
    let with_one = alive_tasks();
    assert!(with_one > before);
    for _ in 0..100 {
        assert!(is_pending(&mut runtime.sleep(ms(250))).await);
        Runtime::tokio().sleep(ms(300)).await;
        assert_eq!(alive_tasks(), with_one);
    }
    for time in (1..100).rev() {
        assert!(is_pending(&mut runtime.sleep(ms(1000 * time))).await);
        yield_now().await;
        assert_eq!(alive_tasks(), with_one, "each is earlier than all before");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_timer_that_is_dropped_leaves_no_task_behind() {
    let runtime = Runtime::tokio();
    // Watches for the end of the runtime.
    assert!(is_pending(&mut runtime.with_shared_timer().sleep(ms(1))).await);
    runtime.sleep(ms(10)).await;
    let before = alive_tasks();
    for is_asleep in [true, false] {
        let mut sleep = runtime.with_shared_timer().sleep(ms(3_600_000));
        assert!(is_pending(&mut sleep).await);
        if is_asleep {
            yield_now().await;
        }
        drop(sleep);
        yield_now().await;
        assert_eq!(alive_tasks(), before, "was asleep: {is_asleep}");
    }
}

#[test]
fn a_wait_that_goes_on_in_another_runtime_rings_there() {
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (build(), build());
    let runtime = Runtime::tokio();
    let mut sleep = {
        let _inside = first.enter();
        runtime.with_shared_timer().sleep(ms(30))
    };
    assert!(first.block_on(is_pending(&mut sleep)));
    // The first runtime is not driven, and then ends.
    second.block_on(async {
        assert!(is_pending(&mut sleep).await);
        first.shutdown_background();
        (&mut sleep).await;
    });
}

#[tokio::test]
async fn a_runtime_with_a_shared_timer_is_the_same_for_tasks_and_sockets() {
    let own = Runtime::tokio();
    let shared = own.with_shared_timer();
    assert_eq!(shared.reactor(), own.reactor());
    assert_eq!(shared.current_id(), own.current_id());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let _task = shared.spawn_on(&shared.current(), async { sender.send("ran").unwrap() });
    assert_eq!(receiver.await, Ok("ran"));
}
