//! The twin of `process.rs` for systems without `fork`: the process has no child that shares its memory.

use std::sync::{Mutex, MutexGuard};

use crate::lock;

/// A mutex that is empty at first.
pub(crate) struct ProcessMutex<T> {
    value: Mutex<Option<T>>,
}

impl<T> ProcessMutex<T> {
    pub(crate) const fn new() -> Self {
        Self { value: Mutex::new(None) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        lock::lock(&self.value)
    }
}
