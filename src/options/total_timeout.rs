//! A limit on the whole time of one request, in addition to its other timeouts.

use std::time::Duration;

/// Limits the time of a request over all its redirects, attempts and pauses, to the end of the last body: an extension for a
/// [`DeadlineLayer`](crate::client::DeadlineLayer), which leaves all other [`Timeouts`](super::Timeouts) as they are. A service
/// that is not of this crate knows of no [`Deadline`](super::Deadline): over it the limit ends with the head of the response.
///
/// ```
/// use std::time::Duration;
/// use tower_transport::options::TotalTimeout;
///
/// let limit = TotalTimeout::new(Duration::from_secs(5));
/// let request = http::Request::get("http://example.com/").extension(limit).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalTimeout {
    limit: Option<Duration>,
}

impl TotalTimeout {
    /// Limits the request to this time; `None` is no limit. With zero nothing is sent.
    pub fn new(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into() }
    }

    pub(crate) fn limit(self) -> Option<Duration> {
        self.limit
    }
}
