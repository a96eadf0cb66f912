//! How many times a request is sent.

use std::{fmt, time::Duration};

use http::StatusCode;

/// How many times a request is sent at most, the first time included, after which responses, and after which pauses: for a
/// [`RetryLayer`](crate::client::RetryLayer), or as an extension for one request.
///
/// ```
/// use std::time::Duration;
/// use tower_transport::options::Retries;
///
/// let retries = Retries::new(5).backoff(Duration::from_millis(50), Duration::from_secs(5));
/// let request = http::Request::get("http://example.com/").extension(retries).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    pub(crate) tries: u32,
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
    pub(crate) retry_after: Duration,
    pub(crate) statuses: Statuses,
}

/// A set of status codes, which are all below 1024.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Statuses {
    bits: [u64; 16],
}

impl Default for Retries {
    /// None: only the caller knows whether a request may be sent again.
    fn default() -> Self {
        Self::none()
    }
}

impl Retries {
    /// At most this many attempts, the first one included: 3 are usual. One or zero is [`none`](Self::none).
    pub fn new(tries: u32) -> Self {
        Self {
            tries,
            shortest: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            retry_after: Duration::from_secs(60),
            statuses: Statuses::PASSING,
        }
    }

    /// A request is sent once.
    pub fn none() -> Self {
        Self::new(1)
    }

    /// Sets the pauses. The pause before the second attempt is at most `shortest`; the maximum doubles before each further attempt, up
    /// to `longest`. Within that each pause is random (full jitter), so that clients that failed together do not come back
    /// together. 100 ms and 10 s by default.
    pub fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        (self.shortest, self.longest) = (shortest, longest);
        self
    }

    /// Sets the longest `Retry-After` (RFC 9110 §10.2.3) that is waited for, 60 s by default. If a server asks for more, its response is
    /// the result.
    pub fn max_retry_after(mut self, longest: Duration) -> Self {
        self.retry_after = longest;
        self
    }

    /// Sets the statuses of responses after which an idempotent request is sent again. By default they are 408, 429, 502, 503 and 504:
    /// those of a state that passes.
    ///
    /// ```
    /// use http::StatusCode;
    /// use tower_transport::options::Retries;
    ///
    /// let also_500 = [429, 500, 502, 503, 504].map(|code| StatusCode::from_u16(code).unwrap());
    /// let retries = Retries::new(3).statuses(also_500);
    /// let only_if_unsent_or_broken = Retries::new(3).statuses([]);
    /// ```
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let codes = statuses.into_iter().map(|status| status.as_u16());
        self.statuses = codes.fold(Statuses::NONE, Statuses::with);
        self
    }
}

impl Statuses {
    const NONE: Self = Self { bits: [0; 16] };

    /// Those that tell of a state that passes.
    const PASSING: Self = Self::NONE.with(408).with(429).with(502).with(503).with(504);

    const fn with(mut self, code: u16) -> Self {
        self.bits[code as usize / 64 % 16] |= 1 << (code % 64);
        self
    }

    pub(crate) fn contains(&self, status: StatusCode) -> bool {
        let code = status.as_u16();
        self.bits[usize::from(code) / 64 % 16] & (1 << (code % 64)) != 0
    }
}

impl fmt::Debug for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = (100..1000).filter_map(|code| StatusCode::from_u16(code).ok());
        f.debug_set()
            .entries(all.filter(|status| self.contains(*status)).map(|it| it.as_u16()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_is_in_the_set_it_was_put_into_and_in_no_other() {
        for code in 100..1000 {
            let status = StatusCode::from_u16(code).unwrap();
            let Retries { statuses, .. } = Retries::new(3).statuses([status]);
            assert!(statuses.contains(status));
            assert_eq!(format!("{statuses:?}"), format!("{{{code}}}"));
        }
        assert_eq!(format!("{:?}", Retries::new(3).statuses), "{408, 429, 502, 503, 504}");
    }
}
