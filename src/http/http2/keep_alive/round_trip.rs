//! Estimates the peer's round trip. Pure.

use std::time::Duration;

/// The estimate before the first measurement (RFC 6298 §2.1).
const UNKNOWN: Duration = Duration::from_secs(1);

/// The minimum: a peer on the same machine may be busy for a moment.
const SHORTEST: Duration = Duration::from_millis(100);

/// The round trip of a connection, smoothed like TCP's (RFC 6298 §2).
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    estimate: Option<Estimate>,
}

#[derive(Clone, Copy, Debug)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    /// Measures from our SETTINGS to their acknowledgement. Ignores a long time: some peers send nothing before the first
    /// request.
    pub(super) fn measure_first(&mut self, time: Duration) {
        if time < UNKNOWN {
            self.measure(time);
        }
    }

    /// Measures from a PING to its answer.
    pub(super) fn measure(&mut self, time: Duration) {
        self.estimate = Some(match self.estimate {
            None => Estimate { smoothed: time, variation: time / 2 },
            Some(Estimate { smoothed, variation }) => Estimate {
                smoothed: (smoothed * 7 + time) / 8,
                variation: (variation * 3 + smoothed.abs_diff(time)) / 4,
            },
        });
    }

    /// The silence that is longer than usual: twice the round trip plus four times its variation.
    pub(super) fn unusual_silence(&self) -> Duration {
        let Some(Estimate { smoothed, variation }) = self.estimate else { return UNKNOWN };
        (smoothed * 2 + variation * 4).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_silence_is_unusual_by_what_was_measured() {
        let silence = |times: &[u64]| {
            let mut trip = RoundTrip::default();
            times.iter().for_each(|time| trip.measure(ms(*time)));
            trip.unusual_silence()
        };
        assert_eq!(silence(&[]), ms(1000));
        assert_eq!(silence(&[60]), ms(240));
        assert!((ms(120)..ms(130)).contains(&silence(&[60; 20])));
        assert_eq!(silence(&[0; 3]), ms(100));
        assert!(silence(&[60, 60, 60, 600]) > ms(600));
    }

    #[test]
    fn a_late_acknowledgement_tells_nothing() {
        let mut trip = RoundTrip::default();
        trip.measure_first(ms(30_000));
        assert_eq!(trip.unusual_silence(), ms(1000));
        trip.measure_first(ms(60));
        assert_eq!(trip.unusual_silence(), ms(240));
    }
}
