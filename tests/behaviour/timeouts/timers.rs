//! What waiting costs: timers and looks at the clock, counted.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_transport::{options::Timeouts, rt::Runtime};

use super::{beginning, seconds};
use crate::support::{
    scene::Scene,
    scripted::{
        Step::{self, Answer, Head, Turn},
        first, say,
    },
};

/// A clock that counts how often it is used.
#[derive(Clone, Default)]
struct Counting {
    timers: Arc<AtomicUsize>,
    looks: Arc<AtomicUsize>,
}

impl Timer for Counting {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.timers.fetch_add(1, Ordering::SeqCst);
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.timers.fetch_add(1, Ordering::SeqCst);
        TokioTimer::new().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.looks.fetch_add(1, Ordering::SeqCst);
        TokioTimer::new().now()
    }
}

/// Timers, and looks at the clock, of the second request on a connection that has served one.
async fn used(second: Vec<Step>, timeouts: Timeouts) -> (usize, usize) {
    let clock = Counting::default();
    let steps = [vec![Answer], second].concat();
    let scene = Scene::memory_with(first(steps), |builder| {
        builder.runtime(Runtime::new(TokioExecutor::new(), clock.clone())).timeouts(timeouts)
    });
    scene.get().await.unwrap();
    crate::support::scene::wait_idle(&scene.transport).await;
    let before = (clock.timers.load(Ordering::SeqCst), clock.looks.load(Ordering::SeqCst));
    scene.get().await.unwrap();
    let (timers, looks) = (clock.timers.load(Ordering::SeqCst), clock.looks.load(Ordering::SeqCst));
    (timers - before.0, looks - before.1)
}

/// An answer of a thousand pieces, each of which is waited for.
fn piecemeal() -> Vec<Step> {
    let mut steps = vec![Head, beginning(1000, "")];
    (0..1000).for_each(|_| steps.extend([Turn, Turn, Turn, Turn, say(".")]));
    steps
}

/// The same beyond what the pool itself uses.
async fn waiting_uses(second: Vec<Step>, timeouts: Timeouts) -> (usize, usize) {
    let (timers, looks) = used(second.clone(), timeouts).await;
    let (pool_timers, pool_looks) = used(second, Timeouts::none()).await;
    (timers - pool_timers, looks - pool_looks)
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_over_the_timer_of_its_connection_and_looks_at_the_clock_once() {
    assert_eq!(waiting_uses(piecemeal(), Timeouts::default()).await, (0, 1));
    assert_eq!(waiting_uses(vec![Answer], Timeouts::default()).await, (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_total_is_one_timer_more() {
    let total = Timeouts::default().total(seconds(10));
    assert_eq!(waiting_uses(piecemeal(), total).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_asked_for_has_none() {
    let timeouts = Timeouts::none().pool(seconds(1)).connect(seconds(1));
    assert_eq!(waiting_uses(piecemeal(), timeouts).await, (0, 0));
    assert!(used(piecemeal(), timeouts).await < (3, 12), "the number of pieces costs nothing");
}
