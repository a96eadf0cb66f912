//! The default runtime: tokio.

use std::{
    cell::Cell,
    panic::catch_unwind,
    sync::{Arc, RwLock},
    time::{Duration, Instant},
};

use hyper::rt::Timer as _;
use hyper_util::rt::TokioTimer;
use tokio::runtime::{Handle, Id};

use super::{Fault, Ground, Runtime, Sleep, Task};
use crate::lock;

mod handle;
mod timer;

pub(crate) use handle::{RuntimeHandle, RuntimeId};
pub(super) use timer::RuntimeTimer;

/// Later than anybody waits for. tokio's timers know no moment that is much later.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime is. It may be several,
    /// at once or one after the other: "Several runtimes" in [`Transport`](crate::Transport). A request that is sent
    /// where there is none, nor was before, fails with [`is_canceled`](crate::Error::is_canceled), and so does one that
    /// needs a new connection where the runtime was built without timers (`enable_time`).
    ///
    /// Whether a runtime has timers is known from no more than a panic of tokio's, which is caught: the panic hook prints its
    /// message, once for each thread and such runtime, and under `panic = "abort"` the process ends there.
    pub fn tokio() -> Self {
        Self { ground: Arc::new(Tokio::default()), fault }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

/// The runtime of the caller, or one that was seen before, because a body may be read or dropped on a thread that has
/// none.
#[derive(Clone, Default)]
struct Tokio {
    remembered: Arc<RwLock<RuntimeHandle>>,
}

impl Tokio {
    fn remember(&self, here: &RuntimeHandle) {
        let is_over = |known: &RuntimeHandle| known.is_none() || known.has_ended();
        if is_over(&lock::read(&self.remembered)) {
            *lock::write(&self.remembered) = here.clone();
        }
    }

    fn remembered(&self) -> RuntimeHandle {
        lock::read(&self.remembered).clone()
    }

    /// One that was seen before and still runs.
    fn elsewhere(&self) -> RuntimeHandle {
        let remembered = self.remembered();
        if remembered.has_ended() { RuntimeHandle::default() } else { remembered }
    }
}

thread_local! {
    /// The runtime of which this thread has asked last whether it has timers, and the answer.
    static KNOWN: Cell<Option<(Id, bool)>> = const { Cell::new(None) };
}

/// Why nothing can be run or timed here.
fn fault() -> Option<Fault> {
    match Handle::try_current() {
        Err(_) => Some(Fault::Missing("there is no tokio runtime here: call it inside of one")),
        Ok(handle) if has_timers(&handle) => None,
        Ok(_) => Some(Fault::Timerless),
    }
}

/// Whether a runtime was built with timers. tokio answers that in no other way than by a panic, which is asked for once for
/// each runtime, and caught.
fn has_timers(handle: &Handle) -> bool {
    let id = handle.id();
    if let Some((known, has_timers)) = KNOWN.get()
        && known == id
    {
        return has_timers;
    }
    let _inside = handle.enter();
    let has_timers = catch_unwind(|| drop(TokioTimer::new().sleep(Duration::ZERO))).is_ok();
    KNOWN.set(Some((id, has_timers)));
    has_timers
}

impl Ground for Tokio {
    fn current(&self) -> RuntimeHandle {
        let Some(here) = RuntimeHandle::here() else { return self.elsewhere() };
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
        let deadline = self.now().checked_add(duration).unwrap_or_else(|| self.now() + FAR);
        Sleep::of_runtime(RuntimeTimer::new(self.clone(), deadline, self.current()))
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

#[cfg(test)]
mod tests;
