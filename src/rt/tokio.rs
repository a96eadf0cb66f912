//! The default runtime: tokio.

use std::{
    cell::Cell,
    future::Future,
    panic::catch_unwind,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::Timer as _;
use hyper_util::rt::TokioTimer;
use pin_project_lite::pin_project;
use tokio::runtime::{Handle, Id};

use super::{Fault, Ground, Runtime, Sleep, Task};

mod handle;

pub(crate) use handle::{RuntimeHandle, RuntimeId};

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
        let remembered = self.remembered();
        if remembered.is_none() || remembered.has_ended() {
            *self.remembered.write().unwrap_or_else(PoisonError::into_inner) = here.clone();
        }
    }

    fn remembered(&self) -> RuntimeHandle {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        let (ground, runtime) = (self.clone(), self.current());
        let deadline = self.now().checked_add(duration).unwrap_or_else(|| self.now() + FAR);
        let timer = Timer { ground, deadline, runtime: runtime.clone(), sleep: None };
        let mut timer = Box::pin(timer);
        timer.as_mut().set_on(&runtime, |_| ());
        Sleep::own(timer)
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

pin_project! {
    /// A timer that outlives its runtime: it goes on with what is left of its time in the runtime in which it is polled.
    struct Timer {
        ground: Tokio,
        deadline: Instant,
        runtime: RuntimeHandle,
        #[pin]
        sleep: Option<tokio::time::Sleep>,
    }
}

impl Timer {
    /// Makes it a timer of this runtime and does something with it; `None` if that has ended.
    fn set_on<T>(
        self: Pin<&mut Self>,
        runtime: &RuntimeHandle,
        act: impl FnOnce(Pin<&mut tokio::time::Sleep>) -> T,
    ) -> Option<T> {
        let mut this = self.project();
        if this.runtime != runtime {
            this.sleep.set(None);
        }
        let done = runtime.while_running(|handle| {
            // Without timers it never ends; a request that would need one has failed before.
            if this.sleep.is_none() && has_timers(handle) {
                let _inside = handle.enter();
                this.sleep.set(Some(tokio_timer(*this.deadline)));
            }
            this.sleep.as_mut().as_pin_mut().map(act)
        })?;
        this.runtime.clone_from(runtime);
        done
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one door; boxed, as hyper-util's, it costs more"
)]
fn tokio_timer(deadline: Instant) -> tokio::time::Sleep {
    tokio::time::sleep_until(deadline.into())
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let own = self.runtime.clone();
        // One that drives itself wakes also those who are polled elsewhere.
        if !own.drives_itself()
            && let Some(here) = RuntimeHandle::here().filter(|here| *here != own)
            && let Some(poll) = self.as_mut().set_on(&here, |sleep| sleep.poll(cx))
        {
            return poll;
        }
        if let Some(poll) = self.as_mut().set_on(&own, |sleep| sleep.poll(cx)) {
            return poll;
        }
        let other = self.ground.current();
        // Where no runtime is left there is nobody who could wake.
        self.as_mut().set_on(&other, |sleep| sleep.poll(cx)).unwrap_or(Poll::Pending)
    }
}

impl hyper::rt::Sleep for Timer {}

#[cfg(test)]
mod tests;
