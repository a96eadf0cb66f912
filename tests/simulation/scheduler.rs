//! A runtime of one thread, whose order of tasks follows from a seed and whose time moves when all tasks wait.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Sleep, Timer};
use tower_transport::rt::Runtime;

/// More polls than any run needs: a task that wakes itself for ever is found by it.
const MOST_POLLS: u64 = 2_000_000;

type BoxedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Clones are the same scheduler.
#[derive(Clone)]
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
}

struct Shared {
    began: Instant,
    state: Mutex<State>,
}

struct State {
    random: Random,
    elapsed: Duration,
    /// `None` while a task is polled.
    tasks: BTreeMap<u64, Option<BoxedTask>>,
    ready: Vec<u64>,
    /// Deadlines, with a number that orders equal ones.
    timers: BTreeMap<(Duration, u64), Option<Waker>>,
    next: u64,
    polls: u64,
}

/// Numbers that follow from a seed: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

struct TaskWaker {
    id: u64,
    shared: Arc<Shared>,
}

struct SimSleep {
    key: (Duration, u64),
    shared: Arc<Shared>,
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to and without the limit.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }
}

impl Scheduler {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            random: Random(seed),
            elapsed: Duration::ZERO,
            tasks: BTreeMap::new(),
            ready: Vec::new(),
            timers: BTreeMap::new(),
            next: 0,
            polls: 0,
        };
        Self { shared: Arc::new(Shared { began: Instant::now(), state: Mutex::new(state) }) }
    }

    pub(crate) fn runtime(&self) -> Runtime {
        Runtime::new(self.clone(), self.clone())
    }

    pub(crate) fn random<T>(&self, choose: impl FnOnce(&mut Random) -> T) -> T {
        choose(&mut self.shared.state.lock().unwrap().random)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.shared.state.lock().unwrap().elapsed
    }

    pub(crate) fn pause(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Timer::sleep(self, duration)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.shared.state.lock().unwrap();
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, Some(Box::pin(task)));
        state.ready.push(id);
    }

    /// Runs everything until this future is ready.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        const MAIN: u64 = u64::MAX;
        let mut future = pin!(future);
        let main = self.waker(MAIN);
        self.shared.state.lock().unwrap().ready.push(MAIN);
        loop {
            match self.next_ready() {
                Some(MAIN) => {
                    if let Poll::Ready(value) =
                        future.as_mut().poll(&mut Context::from_waker(&main))
                    {
                        return value;
                    }
                }
                Some(id) => self.poll(id),
                None => assert!(self.advance(), "every task waits, and no timer is set"),
            }
        }
    }

    /// Runs all tasks for so long.
    pub(crate) fn run_for(&self, duration: Duration) {
        self.block_on(self.pause(duration));
    }

    fn next_ready(&self) -> Option<u64> {
        let mut state = self.shared.state.lock().unwrap();
        state.polls += 1;
        assert!(state.polls < MOST_POLLS, "tasks run without end");
        let count = state.ready.len() as u64;
        let index = state.random.below(count) as usize;
        (count > 0).then(|| state.ready.swap_remove(index))
    }

    fn poll(&self, id: u64) {
        let taken = self.shared.state.lock().unwrap().tasks.get_mut(&id).and_then(Option::take);
        let Some(mut task) = taken else { return };
        let waker = self.waker(id);
        let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.shared.state.lock().unwrap();
        let done = match poll {
            Poll::Pending => {
                state.tasks.insert(id, Some(task));
                None
            }
            Poll::Ready(()) => {
                state.tasks.remove(&id);
                Some(task)
            }
        };
        drop(state);
        // What it drops may spawn or wake.
        drop(done);
    }

    /// Moves the time to the next timer.
    fn advance(&self) -> bool {
        let mut state = self.shared.state.lock().unwrap();
        let Some(((deadline, _), waker)) = state.timers.pop_first() else { return false };
        state.elapsed = state.elapsed.max(deadline);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn waker(&self, id: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker { id, shared: self.shared.clone() }))
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // Tasks hold clones of their scheduler: the last one outside of them ends them.
        if Arc::strong_count(&self.shared) == 1 {
            let tasks = std::mem::take(&mut self.shared.state.lock().unwrap().tasks);
            drop(tasks);
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut state = self.shared.state.lock().unwrap();
        if !state.ready.contains(&self.id) {
            state.ready.push(self.id);
        }
    }
}

impl<F> Executor<F> for Scheduler
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(async move {
            task.await;
        });
    }
}

impl Timer for Scheduler {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let mut state = self.shared.state.lock().unwrap();
        let key = (state.elapsed + duration, state.next);
        state.next += 1;
        state.timers.insert(key, None);
        Box::pin(SimSleep { key, shared: self.shared.clone() })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        self.shared.began + self.elapsed()
    }
}

impl Sleep for SimSleep {}

impl Future for SimSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.shared.state.lock().unwrap().timers.get_mut(&self.key) {
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for SimSleep {
    fn drop(&mut self) {
        let waker = self.shared.state.lock().unwrap().timers.remove(&self.key);
        drop(waker);
    }
}
