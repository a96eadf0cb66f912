//! The key of connections inside the pool: the user's key, and the runtime that drives them.
//!
//! A task and a socket of one runtime drive a connection. They end with that runtime, and stand still while a
//! current-thread runtime is not blocked on. So a request is given only connections of its own runtime.

use std::fmt;

use crate::rt::RuntimeHandle;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct LocalKey<K> {
    pub(super) key: K,
    pub(super) runtime: RuntimeHandle,
}

impl<K: fmt::Display> fmt::Display for LocalKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}
