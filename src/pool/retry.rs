//! Whether a request may be sent again, pure.

use http::{Method, Request};

use crate::connection::Progress;

/// How often one request is sent at the most, so that a server that refuses for ever is not asked for ever.
pub(super) const TRIES: u32 = 5;

/// What is known about a request that has no answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) progress: Progress,
    /// The connection had served a request before, or serves others too.
    pub(super) reused: bool,
    pub(super) idempotent: bool,
    /// How often it was sent, with this time.
    pub(super) tries: u32,
}

impl Failure {
    /// A request whose bytes may have been acted on is not sent twice unless that does no harm. A fresh connection
    /// that fails is not the race between a request and an idle server's goodbye, and is not retried.
    pub(super) fn may_retry(self) -> bool {
        match self.progress {
            Progress::Unsent => self.reused && self.tries < TRIES,
            Progress::Refused => self.tries < TRIES,
            Progress::Sent => self.reused && self.idempotent && self.tries < TRIES,
            Progress::Answered => false,
        }
    }
}

/// Idempotent by its method (RFC 9110 §9.2.2), or because the caller says so.
pub(super) fn is_idempotent<B>(request: &Request<B>) -> bool {
    let by_method = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    by_method || request.headers().contains_key("idempotency-key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_no_harm_is_sent_again() {
        use Progress::{Answered, Refused, Sent, Unsent};
        // progress, reused, idempotent, tries → again
        let table = [
            (Unsent, true, false, 1, true),
            (Unsent, true, true, TRIES, false),
            (Unsent, false, true, 1, false),
            (Refused, false, false, 1, true),
            (Refused, true, false, TRIES, false),
            (Sent, true, true, 1, true),
            (Sent, true, true, TRIES, false),
            (Sent, true, false, 1, false),
            (Sent, false, true, 1, false),
            (Answered, true, true, 1, false),
        ];
        for (progress, reused, idempotent, tries, again) in table {
            let failure = Failure { progress, reused, idempotent, tries };
            assert_eq!(failure.may_retry(), again, "{failure:?}");
        }
    }

    #[test]
    fn a_key_makes_a_post_idempotent() {
        let mut request = Request::post("http://a/").body(()).unwrap();
        assert!(!is_idempotent(&request));
        request.headers_mut().insert("idempotency-key", "1".parse().unwrap());
        assert!(is_idempotent(&request));
    }
}
