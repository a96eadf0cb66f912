//! The time of day.

use std::time::{Instant, SystemTime};

/// The system's time of day, ahead of it by as much as `now` is ahead of the real clock.
#[expect(clippy::disallowed_methods, reason = "what the runtime's clock is compared with")]
#[cfg_attr(
    not(any(feature = "cookies", feature = "retry")),
    allow(dead_code, reason = "cookies end at a time of day, and `Retry-After` says one")
)]
pub(super) fn time_of_day(now: impl FnOnce() -> Instant) -> SystemTime {
    let (system, real, now) = (SystemTime::now(), Instant::now(), now());
    let ahead = system.checked_add(now.saturating_duration_since(real));
    let time = ahead.and_then(|time| time.checked_sub(real.saturating_duration_since(now)));
    time.unwrap_or(system)
}
