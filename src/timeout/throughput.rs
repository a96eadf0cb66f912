//! The least throughput: only here is the time taken whenever a wait begins or ends, because only waits count.

use std::time::{Duration, Instant};

use super::Why;
use crate::{options::Throughput, rt::Runtime};

/// How much moves while the peer is waited for.
pub(super) struct ThroughputMonitor {
    least: Throughput,
    /// Of this window, in the waits before the present one.
    waited: Duration,
    since: Option<Instant>,
    /// What had moved when the window began, if one has.
    from: Option<u64>,
}

impl ThroughputMonitor {
    pub(super) fn new(least: Throughput) -> Self {
        Self { least, waited: Duration::ZERO, since: None, from: None }
    }

    /// Nobody waits for the peer.
    pub(super) fn reset(&mut self, runtime: &Runtime) {
        if let Some(since) = self.since.take() {
            self.waited += runtime.now().saturating_duration_since(since);
        }
    }

    /// The peer is waited for, now or still, and so much has moved. Judges it when a window is over.
    pub(super) fn too_slow(&mut self, moved: u64, runtime: &Runtime) -> Option<Why> {
        let now = runtime.now();
        let since = *self.since.get_or_insert(now);
        let from = *self.from.get_or_insert(moved);
        let waited = self.waited + now.saturating_duration_since(since);
        let Throughput { bytes_per_second: least, window } = self.least;
        if waited < window || waited.is_zero() {
            return None;
        }
        (self.waited, self.since, self.from) = (Duration::ZERO, Some(now), Some(moved));
        let wanted = u128::from(least) * waited.as_millis() / 1000;
        (u128::from(moved.saturating_sub(from)) < wanted).then_some(Why::Little { least, window })
    }
}
