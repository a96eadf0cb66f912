//! A value that may hold sockets of the runtime of blocking requests.

use super::BlockingRuntime;

/// A value that is dropped inside the runtime, wherever its owner is, and after a fork not at all.
pub(crate) struct Held<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    runtime: Option<BlockingRuntime>,
}

impl<T> Held<T> {
    /// Without a runtime the value holds no sockets.
    pub(crate) fn new(value: T, runtime: Option<BlockingRuntime>) -> Self {
        Self { value: Some(value), runtime }
    }

    pub(crate) fn runtime(&self) -> Option<&BlockingRuntime> {
        self.runtime.as_ref()
    }

    pub(crate) fn get(&self) -> &T {
        match &self.value {
            Some(value) => value,
            // `into_inner` and `drop` alone take it, after which nothing can be called.
            None => unreachable!("the value of a dropped handle"),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            // As above.
            None => unreachable!("the value of a dropped handle"),
        }
    }

    pub(crate) fn into_inner(mut self) -> T {
        match self.value.take() {
            Some(value) => value,
            // As above.
            None => unreachable!("the value of a dropped handle"),
        }
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if let (Some(value), Some(runtime)) = (self.value.take(), &self.runtime) {
            runtime.discard(value);
        }
    }
}
