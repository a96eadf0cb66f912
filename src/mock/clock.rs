//! A clock that stands until it is told to go on.

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

/// A clock never goes further than this, so that every time of it is an [`Instant`]: a hundred years.
const END: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A [`Runtime`] whose time is [advanced](Self::advance) by the test, with tasks on an executor of yours.
///
/// It does not depend on tokio. What you time yourself, by another clock, is not paused. Clones are the same clock.
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
    time: Arc<Time>,
    runtime: Runtime,
}

/// The time of one clock and its clones.
struct Time {
    began: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    /// Those that have not run out, and whom to wake.
    timers: BTreeMap<Key, Option<Waker>>,
    set: u64,
}

/// When a timer runs out, since the clock began; of those that do together, the older one is first.
type Key = (Duration, u64);

struct Ticks(Arc<Time>);

struct Waiting {
    key: Key,
    time: Arc<Time>,
}

impl PausedClock {
    /// A clock that stands at the present, and where the tasks run.
    pub fn new(executor: impl Executor<Task> + Send + Sync + 'static) -> Self {
        let time = Arc::new(Time { began: Runtime::default().now(), state: Mutex::default() });
        let runtime = Runtime::new(executor, Ticks(time.clone()));
        Self { time, runtime }
    }

    /// The runtime, to be given to whatever is tested.
    pub fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        self.time.now()
    }

    /// A timer of this clock, for what a test does itself.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.runtime.sleep(duration)
    }

    /// Lets so much time pass. Timers run out one after the other, and while one does, it is the time that it was set for.
    ///
    /// Whoever waited for them is only woken here: let the executor have its turn, and it goes on at the time that the
    /// clock stands at then. A clock can be advanced by a hundred years in all, and stands still at their end.
    pub fn advance(&self, duration: Duration) {
        let end = lock(&self.time.state).elapsed.saturating_add(duration).min(END);
        while let Some(waiting) = self.time.next(end) {
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }

    /// How many timers are running: by this a test sees that what it tests has come to wait.
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

impl Time {
    fn now(&self) -> Instant {
        self.began + lock(&self.state).elapsed
    }

    /// Goes on to the first timer up to `end`, and says who waited for it; if there is none, to the end.
    fn next(&self, end: Duration) -> Option<Option<Waker>> {
        let mut state = lock(&self.state);
        let first = state.timers.first_entry().filter(|timer| timer.key().0 <= end);
        let first = first.map(|timer| timer.remove_entry());
        let reached = first.as_ref().map_or(end, |((deadline, _), _)| *deadline);
        state.elapsed = state.elapsed.max(reached);
        first.map(|(_, waiting)| waiting)
    }

    fn set(self: &Arc<Self>, deadline: impl FnOnce(Duration) -> Duration) -> Waiting {
        let mut state = lock(&self.state);
        state.set += 1;
        let key = (deadline(state.elapsed), state.set);
        if key.0 > state.elapsed {
            state.timers.insert(key, None);
        }
        Waiting { key, time: self.clone() }
    }
}

impl Timer for Ticks {
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

impl hyper::rt::Sleep for Waiting {}

impl Future for Waiting {
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

impl Drop for Waiting {
    fn drop(&mut self) {
        let waiting = lock(&self.time.state).timers.remove(&self.key);
        drop(waiting);
    }
}
