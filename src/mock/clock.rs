//! A clock that stands still until it is advanced.

use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Timer};

use super::lock;
use crate::rt::{Runtime, Sleep, Task};

/// The limit of a clock, a hundred years, so that each of its times is a valid [`Instant`].
const END: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A [`Runtime`] whose time the test [advances](Self::advance), with tasks on an executor of yours.
///
/// It does not depend on tokio. Times measured by another clock are not paused. Clones are the same clock.
///
/// ```
/// # #[cfg(feature = "http1")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::time::Duration;
/// use hyper_util::rt::TokioExecutor;
/// use tower_transport::{RequestExt, Transport, mock::{NeverConnects, PausedClock}, options::Timeouts};
///
/// let clock = PausedClock::new(TokioExecutor::new());
/// let transport = Transport::builder()
///     .connector(NeverConnects)
///     .timeouts(Timeouts::none().total(Duration::from_secs(3600)))
///     .runtime(clock.runtime())
///     .build()?;
///
/// let an_hour_later = async {
///     while clock.timers() == 0 {
///         tokio::task::yield_now().await;   // until the request has set its timer
///     }
///     clock.advance(Duration::from_secs(3600));
/// };
/// let request = async { transport.request("GET", "http://api.example/").await };
/// let (response, ()) = tokio::join!(request, an_hour_later);
/// assert!(response.unwrap_err().is_timeout());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "http1"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct PausedClock {
    time: Arc<ClockTime>,
    runtime: Runtime,
}

/// The state of a clock, shared by its clones.
struct ClockTime {
    began: Instant,
    state: Mutex<ClockState>,
}

#[derive(Default)]
struct ClockState {
    elapsed: Duration,
    /// The pending timers and their wakers.
    timers: BTreeMap<TimerKey, Option<Waker>>,
    set: u64,
}

/// The deadline since the clock's start, and a number that orders equal deadlines by age.
type TimerKey = (Duration, u64);

struct ClockTimer(Arc<ClockTime>);

struct ClockSleep {
    key: TimerKey,
    time: Arc<ClockTime>,
}

impl PausedClock {
    /// A clock stopped at the present, with tasks on this executor.
    pub fn new(executor: impl Executor<Task> + Send + Sync + 'static) -> Self {
        let time = Arc::new(ClockTime { began: Runtime::default().now(), state: Mutex::default() });
        let runtime = Runtime::new(executor, ClockTimer(time.clone()));
        Self { time, runtime }
    }

    /// The runtime for the code under test.
    pub fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// The current time.
    pub fn now(&self) -> Instant {
        self.time.now()
    }

    /// A timer of this clock, for the test itself.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.runtime.sleep(duration)
    }

    /// Advances the time. Timers expire in order, each at its own deadline.
    ///
    /// Expired timers are only woken here: the waiting tasks run when the executor polls them, at the time the clock
    /// shows then. The clock stops a hundred years after its start.
    pub fn advance(&self, duration: Duration) {
        let end = lock(&self.time.state).elapsed.saturating_add(duration).min(END);
        while let Some(waiting) = self.time.next(end) {
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    /// The number of pending timers, which shows a test that its code is waiting.
    pub fn timers(&self) -> usize {
        lock(&self.time.state).timers.len()
    }
}

impl fmt::Debug for PausedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.time.state);
        let (elapsed, timers) = (state.elapsed, state.timers.len());
        drop(state);
        f.debug_struct("PausedClock").field("elapsed", &elapsed).field("timers", &timers).finish()
    }
}

impl ClockTime {
    fn now(&self) -> Instant {
        self.began + lock(&self.state).elapsed
    }

    /// Advances to the first timer up to `end` and returns its waker; without one, advances to `end`.
    fn next(&self, end: Duration) -> Option<Option<Waker>> {
        let mut state = lock(&self.state);
        let first = state.timers.first_entry().filter(|timer| timer.key().0 <= end);
        let first = first.map(|timer| timer.remove_entry());
        let reached = first.as_ref().map_or(end, |((deadline, _), _)| *deadline);
        state.elapsed = state.elapsed.max(reached);
        first.map(|(_, waiting)| waiting)
    }

    fn set(self: &Arc<Self>, deadline: impl FnOnce(Duration) -> Duration) -> ClockSleep {
        let mut state = lock(&self.state);
        state.set += 1;
        let key = (deadline(state.elapsed), state.set);
        if key.0 > state.elapsed {
            state.timers.insert(key, None);
        }
        ClockSleep { key, time: self.clone() }
    }
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(self.0.set(|elapsed| elapsed.saturating_add(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let deadline = deadline.saturating_duration_since(self.0.began);
        Box::pin(self.0.set(|_| deadline))
    }

    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl hyper::rt::Sleep for ClockSleep {}

impl Future for ClockSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = lock(&self.time.state);
        if self.key.0 <= state.elapsed {
            return Poll::Ready(());
        }
        let before = state.timers.insert(self.key, Some(waker));
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for ClockSleep {
    fn drop(&mut self) {
        let waiting = lock(&self.time.state).timers.remove(&self.key);
        drop(waiting);
    }
}
