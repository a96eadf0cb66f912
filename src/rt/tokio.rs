//! The default runtime: tokio.

use std::{
    cell::Cell,
    panic::catch_unwind,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use hyper::rt::{Executor, Timer};
use hyper_util::rt::TokioTimer;
use tokio::runtime::{Handle, Id};

use super::{Fault, Never, Runtime, Task};

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime is. A request that is
    /// sent where there is none, nor was before, fails with [`is_canceled`](crate::Error::is_canceled), and so does one that
    /// needs a new connection where the runtime was built without timers (`enable_time`).
    pub fn tokio() -> Self {
        let runtime = Remembering::default();
        Self { fault, ..Self::new(runtime.clone(), runtime) }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Self::tokio()
    }
}

/// The runtime of the caller, or the first there was, because a body may be read or dropped on a thread that has none.
#[derive(Clone, Default)]
struct Remembering {
    first: Arc<OnceLock<Handle>>,
}

impl Remembering {
    fn handle(&self) -> Option<Handle> {
        match Handle::try_current() {
            Ok(current) => {
                let _ = self.first.set(current.clone());
                Some(current)
            }
            Err(_) => self.first.get().cloned(),
        }
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

impl Executor<Task> for Remembering {
    fn execute(&self, task: Task) {
        // Without a runtime the task is dropped, which its owner reports as cancelled.
        if let Some(handle) = self.handle() {
            drop(handle.spawn(task));
        }
    }
}

impl Timer for Remembering {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let Some(handle) = self.handle().filter(has_timers) else { return Box::pin(Never) };
        let _inside = handle.enter();
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        let Some(handle) = self.handle().filter(has_timers) else { return Box::pin(Never) };
        let _inside = handle.enter();
        TokioTimer::new().sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}
