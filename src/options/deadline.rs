//! The instant at which a request fails.

use std::time::{Duration, Instant};

/// The instant at which a request fails, over all redirects and attempts, to the end of the body of the response: an extension.
/// A pool applies it like a [total](super::Timeouts::total), which begins anew with each attempt; the earlier one counts.
///
/// A [`DeadlineLayer`](crate::client::DeadlineLayer) sets it.
///
/// ```
/// use std::time::{Duration, Instant};
/// use tower_transport::options::Deadline;
///
/// let end_at = Instant::now() + Duration::from_secs(5);
/// let request = http::Request::get("http://example.com/").extension(Deadline::at(end_at)).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    end_at: Instant,
    /// From its beginning, as an error says it. Only that of a layer has one.
    limit: Option<Duration>,
    /// The caller's, of which a layer's is shorter.
    asked: Option<Instant>,
}

impl Deadline {
    /// This instant, by the clock of the [`Runtime`](crate::rt::Runtime).
    pub fn at(end_at: Instant) -> Self {
        Self { end_at, limit: None, asked: None }
    }

    /// So long after this moment; `None` is later than the clock goes.
    #[cfg(feature = "deadline")]
    pub(crate) fn after(limit: Duration, now: Instant) -> Option<Self> {
        Some(Self { end_at: now.checked_add(limit)?, limit: Some(limit), asked: None })
    }

    /// The one that ends first. It remembers what the caller has asked for.
    #[cfg(feature = "deadline")]
    pub(crate) fn within(self, outer: Option<Self>) -> Self {
        match outer {
            Some(outer) if outer.end_at < self.end_at => outer,
            outer => Self { asked: outer.and_then(Self::asked).map(|asked| asked.end_at), ..self },
        }
    }

    /// What the caller has asked for, without what a layer has set.
    #[cfg(any(feature = "deadline", feature = "redirect"))]
    pub(crate) fn asked(self) -> Option<Self> {
        match self.limit {
            None => Some(self),
            Some(_) => self.asked.map(Self::at),
        }
    }

    /// The instant.
    pub fn end_at(&self) -> Instant {
        self.end_at
    }

    /// How much time is left.
    pub(crate) fn left(&self, now: Instant) -> Duration {
        self.end_at.saturating_duration_since(now)
    }

    /// How much time there was in all, as far as it is known.
    pub(crate) fn limit(&self, now: Instant) -> Duration {
        self.limit.unwrap_or_else(|| self.left(now))
    }
}
