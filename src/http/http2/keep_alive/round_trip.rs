//! How long a peer usually takes to say that it is there, pure.

use std::time::Duration;

/// With nothing measured, so long (RFC 6298 §2.1).
const UNKNOWN: Duration = Duration::from_secs(1);

/// No silence is shorter than that: a peer on the same machine may be busy for a moment.
const SHORTEST: Duration = Duration::from_millis(100);

/// The round trip of a connection, smoothed as TCP does it (RFC 6298 §2).
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    measured: Option<LengthChecked>,
}

#[derive(Clone, Copy, Debug)]
struct LengthChecked {
    smoothed: Duration,
    variation: Duration,
}

impl RoundTrip {
    /// From our SETTINGS to their acknowledgement. Some peers say nothing before the first request: a long time tells
    /// nothing.
    pub(super) fn measure_first(&mut self, time: Duration) {
        if time < UNKNOWN {
            self.measure(time);
        }
    }

    /// From a PING to its answer.
    pub(super) fn measure(&mut self, time: Duration) {
        self.measured = Some(match self.measured {
            None => LengthChecked { smoothed: time, variation: time / 2 },
            Some(LengthChecked { smoothed, variation }) => LengthChecked {
                smoothed: (smoothed * 7 + time) / 8,
                variation: (variation * 3 + smoothed.abs_diff(time)) / 4,
            },
        });
    }

    /// A silence that is longer than usual: twice the round trip, and four times what it varies.
    pub(super) fn unusual_silence(&self) -> Duration {
        let Some(LengthChecked { smoothed, variation }) = self.measured else { return UNKNOWN };
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
