//! How many times a request is sent.

use std::time::Duration;

/// How many times a request is sent at most, the first time included, and after which pauses: for a
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
}
