//! Whether a request may be sent again, pure.

use std::time::Duration;

use crate::connection::Progress;
pub(super) use crate::options::is_idempotent;

/// How often one request is sent at the most, so that a server that fails for ever is not asked for ever. It is more than
/// two, because on a busy pool the next connection, too, may be one that its server is just about to end.
pub(super) const TRIES: u32 = 10;

/// So often it is asked again at once, and then after a pause.
const AT_ONCE: u32 = 2;

/// The first pause; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(10);

/// What is known about a request that has no answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) progress: Progress,
    /// The connection had been given a request before.
    pub(super) reused: bool,
    /// The connection is one for many requests, which others may have ended.
    pub(super) shared: bool,
    pub(super) idempotent: bool,
    /// How often it was sent, with this time.
    pub(super) tries: u32,
}

impl Failure {
    /// A request whose bytes may have been acted on is not sent twice unless that does no harm. A fresh connection
    /// that fails is not the race between a request and an idle server's goodbye, and is not retried.
    pub(super) fn may_retry(self) -> bool {
        match self.progress {
            Progress::Unsent => (self.reused || self.shared) && self.tries < TRIES,
            Progress::Refused => self.tries < TRIES,
            Progress::Sent => self.reused && self.idempotent && self.tries < TRIES,
            Progress::Answered => false,
        }
    }
}

/// How long to wait before it is sent again: who refuses again and again is not asked in a storm.
pub(super) fn pause(progress: Progress, tries: u32) -> Option<Duration> {
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
            let failure = Failure { progress, reused, shared, idempotent, tries };
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
