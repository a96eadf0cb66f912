//! The files of the crate where threads meet, with the locks and atomics of loom; see README.md.

#![allow(dead_code, reason = "of each file, only what threads share is tried")]

pub mod http2;
pub mod pool;
pub mod rt;

/// Tries each order of steps.
fn try_all(model: impl Fn() + Sync + Send + 'static) {
    loom::model(model);
}

/// Tries the orders with at most this many interruptions of threads that could go on, for models with too many orders.
fn try_with(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    (builder.preemption_bound, builder.max_branches) = (Some(interruptions), 10_000);
    builder.check(model);
}

mod lock {
    use std::sync::PoisonError;

    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) mod atomic {
        pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
        use loom::sync::atomic::{AtomicUsize as Loom, fence};

        /// Sequentially consistent, which loom's own operations are only with fences around them.
        pub(crate) struct AtomicUsize(Loom);

        impl AtomicUsize {
            pub(crate) fn new(value: usize) -> Self {
                Self(Loom::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> usize {
                consistently(order, || self.0.load(order))
            }

            pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
                consistently(order, || self.0.fetch_add(value, order))
            }

            pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
                consistently(order, || self.0.fetch_sub(value, order))
            }
        }

        fn consistently<T>(order: Ordering, act: impl FnOnce() -> T) -> T {
            assert_eq!(order, Ordering::SeqCst);
            fence(order);
            let done = act();
            fence(order);
            done
        }
    }

    pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
