//! A service that was polled ready, taken out of its layer.

use std::mem;

/// The ready service; its clone, which is not ready, takes its place.
#[inline]
pub(super) fn take_ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    mem::replace(service, clone)
}
