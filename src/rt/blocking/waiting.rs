//! Waits for a future on a thread, and tells whether the thread may wait.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::coop;

use crate::lock;

/// More polls than a task of tokio has before it must yield.
pub(super) const MORE_THAN_A_BUDGET: usize = 256;

/// Polls a future to its end, sleeping in between.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let sleeper = Arc::<ThreadWaker>::default();
    let waker = Waker::from(sleeper.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        sleeper.sleep();
    }
}

/// Wakes a thread. Not by `Thread::unpark`, because the thread may wait for one of its own.
#[derive(Default)]
struct ThreadWaker {
    is_woken: Mutex<bool>,
    wakes: Condvar,
}

impl ThreadWaker {
    /// Sleeps until it is woken, whatever signals come.
    fn sleep(&self) {
        let mut is_woken = lock::lock(&self.is_woken);
        while !std::mem::take(&mut *is_woken) {
            is_woken = self.wakes.wait(is_woken).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock::lock(&self.is_woken) = true;
        self.wakes.notify_one();
    }
}

/// Whether this is called in a task of tokio, which must not block.
///
/// Only a task has a budget, so only there it runs out. What is taken of it is given back.
pub(super) fn is_in_task() -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut taken = Vec::new();
    let is_over = (0..MORE_THAN_A_BUDGET).any(|_| match coop::poll_proceed(&mut context) {
        Poll::Ready(one) => {
            taken.push(one);
            false
        }
        Poll::Pending => true,
    });
    // Each gives back what there was before it, so the first must be the last to do so.
    while let Some(one) = taken.pop() {
        drop(one);
    }
    is_over
}
