//! One limit of time for one request, beside its other timeouts.

use std::time::Duration;

/// How long a request may take over all its redirects, tries and pauses, to the end of the last body: an extension for a
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
    /// This long; `None` for any time. Zero is a time that is over: nothing is sent.
    pub fn new(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into() }
    }

    pub(crate) fn limit(self) -> Option<Duration> {
        self.limit
    }
}
