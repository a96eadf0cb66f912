//! Timers of tokio's that outlive their runtime, and are used again.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::{runtime::Handle, task::coop::unconstrained};

use super::{Ground as _, RuntimeHandle, Tokio, has_timers};
use crate::lock;

/// A timer that outlives its runtime: it goes on with what is left of its time in the runtime in which it is polled.
pub(in crate::rt) struct RuntimeTimer {
    ground: Tokio,
    deadline: Instant,
    runtime: RuntimeHandle,
    sleep: Option<TokioSleep>,
}

type TokioSleep = Pin<Box<tokio::time::Sleep>>;

/// Timers of a runtime that were given up before they rang, as most are, for the next ones.
///
/// A timer that is put off stays where it is in tokio's wheel, so it costs a fraction of a new one: no lock, no allocation,
/// and no waking of the driver because it is the earliest.
#[derive(Default)]
pub(super) struct KeptTimers {
    timers: Mutex<Vec<KeptTimer>>,
}

struct KeptTimer {
    deadline: Instant,
    sleep: TokioSleep,
}

/// So many are kept: those of a request and its dial, for a few that come and go at once.
const KEPT: usize = 32;

impl RuntimeTimer {
    pub(super) fn new(ground: Tokio, deadline: Instant, runtime: RuntimeHandle) -> Self {
        let mut timer = Self { ground, deadline, runtime, sleep: None };
        timer.poll_own(|_| ());
        timer
    }

    /// Does something with it where it is; `None` if that runtime has ended.
    fn poll_own<T>(&mut self, act: impl FnOnce(Pin<&mut tokio::time::Sleep>) -> T) -> Option<T> {
        let Self { deadline, runtime, sleep, .. } = self;
        let kept = runtime.kept_timers()?;
        runtime.while_running(|handle| {
            if sleep.is_none() {
                *sleep = kept.take(*deadline).or_else(|| tokio_timer(handle, *deadline));
            }
            sleep.as_mut().map(|sleep| act(sleep.as_mut()))
        })?
    }

    /// Makes it a timer of this runtime and does something with it; `None` if that has ended.
    fn poll_on<T>(
        &mut self,
        runtime: RuntimeHandle,
        act: impl FnOnce(Pin<&mut tokio::time::Sleep>) -> T,
    ) -> Option<T> {
        if runtime.has_ended() {
            return None;
        }
        if self.runtime != runtime {
            self.keep();
            self.runtime = runtime;
        }
        self.poll_own(act)
    }

    pub(in crate::rt) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // One that drives itself wakes also those who are polled elsewhere.
        if !self.runtime.drives_itself()
            && !self.runtime.is_here()
            && let Some(here) = RuntimeHandle::here()
            && let Some(poll) = self.poll_on(here, |sleep| sleep.poll(cx))
        {
            return poll;
        }
        if let Some(poll) = self.poll_own(|sleep| sleep.poll(cx)) {
            return poll;
        }
        let other = self.ground.current();
        // Where no runtime is left there is nobody who could wake.
        self.poll_on(other, |sleep| sleep.poll(cx)).unwrap_or(Poll::Pending)
    }

    /// Leaves what it had of its runtime for the next timer there.
    fn keep(&mut self) {
        let (Some(sleep), Some(kept)) = (self.sleep.take(), self.runtime.kept_timers()) else {
            return;
        };
        let deadline = self.deadline;
        // Within, because the kept timers of a runtime that has ended are gone.
        self.runtime.while_running(|_| kept.put(KeptTimer { deadline, sleep }));
    }
}

impl Drop for RuntimeTimer {
    fn drop(&mut self) {
        self.keep();
    }
}

impl KeptTimers {
    /// The one that has to be put off least.
    fn take(&self, deadline: Instant) -> Option<TokioSleep> {
        let mut timers = self.lock();
        let fitting = timers.iter().enumerate().filter(|(_, kept)| kept.deadline <= deadline);
        let (best, _) = fitting.max_by_key(|(_, kept)| kept.deadline)?;
        let mut sleep = timers.swap_remove(best).sleep;
        drop(timers);
        sleep.as_mut().reset(deadline.into());
        Some(sleep)
    }

    /// Keeps one that has not rung and wakes nobody any more.
    fn put(&self, mut kept: KeptTimer) {
        let mut nobody = Context::from_waker(Waker::noop());
        if Pin::new(&mut unconstrained(kept.sleep.as_mut())).poll(&mut nobody).is_ready() {
            return;
        }
        let mut timers = self.lock();
        if timers.len() < KEPT {
            timers.push(kept);
        }
    }

    /// Drops them.
    pub(super) fn clear(&self) {
        let timers = std::mem::take(&mut *self.lock());
        drop(timers);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<KeptTimer>> {
        lock::lock(&self.timers)
    }
}

/// Without timers it never ends; a request that would need one has failed before.
#[expect(
    clippy::disallowed_methods,
    reason = "the one door; boxed, as hyper-util's, it costs more"
)]
fn tokio_timer(handle: &Handle, deadline: Instant) -> Option<TokioSleep> {
    if !has_timers(handle) {
        return None;
    }
    let _inside = handle.enter();
    Some(Box::pin(tokio::time::sleep_until(deadline.into())))
}
