//! What a pool's state keeps connections under: the key, and the runtime that drives them.
//!
//! A connection is driven by a task and a socket of the runtime in which it was made. If that ends, so do they; if it is a
//! current-thread runtime that nobody blocks on, they rest. So a request is given only connections of its own runtime.

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
