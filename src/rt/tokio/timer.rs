//! tokio timers that outlive their runtime, and are reused.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::{runtime::Handle, task::coop::unconstrained};

use super::{DynRuntime as _, RuntimeHandle, TokioRuntime, has_timers};
use crate::lock;

/// A timer that outlives its runtime: it continues with its remaining time in the runtime in which it is polled.
pub(in crate::rt) struct RuntimeTimer {
    inner: TokioRuntime,
    deadline: Instant,
    runtime: RuntimeHandle,
    sleep: Option<TokioSleep>,
}

type TokioSleep = Pin<Box<tokio::time::Sleep>>;

/// Timers of a runtime that were dropped before they fired, as most are, for reuse.
///
/// A timer that is reset to a later time stays in its place of tokio's wheel, which costs a fraction of a new one: no
/// lock, no allocation, and no wake of the driver for an earliest timer.
#[derive(Default)]
pub(super) struct TimerCache {
    timers: Mutex<Vec<CachedTimer>>,
}

struct CachedTimer {
    deadline: Instant,
    sleep: TokioSleep,
}

/// Limits the stored timers: enough for a request and its dial, a few times at once.
const MAX_CACHED: usize = 32;

impl RuntimeTimer {
    pub(super) fn new(inner: TokioRuntime, deadline: Instant, runtime: RuntimeHandle) -> Self {
        let mut timer = Self { inner, deadline, runtime, sleep: None };
        timer.poll_own(|_| ());
        timer
    }

    /// Uses the timer in its own runtime; `None` if that has ended.
    fn poll_own<T>(&mut self, act: impl FnOnce(Pin<&mut tokio::time::Sleep>) -> T) -> Option<T> {
        let Self { deadline, runtime, sleep, .. } = self;
        let kept = runtime.timer_cache()?;
        runtime.while_running(|handle| {
            if sleep.is_none() {
                *sleep = kept.take(*deadline).or_else(|| tokio_timer(handle, *deadline));
            }
            sleep.as_mut().map(|sleep| act(sleep.as_mut()))
        })?
    }

    /// Moves the timer to this runtime and uses it; `None` if that has ended.
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
        // A runtime that drives itself also wakes tasks of other runtimes.
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
        let other = self.inner.current();
        // Without any runtime nothing could wake the task.
        self.poll_on(other, |sleep| sleep.poll(cx)).unwrap_or(Poll::Pending)
    }

    /// Stores the tokio timer for reuse in its runtime.
    fn keep(&mut self) {
        let (Some(sleep), Some(kept)) = (self.sleep.take(), self.runtime.timer_cache()) else {
            return;
        };
        let deadline = self.deadline;
        // Only while the runtime runs: the stored timers of an ended one are gone.
        self.runtime.while_running(|_| kept.put(CachedTimer { deadline, sleep }));
    }
}

impl Drop for RuntimeTimer {
    fn drop(&mut self) {
        self.keep();
    }
}

impl TimerCache {
    /// The stored timer with the latest deadline that is not too late.
    fn take(&self, deadline: Instant) -> Option<TokioSleep> {
        let mut timers = self.lock();
        let fitting = timers.iter().enumerate().filter(|(_, kept)| kept.deadline <= deadline);
        let (best, _) = fitting.max_by_key(|(_, kept)| kept.deadline)?;
        let mut sleep = timers.swap_remove(best).sleep;
        drop(timers);
        sleep.as_mut().reset(deadline.into());
        Some(sleep)
    }

    /// Stores a timer that has not fired, without a waker.
    fn put(&self, mut kept: CachedTimer) {
        let mut nobody = Context::from_waker(Waker::noop());
        if Pin::new(&mut unconstrained(kept.sleep.as_mut())).poll(&mut nobody).is_ready() {
            return;
        }
        let mut timers = self.lock();
        if timers.len() < MAX_CACHED {
            timers.push(kept);
        }
    }

    pub(super) fn clear(&self) {
        let timers = std::mem::take(&mut *self.lock());
        drop(timers);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<CachedTimer>> {
        lock::lock(&self.timers)
    }
}

/// `None` without timers: the wait then never ends; a request that needs a new connection has failed before.
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
