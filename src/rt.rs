//! The one door to tasks, timers, the clock, and threads for work that blocks.
//!
//! Nothing else in this crate spawns, sleeps or reads the time, so a test that pauses the clock pauses all of it, and a
//! runtime other than tokio can be given: anything that has hyper's [`Executor`] and [`Timer`].
//!
//! ```
//! use tower_transport::rt::Runtime;
//! # #[cfg(feature = "tokio")] {
//! use hyper_util::rt::{TokioExecutor, TokioTimer};
//!
//! let runtime = Runtime::new(TokioExecutor::new(), TokioTimer::new());
//! let runtime = Runtime::tokio();   // the default: also knows several runtimes apart, and that one has ended
//! # }
//! ```
//!
//! A [`Runtime`] may stand for several tokio runtimes, one after the other or at once. Tasks and sockets belong to the
//! one that made them: a `RuntimeHandle` says which. Timers move: one whose runtime has ended goes on where it is
//! polled.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use hyper::rt::{Executor, Timer};
use pin_project_lite::pin_project;

/// Where tasks run and what time it is. Cloning it is cheap.
#[derive(Clone)]
pub struct Runtime {
    ground: Arc<dyn Ground>,
    /// Why nothing can be run here, if that is known.
    fault: fn() -> Option<Fault>,
}

/// A task to be run: a future without a result, as an [`Executor`] gets it.
pub struct Task {
    run: Run,
}

enum Run {
    Boxed(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// One that can be dropped elsewhere.
    Held(Abortable),
}

/// A timer that is running.
pub struct Sleep {
    clock: Clock,
}

enum Clock {
    Own(Pin<Box<dyn hyper::rt::Sleep>>),
    Runtime(tokio::RuntimeTimer),
    Shared(Alarm),
}

/// The cause of an error: a connection's task ended with its runtime, or was dropped by its executor.
#[derive(Debug)]
pub(crate) struct TaskDropped;

trait Ground: Send + Sync {
    /// The runtime in which this is called; the default for one that knows no others.
    fn current(&self) -> RuntimeHandle {
        RuntimeHandle::default()
    }

    /// Its id; `None` where [`current`](Self::current) would have to look for one elsewhere.
    fn current_id(&self) -> Option<RuntimeId> {
        Some(RuntimeId::default())
    }

    fn spawn(&self, task: Task);
    fn sleep(&self, duration: Duration) -> Sleep;
    fn now(&self) -> Instant;
}

impl Runtime {
    /// A runtime made of an executor and a timer that belong together.
    ///
    /// It counts as one runtime, whatever it is made of: where a transport is used in several tokio runtimes, or outlives
    /// them, take [`Runtime::tokio`](Self::tokio), as a default transport does. hyper-util's `TokioTimer`, for one, panics
    /// when it is polled after its runtime has ended.
    ///
    /// The executor is also called when a connection or a body is dropped, which may happen on a thread that is not
    /// one of the runtime's.
    pub fn new<E, T>(executor: E, timer: T) -> Self
    where
        E: Executor<Task> + Send + Sync + 'static,
        T: Timer + Send + Sync + 'static,
    {
        Self { ground: Arc::new(Pair { executor, timer }), fault: || None }
    }

    /// Why nothing can be run or timed on this thread, as an error says it. `None` if nothing is known to be amiss.
    pub(crate) fn fault(&self) -> Option<Fault> {
        (self.fault)()
    }

    /// The runtime in which this is called, or outside of any, one that was seen before and still runs.
    pub(crate) fn current(&self) -> RuntimeHandle {
        self.ground.current()
    }

    /// The id of the runtime in which this is called, if it is called in one.
    pub(crate) fn current_id(&self) -> Option<RuntimeId> {
        self.ground.current_id()
    }

    /// Runs a future to its end, whoever else goes away.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.ground.spawn(Task::new(future));
    }

    /// Runs a future on this runtime, on whichever thread this is called. A runtime that has ended drops it.
    pub(crate) fn spawn_on(
        &self,
        runtime: &RuntimeHandle,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskAbortHandle {
        let (task, handle) = abort::abortable(Task::new(future), runtime.clone());
        if let Err(task) = runtime.spawn(task) {
            self.ground.spawn(task);
        }
        handle
    }

    /// The same with a task that this cell cancels.
    pub(crate) fn spawn_in(&self, cell: &TaskCell, runtime: &RuntimeHandle, task: Task) {
        if let Err(task) = runtime.spawn(cell.hold(task, runtime)) {
            self.ground.spawn(task);
        }
    }

    /// A timer over `duration`.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        self.ground.sleep(duration)
    }

    /// The same runtime, but its timers share one: for waits that begin often and seldom last.
    #[cfg_attr(not(feature = "http2"), allow(dead_code, reason = "the waits of HTTP/2 are such"))]
    pub(crate) fn with_shared_timer(&self) -> Self {
        Self { ground: Arc::new(SharedTimer::new(self.ground.clone())), fault: self.fault }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Instant {
        self.ground.now()
    }

    /// The time of day. It is as far ahead of the system's as [`now`](Self::now) is, so a paused clock pauses both.
    #[cfg_attr(
        not(any(feature = "cookies", feature = "retry")),
        allow(dead_code, reason = "cookies end at a time of day, and `Retry-After` says one")
    )]
    #[allow(clippy::disallowed_methods, reason = "what the runtime's clock is compared with")]
    pub(crate) fn time_of_day(&self) -> SystemTime {
        let (system, real, now) = (SystemTime::now(), Instant::now(), self.now());
        let ahead = system.checked_add(now.saturating_duration_since(real));
        let time = ahead.and_then(|time| time.checked_sub(real.saturating_duration_since(now)));
        time.unwrap_or(system)
    }

    /// Waits for `future`, but not longer than `limit`; `None` says that the time ran out.
    pub(crate) fn within<F: Future>(
        &self,
        limit: Option<Duration>,
        future: F,
    ) -> WithinLimit<'_, F> {
        WithinLimit { runtime: self, limit, sleep: None, future }
    }
}

pin_project! {
    /// The future of [`Runtime::within`]. Written out, because an `async fn` would have room for its argument twice.
    pub(crate) struct WithinLimit<'a, F> {
        runtime: &'a Runtime,
        limit: Option<Duration>,
        // Begun when the future is pending first: most are not.
        sleep: Option<Sleep>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for WithinLimit<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(limit) = *this.limit else { return Poll::Pending };
        let sleep = this.sleep.get_or_insert_with(|| this.runtime.sleep(limit));
        Pin::new(sleep).poll(cx).map(|()| None)
    }
}

/// Ready if the task may go on in this turn. A stream of tokio's is pending whatever there is once a task has used up its
/// turn, so who takes that for quiet asks here before. Ready with any other runtime.
#[cfg(feature = "http1")]
pub(crate) fn poll_budget(cx: &Context<'_>) -> Poll<()> {
    if ::tokio::task::coop::has_budget_remaining() {
        return Poll::Ready(());
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Task {
    pub(crate) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { run: Run::Boxed(Box::pin(future)) }
    }

    fn held(abortable: Abortable) -> Self {
        Self { run: Run::Held(abortable) }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.run {
            Run::Boxed(future) => future.as_mut().poll(cx),
            Run::Held(abortable) => abortable.poll(cx),
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.clock {
            Clock::Own(timer) => timer.as_mut().poll(cx),
            Clock::Runtime(timer) => timer.poll(cx),
            Clock::Shared(alarm) => alarm.poll(cx),
        }
    }
}

impl Sleep {
    fn own(timer: Pin<Box<dyn hyper::rt::Sleep>>) -> Self {
        Self { clock: Clock::Own(timer) }
    }

    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "tokio alone is known"))]
    fn of_runtime(timer: tokio::RuntimeTimer) -> Self {
        Self { clock: Clock::Runtime(timer) }
    }

    fn shared(alarm: Alarm) -> Self {
        Self { clock: Clock::Shared(alarm) }
    }
}

impl fmt::Display for TaskDropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the runtime dropped the task of the connection")
    }
}

impl std::error::Error for TaskDropped {}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

struct Pair<E, T> {
    executor: E,
    timer: T,
}

impl<E, T> Ground for Pair<E, T>
where
    E: Executor<Task> + Send + Sync,
    T: Timer + Send + Sync,
{
    fn spawn(&self, task: Task) {
        self.executor.execute(task);
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::own(self.timer.sleep(duration))
    }

    fn now(&self) -> Instant {
        self.timer.now()
    }
}

mod abort;
mod alarms;
mod unblock;

use abort::Abortable;
use alarms::{Alarm, SharedTimer};

/// Why nothing can be run or timed, as an error says it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// There is no runtime.
    Missing(&'static str),
    /// There is one without timers.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "tokio alone can lack them"))]
    Timerless,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing(why) => why,
            Self::Timerless => "the tokio runtime has no timers: build it with `enable_all`",
        })
    }
}

/// Why a task ends that was dropped before its end: it panicked, or its runtime ended.
pub(crate) fn why_dropped() -> &'static str {
    match std::thread::panicking() {
        true => {
            "its task panicked, as where a tokio runtime has no I/O: build it with `enable_all`"
        }
        false => "its task was dropped: the runtime has ended",
    }
}

pub(crate) use abort::{TaskAbortHandle, TaskCell};
pub(crate) use tokio::{RuntimeHandle, RuntimeId};
pub(crate) use unblock::{Unblock, unblock};

/// The default runtime, where there is one.
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(not(feature = "tokio"))]
#[path = "rt/none.rs"]
mod tokio;
