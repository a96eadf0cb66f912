//! The default runtime: tokio.

use std::{
    cell::Cell,
    panic::catch_unwind,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Handle, Id},
    time::{Instant as TokioInstant, sleep},
};

use super::{DynRuntime, Fault, Reactor, Runtime, Sleep, Task};
use crate::lock;

mod handle;
mod timer;

pub(crate) use handle::{RuntimeHandle, RuntimeId};
pub(super) use timer::RuntimeTimer;

/// Beyond any real wait. tokio's timers cannot represent times much later.
const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime. There may be several, at
    /// once or one after the other: see "Several runtimes" in [`Transport`](crate::Transport). A request outside of any
    /// runtime, with none seen before, fails with [`is_canceled`](crate::Error::is_canceled), and so does one that needs a
    /// new connection in a runtime without timers (`enable_time`).
    ///
    /// Only a panic of tokio's shows whether a runtime has timers. It is caught: the panic hook prints its message, once for
    /// each thread and such runtime, and under `panic = "abort"` the process ends there.
    pub fn tokio() -> Self {
        Self { inner: Arc::new(TokioRuntime::default()), fault }
    }
}

/// What drives the sockets of runtimes that do not say it.
pub(super) const REACTOR: Reactor = Reactor::Tokio;

/// Whether the task may go on before it has to yield.
#[cfg(feature = "http1")]
pub(super) fn has_budget() -> bool {
    tokio::task::coop::has_budget_remaining()
}

/// Runs work on the blocking threads of the current runtime; gives it back outside of any.
pub(super) fn run_blocking<F: FnOnce() + Send + 'static>(work: F) -> Result<(), F> {
    match Handle::try_current() {
        Ok(runtime) => {
            drop(runtime.spawn_blocking(work));
            Ok(())
        }
        Err(_) => Err(work),
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

/// The caller's runtime, or one that was seen before, because a body may be read or dropped on a thread outside of any.
#[derive(Clone, Default)]
struct TokioRuntime {
    remembered: Arc<RwLock<RuntimeHandle>>,
}

impl TokioRuntime {
    fn remember(&self, here: &RuntimeHandle) {
        let is_over = |known: &RuntimeHandle| known.is_none() || known.has_ended();
        if is_over(&lock::read(&self.remembered)) {
            *lock::write(&self.remembered) = here.clone();
        }
    }

    fn remembered(&self) -> RuntimeHandle {
        lock::read(&self.remembered).clone()
    }

    /// A runtime that was seen before and still runs.
    fn seen_runtime(&self) -> RuntimeHandle {
        let remembered = self.remembered();
        if remembered.has_ended() { RuntimeHandle::default() } else { remembered }
    }
}

thread_local! {
    /// The last runtime that this thread tested for timers, and the result.
    static TIMER_CHECK: Cell<Option<(Id, bool)>> = const { Cell::new(None) };
}

/// Why nothing can run or be timed here.
fn fault() -> Option<Fault> {
    match Handle::try_current() {
        Err(_) => Some(Fault::Missing("there is no tokio runtime here: call it inside of one")),
        Ok(handle) if has_timers(&handle) => None,
        Ok(_) => Some(Fault::Timerless),
    }
}

/// Whether a runtime has timers. tokio shows that by a panic only, which is provoked once per runtime and caught.
#[expect(clippy::disallowed_methods, reason = "the one door")]
fn has_timers(handle: &Handle) -> bool {
    let id = handle.id();
    if let Some((known, has_timers)) = TIMER_CHECK.get()
        && known == id
    {
        return has_timers;
    }
    let _inside = handle.enter();
    let has_timers = catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok();
    TIMER_CHECK.set(Some((id, has_timers)));
    has_timers
}

impl DynRuntime for TokioRuntime {
    fn current(&self) -> RuntimeHandle {
        let Some(here) = RuntimeHandle::here() else { return self.seen_runtime() };
        self.remember(&here);
        here
    }

    fn current_id(&self) -> Option<RuntimeId> {
        RuntimeId::here()
    }

    fn spawn(&self, task: Task) {
        // Without a runtime the task is dropped, which its owner reports as cancelled.
        drop(self.current().spawn(task));
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let deadline = self.now().checked_add(duration).unwrap_or_else(|| self.now() + FAR_FUTURE);
        Sleep::of_runtime(RuntimeTimer::new(self.clone(), deadline, self.current()))
    }

    #[expect(clippy::disallowed_methods, reason = "the one door")]
    fn now(&self) -> Instant {
        TokioInstant::now().into()
    }
}

#[cfg(test)]
mod tests;
