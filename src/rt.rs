//! The only access to tasks, timers, the clock, and threads for blocking work.
//!
//! Nothing else in this crate spawns, sleeps or reads the time, so a test that pauses the clock pauses all of it, and
//! another runtime than tokio can be used: smol, or any pair of hyper's [`Executor`] and [`Timer`].
//!
//! | runtime | feature | sockets | names and files |
//! |---|---|---|---|
//! | `Runtime::tokio`, the default | `tokio` | tokio's | tokio's blocking threads |
//! | `Runtime::smol`, the default without `tokio` | `smol` | smol's, which work in every executor | smol's blocking threads |
//! | [`Runtime::new`] | none | tokio's; without the feature, smol's; without both, none | those of the above, or a new thread |
//!
//! A transport has one runtime, set by [`TransportBuilder::runtime`](crate::transport::TransportBuilder::runtime), whatever
//! else is built in: several transports in one process may have different ones. A layer or connector that is used alone has a
//! setter of the same name.
//!
//! ```
//! use tower_transport::rt::Runtime;
//! # #[cfg(feature = "tokio")] {
//! use hyper_util::rt::{TokioExecutor, TokioTimer};
//!
//! let runtime = Runtime::new(TokioExecutor::new(), TokioTimer::new());
//! let runtime = Runtime::tokio();   // the default: also tells several runtimes apart, and notices when one ends
//! # }
//! ```
//!
//! A [`Runtime`] may stand for several tokio runtimes, one after the other or at once. Tasks and sockets belong to the
//! one that made them, named by a `RuntimeHandle`. Timers move: one whose runtime has ended continues where it is
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

/// Runs tasks and tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<dyn DynRuntime>,
    /// Why nothing can run here, if known.
    fault: fn() -> Option<Fault>,
}

/// What drives the sockets of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "_sockets"), allow(dead_code, reason = "there are no sockets"))]
pub(crate) enum Reactor {
    #[cfg_attr(not(feature = "tokio"), allow(dead_code, reason = "built in"))]
    Tokio,
    #[cfg_attr(feature = "tokio", allow(dead_code, reason = "built in"))]
    Smol,
}

/// A task for an [`Executor`]: a future without a result.
pub struct Task {
    run: TaskKind,
}

enum TaskKind {
    Boxed(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// Can be dropped from another thread.
    Held(Abortable),
}

/// A running timer.
pub struct Sleep {
    kind: SleepKind,
}

enum SleepKind {
    Own(Pin<Box<dyn hyper::rt::Sleep>>),
    Runtime(tokio::RuntimeTimer),
    Shared(Alarm),
}

/// The cause of an error: a connection's task ended with its runtime, or was dropped by its executor.
#[derive(Debug)]
pub(crate) struct TaskDropped;

trait DynRuntime: Send + Sync {
    /// The runtime in which this is called; the default handle if runtimes are not told apart.
    fn current(&self) -> RuntimeHandle {
        RuntimeHandle::default()
    }

    /// Its id; `None` where [`current`](Self::current) would search outside of a runtime.
    fn current_id(&self) -> Option<RuntimeId> {
        Some(RuntimeId::default())
    }

    fn reactor(&self) -> Reactor {
        tokio::REACTOR
    }

    fn spawn(&self, task: Task);
    fn sleep(&self, duration: Duration) -> Sleep;
    fn now(&self) -> Instant;
}

impl Runtime {
    /// A runtime from an executor and a timer that belong together.
    ///
    /// It counts as one runtime, whatever is behind it: where a transport is used in several tokio runtimes, or outlives
    /// them, use [`Runtime::tokio`](Self::tokio), as a default transport does. hyper-util's `TokioTimer`, for one, panics
    /// when it is polled after its runtime has ended.
    ///
    /// Its sockets are tokio's; without the feature `tokio`, smol's, which work with every executor.
    ///
    /// The executor is also called when a connection or a body is dropped, which may happen on a thread outside of the
    /// runtime.
    pub fn new<E, T>(executor: E, timer: T) -> Self
    where
        E: Executor<Task> + Send + Sync + 'static,
        T: Timer + Send + Sync + 'static,
    {
        Self { inner: Arc::new(Pair { executor, timer }), fault: || None }
    }

    /// What drives its sockets.
    #[cfg_attr(not(feature = "_sockets"), allow(dead_code, reason = "there are no sockets"))]
    pub(crate) fn reactor(&self) -> Reactor {
        self.inner.reactor()
    }

    /// Why nothing can run or be timed on this thread; `None` if no fault is known.
    pub(crate) fn fault(&self) -> Option<Fault> {
        (self.fault)()
    }

    /// The runtime in which this is called; outside of any, one that was seen before and still runs.
    pub(crate) fn current(&self) -> RuntimeHandle {
        self.inner.current()
    }

    /// The id of the runtime in which this is called, if any.
    pub(crate) fn current_id(&self) -> Option<RuntimeId> {
        self.inner.current_id()
    }

    /// Runs a future to its end, detached.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.inner.spawn(Task::new(future));
    }

    /// Runs a future on this runtime, called from any thread. A runtime that has ended drops it.
    pub(crate) fn spawn_on(
        &self,
        runtime: &RuntimeHandle,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskAbortHandle {
        let (task, handle) = abort::abortable(Task::new(future), runtime.clone());
        if let Err(task) = runtime.spawn(task) {
            self.inner.spawn(task);
        }
        handle
    }

    /// Like `spawn_on`, with a task that this cell cancels.
    pub(crate) fn spawn_in(&self, cell: &TaskCell, runtime: &RuntimeHandle, task: Task) {
        if let Err(task) = runtime.spawn(cell.hold(task, runtime)) {
            self.inner.spawn(task);
        }
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        self.inner.sleep(duration)
    }

    /// The same runtime with timers that share one: for waits that start often and rarely elapse.
    #[cfg_attr(not(feature = "http2"), allow(dead_code, reason = "the waits of HTTP/2 are such"))]
    pub(crate) fn with_shared_timer(&self) -> Self {
        let inner = Arc::new(SharedTimer::new(self.inner.clone()));
        Self { inner, fault: self.fault }
    }

    pub(crate) fn now(&self) -> Instant {
        self.inner.now()
    }

    /// The time of day. Its distance to the system's equals that of [`now`](Self::now), so a paused clock pauses both.
    #[cfg_attr(
        not(any(feature = "cookies", feature = "retry")),
        allow(dead_code, reason = "cookies end at a time of day, and `Retry-After` says one")
    )]
    pub(crate) fn time_of_day(&self) -> SystemTime {
        system_clock::time_of_day(|| self.now())
    }

    /// Waits for `future` up to `limit`; `None` if it elapsed.
    pub(crate) fn within<F: Future>(
        &self,
        limit: Option<Duration>,
        future: F,
    ) -> WithinLimit<'_, F> {
        WithinLimit { runtime: self, limit, sleep: None, future }
    }
}

pin_project! {
    /// The future of [`Runtime::within`]. Written by hand, because an `async fn` would store its argument twice.
    pub(crate) struct WithinLimit<'a, F> {
        runtime: &'a Runtime,
        limit: Option<Duration>,
        // Started when the future is first pending: most never are.
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

/// Ready if the task has budget left. Without it every tokio stream is pending, which would look like a quiet stream, so
/// check this first. Always ready on other runtimes.
#[cfg(feature = "http1")]
pub(crate) fn poll_budget(cx: &Context<'_>) -> Poll<()> {
    if tokio::has_budget() {
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
        Self { run: TaskKind::Boxed(Box::pin(future)) }
    }

    fn held(abortable: Abortable) -> Self {
        Self { run: TaskKind::Held(abortable) }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.run {
            TaskKind::Boxed(future) => future.as_mut().poll(cx),
            TaskKind::Held(abortable) => abortable.poll(cx),
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
        match &mut self.kind {
            SleepKind::Own(timer) => timer.as_mut().poll(cx),
            SleepKind::Runtime(timer) => timer.poll(cx),
            SleepKind::Shared(alarm) => alarm.poll(cx),
        }
    }
}

impl Sleep {
    fn own(timer: Pin<Box<dyn hyper::rt::Sleep>>) -> Self {
        Self { kind: SleepKind::Own(timer) }
    }

    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "tokio alone is known"))]
    fn of_runtime(timer: tokio::RuntimeTimer) -> Self {
        Self { kind: SleepKind::Runtime(timer) }
    }

    fn shared(alarm: Alarm) -> Self {
        Self { kind: SleepKind::Shared(alarm) }
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

impl<E, T> DynRuntime for Pair<E, T>
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
#[cfg(feature = "blocking")]
mod blocking;
#[cfg(all(feature = "tokio", unix))]
mod process;
#[cfg(all(feature = "tokio", not(unix)))]
#[path = "rt/no_fork.rs"]
mod process;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[path = "rt/no_system_clock.rs"]
mod system_clock;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod system_clock;
mod unblock;

use abort::Abortable;
use alarms::{Alarm, SharedTimer};

/// Why nothing can run or be timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// There is no runtime.
    #[cfg_attr(
        all(feature = "smol", not(feature = "tokio")),
        allow(dead_code, reason = "smol is always there")
    )]
    Missing(&'static str),
    /// The runtime has no timers.
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

/// Why a task was dropped before its end: it panicked, or its runtime ended.
pub(crate) fn why_dropped() -> &'static str {
    match std::thread::panicking() {
        true => {
            "its task panicked, as where a tokio runtime has no I/O: build it with `enable_all`"
        }
        false => "its task was dropped: the runtime has ended",
    }
}

pub(crate) use abort::{TaskAbortHandle, TaskCell};
#[cfg(feature = "blocking")]
pub(crate) use blocking::{BackgroundTask, BlockingRuntime, Held};
pub(crate) use tokio::{RuntimeHandle, RuntimeId};
pub(crate) use unblock::{Unblock, unblock};

#[cfg(not(any(feature = "tokio", feature = "smol")))]
mod no_runtime;
#[cfg(not(feature = "smol"))]
#[path = "rt/no_smol.rs"]
mod smol;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(not(feature = "tokio"))]
#[path = "rt/none.rs"]
mod tokio;
