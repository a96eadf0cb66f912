//! Takes locks whether or not they are poisoned.
//!
//! No invariant of this crate is broken halfway when a thread panics under a lock: what is foreign is called outside of
//! them. So a poisoned lock holds usable data, and a panic in one request must not become a panic in all others.

use std::sync::PoisonError;
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
#[cfg(feature = "tokio")]
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks a mutex, even a poisoned one.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the value of a mutex that nothing else can lock, even of a poisoned one.
pub(crate) fn get_mut<T: ?Sized>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading, even a poisoned lock.
#[cfg(feature = "tokio")]
pub(crate) fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing, even a poisoned lock.
#[cfg(feature = "tokio")]
pub(crate) fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
