//! The minimum throughput. Reads the clock at the start and the end of each wait, because only waits count.

use std::time::{Duration, Instant};

use super::ElapsedKind;
use crate::{options::Throughput, rt::Runtime};

/// Measures how much moves while the peer is waited for.
pub(super) struct ThroughputMonitor {
    least: Throughput,
    /// Time of the window's past waits.
    waited: Duration,
    since: Option<Instant>,
    /// Bytes moved at the start of the window, if one has started.
    from: Option<u64>,
}

impl ThroughputMonitor {
    pub(super) fn new(least: Throughput) -> Self {
        Self { least, waited: Duration::ZERO, since: None, from: None }
    }

    /// The wait for the peer is over.
    pub(super) fn reset(&mut self, runtime: &Runtime) {
        if let Some(since) = self.since.take() {
            self.waited += runtime.now().saturating_duration_since(since);
        }
    }

    /// Call while the peer is waited for. Compares the throughput with the minimum at the end of each window.
    pub(super) fn too_slow(&mut self, moved: u64, runtime: &Runtime) -> Option<ElapsedKind> {
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
        (u128::from(moved.saturating_sub(from)) < wanted)
            .then_some(ElapsedKind::TooSlow { least, window })
    }
}
