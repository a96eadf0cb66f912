//! Decides whether a request may be sent again. Pure.

use std::time::Duration;

use crate::connection::Progress;
pub(super) use crate::options::is_idempotent;

/// Limits the attempts of one request, so that a server that always fails is not asked for ever. More than two, because
/// on a busy pool the server may be about to close the next connection, too.
pub(super) const TRIES: u32 = 10;

/// Attempts without a pause in between.
const AT_ONCE: u32 = 2;

/// The first pause; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(10);

/// The facts of a failed attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedAttempt {
    pub(super) progress: Progress,
    /// The connection had been given a request before.
    pub(super) reused: bool,
    /// The connection carries many requests, and another one may have ended it.
    pub(super) shared: bool,
    pub(super) idempotent: bool,
    /// Attempts so far, this one included.
    pub(super) tries: u32,
}

impl FailedAttempt {
    /// A request that the server may have acted on is repeated only if it is idempotent. A fresh connection that fails is
    /// no race between a request and the server's idle close, so its request is not retried.
    pub(super) fn may_retry(self) -> bool {
        match self.progress {
            Progress::Unsent => (self.reused || self.shared) && self.tries < TRIES,
            Progress::Refused => self.tries < TRIES,
            Progress::Sent => self.reused && self.idempotent && self.tries < TRIES,
            Progress::Answered => false,
        }
    }
}

/// The pause before the next attempt: a server that keeps refusing is not asked in a storm.
pub(super) fn pause(progress: Progress, tries: u32) -> Option<Duration> {
    // The first `AT_ONCE` retries have no pause; 2^16 × 10 ms bounds the shift.
    let pauses = tries.checked_sub(AT_ONCE + 1).filter(|_| progress == Progress::Refused)?;
    Some(PAUSE * 2u32.saturating_pow(pauses.min(16)))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::options::Repeatable;

    #[test]
    fn only_what_does_no_harm_is_sent_again() {
        use Progress::{Answered, Refused, Sent, Unsent};
        // progress, reused, shared, idempotent, tries → again
        let table = [
            (Unsent, true, false, false, 1, true),
            (Unsent, false, true, false, 1, true),
            (Unsent, true, true, true, TRIES, false),
            (Unsent, false, false, true, 1, false),
            (Refused, false, true, false, 1, true),
            (Refused, true, true, false, TRIES, false),
            (Sent, true, false, true, 1, true),
            (Sent, true, false, true, TRIES, false),
            (Sent, true, false, false, 1, false),
            (Sent, false, false, true, 1, false),
            (Sent, false, true, true, 1, false),
            (Answered, true, true, true, 1, false),
        ];
        for (progress, reused, shared, idempotent, tries, again) in table {
            let failure = FailedAttempt { progress, reused, shared, idempotent, tries };
            assert_eq!(failure.may_retry(), again, "{failure:?}");
        }
    }

    #[test]
    fn who_refuses_again_and_again_is_asked_less_and_less_often() {
        let pauses = (1..=6).map(|tries| pause(Progress::Refused, tries));
        let milliseconds: Vec<_> = pauses.map(|pause| pause.map(|p| p.as_millis())).collect();
        assert_eq!(milliseconds, [None, None, Some(10), Some(20), Some(40), Some(80)]);
        assert_eq!(pause(Progress::Sent, 4), None);
    }

    #[test]
    fn a_key_or_the_caller_makes_a_post_idempotent() {
        let request = || Request::post("http://a/");
        assert!(!is_idempotent(&request().body(()).unwrap()));
        assert!(is_idempotent(&request().header("idempotency-key", "1").body(()).unwrap()));
        assert!(is_idempotent(&request().extension(Repeatable).body(()).unwrap()));
    }
}
