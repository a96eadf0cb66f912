//! The default runtime: tokio.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::Timer as _;
use hyper_util::rt::TokioTimer;

use super::{Ground, Runtime, Sleep, Task};

mod handle;

pub(crate) use handle::RuntimeHandle;

/// Later than anybody waits for. tokio's timers know no moment that is much later.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

impl Runtime {
    /// The tokio runtime in which requests are sent.
    ///
    /// It need not exist yet: a [`Transport`](crate::Transport) may be built before the runtime is. It may be several,
    /// at once or one after the other: "Several runtimes" in [`Transport`](crate::Transport). A request that is sent
    /// where there is none, nor was before, fails with [`is_canceled`](crate::Error::is_canceled).
    pub fn tokio() -> Self {
        Self { ground: Arc::new(Tokio::default()) }
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

impl Ground for Tokio {
    fn current(&self) -> RuntimeHandle {
        let Some(here) = RuntimeHandle::here() else { return self.elsewhere() };
        self.remember(&here);
        here
    }

    fn spawn(&self, task: Task) {
        // Without a runtime the task is dropped, which its owner reports as cancelled.
        drop(self.current().spawn(task));
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let (ground, runtime) = (self.clone(), self.current());
        let deadline = self.now().checked_add(duration).unwrap_or_else(|| self.now() + FAR);
        let mut timer = Timer { ground, deadline, runtime: runtime.clone(), sleep: None };
        timer.set_on(&runtime, |_| ());
        Sleep { timer: Box::pin(timer) }
    }

    fn now(&self) -> Instant {
        TokioTimer::new().now()
    }
}

/// A timer that outlives its runtime: it goes on with what is left of its time in the runtime in which it is polled.
struct Timer {
    ground: Tokio,
    deadline: Instant,
    runtime: RuntimeHandle,
    sleep: Option<Pin<Box<dyn hyper::rt::Sleep>>>,
}

impl Timer {
    /// Makes it a timer of this runtime and does something with it; `None` if that has ended.
    fn set_on<T>(
        &mut self,
        runtime: &RuntimeHandle,
        act: impl FnOnce(Pin<&mut (dyn hyper::rt::Sleep + 'static)>) -> T,
    ) -> Option<T> {
        if self.runtime != *runtime {
            self.sleep = None;
        }
        let (deadline, sleep) = (self.deadline, &mut self.sleep);
        let done = runtime.while_running(|handle| {
            let sleep = sleep.get_or_insert_with(|| {
                let _inside = handle.enter();
                TokioTimer::new().sleep_until(deadline)
            });
            act(sleep.as_mut())
        })?;
        self.runtime.clone_from(runtime);
        Some(done)
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let own = self.runtime.clone();
        // One that drives itself wakes also those who are polled elsewhere.
        if !own.drives_itself()
            && let Some(here) = RuntimeHandle::here().filter(|here| *here != own)
            && let Some(poll) = self.set_on(&here, |sleep| sleep.poll(cx))
        {
            return poll;
        }
        if let Some(poll) = self.set_on(&own, |sleep| sleep.poll(cx)) {
            return poll;
        }
        let other = self.ground.current();
        // Where no runtime is left there is nobody who could wake.
        self.set_on(&other, |sleep| sleep.poll(cx)).unwrap_or(Poll::Pending)
    }
}

impl hyper::rt::Sleep for Timer {}

#[cfg(test)]
mod tests;
