//! The time of day where the standard library has no clock, and panics: in a browser, time stands still for cookies, and a
//! date in `Retry-After` is too late to wait for, unless the response has a `Date`.

use std::time::{Instant, SystemTime};

/// The epoch: cookies are kept, unless they ended before it, which is how servers delete them.
#[cfg_attr(
    not(any(feature = "cookies", feature = "retry")),
    allow(dead_code, reason = "cookies end at a time of day, and `Retry-After` says one")
)]
pub(super) fn time_of_day(_: impl FnOnce() -> Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH
}
