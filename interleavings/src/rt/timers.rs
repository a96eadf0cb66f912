//! Waits that share a timer, and the task that keeps their time.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use loom::{
    future::block_on,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    lock::{Mutex, lock},
    try_with,
};

use super::{DynRuntime, Sleep, Task, alarms::SharedTimer};

const SECOND: Duration = Duration::from_secs(1);

/// A clock of whole seconds that the model advances. Each task has a thread of its own.
struct Clock {
    seconds: AtomicUsize,
    /// Of the timers that run.
    wakers: Mutex<Vec<Waker>>,
    drops_tasks: bool,
}

loom::thread_local! {
    /// What the clock said last: a timer is asked for relative to it, and time must not pass in between.
    static SAID: Cell<usize> = Cell::new(0);
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

#[derive(Clone)]
struct SharedClock(Arc<Clock>);

impl SharedClock {
    fn new() -> Self {
        Self::with_tasks(false)
    }

    /// Of a runtime that ends, and drops its tasks.
    fn that_ends() -> Self {
        Self::with_tasks(true)
    }

    fn with_tasks(drops_tasks: bool) -> Self {
        let (seconds, wakers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        Self(Arc::new(Clock { seconds, wakers, drops_tasks }))
    }

    fn pass(&self) {
        self.0.seconds.fetch_add(1, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *lock(&self.0.wakers));
        wakers.into_iter().for_each(Waker::wake);
    }

    fn seconds(&self) -> usize {
        self.0.seconds.load(Ordering::SeqCst)
    }

    fn timer(&self) -> SharedTimer {
        SharedTimer::new(Arc::new(self.clone()))
    }
}

impl DynRuntime for SharedClock {
    fn spawn(&self, task: Task) {
        let is_dropped = self.0.drops_tasks;
        thread::spawn(move || if is_dropped { drop(task) } else { block_on(task) });
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let (clock, at) = (self.clone(), SAID.with(Cell::get) + duration.as_secs() as usize);
        Sleep::new(poll_fn(move |cx| {
            lock(&clock.0.wakers).push(cx.waker().clone());
            if clock.seconds() >= at { Poll::Ready(()) } else { Poll::Pending }
        }))
    }

    fn now(&self) -> Instant {
        let seconds = self.seconds();
        SAID.with(|said| said.set(seconds));
        start() + SECOND * seconds as u32
    }
}

/// Polls it once; its wake is ignored.
fn poll_once(sleep: &mut Sleep) {
    block_on(poll_fn(|cx| {
        assert!(Pin::new(&mut *sleep).poll(cx).is_pending());
        Poll::Ready(())
    }));
}

/// The wake of the keeper and of the wait are both needed.
pub fn a_wait_ends_when_its_time_has_come() {
    try_with(3, || {
        let clock = SharedClock::new();
        let timer = clock.timer();
        let waits = thread::spawn({
            let sleep = timer.sleep(SECOND);
            move || block_on(sleep)
        });
        clock.pass();
        waits.join().unwrap();
    });
}

/// If the keeper is dropped with its runtime, each wait goes on by itself.
pub fn a_wait_whose_keeper_is_dropped_goes_on_by_itself() {
    try_with(3, || {
        let clock = SharedClock::that_ends();
        let mut sleep = clock.timer().sleep(SECOND);
        poll_once(&mut sleep);
        let waits = thread::spawn(move || block_on(sleep));
        clock.pass();
        waits.join().unwrap();
    });
}

/// A wait that ends before all others gets a keeper that wakes in time.
pub fn an_earlier_wait_does_not_wait_for_a_later_one() {
    try_with(1, || {
        let clock = SharedClock::new();
        let timer = clock.timer();
        let (mut later, earlier) = (timer.sleep(SECOND * 2), timer.sleep(SECOND));
        poll_once(&mut later);
        let waits = thread::spawn(move || block_on(earlier));
        clock.pass();
        waits.join().unwrap();
        clock.pass();
        block_on(later);
    });
}

/// A wait that is given up while the keeper fires takes no other's entry.
pub fn a_wait_that_is_given_up_disturbs_no_other() {
    try_with(3, || {
        let clock = SharedClock::new();
        let timer = clock.timer();
        let (mut given_up, kept) = (timer.sleep(SECOND), timer.sleep(SECOND));
        poll_once(&mut given_up);
        let passes = thread::spawn({
            let clock = clock.clone();
            move || clock.pass()
        });
        drop(given_up);
        block_on(kept);
        passes.join().unwrap();
    });
}

/// A keeper that would sleep on is a deadlock: no time passes.
pub fn a_keeper_ends_with_its_timer() {
    try_with(3, || {
        let mut sleep = SharedClock::new().timer().sleep(SECOND);
        poll_once(&mut sleep);
        drop(sleep);
    });
}
