//! The number of redirects followed.

/// The number of redirects followed, and the result of the next one: for a
/// [`RedirectLayer`](crate::client::RedirectLayer), or for one request as an extension.
///
/// ```
/// use tower_transport::options::Redirects;
/// let request = http::Request::get("http://example.com/").extension(Redirects::none()).body(());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirects {
    limit: usize,
    is_lenient: bool,
}

impl Default for Redirects {
    /// 20, as in browsers: longer chains are loops.
    fn default() -> Self {
        Self::limited(20)
    }
}

impl Redirects {
    /// Follows up to `limit`. One more is an error for which [`is_redirect`](crate::Error::is_redirect) holds. Zero
    /// is [`none`](Self::none).
    pub fn limited(limit: usize) -> Self {
        Self { limit, is_lenient: false }
    }

    /// Follows none: the redirect is the response, with a [`NextRequest`](crate::client::NextRequest) as an
    /// extension.
    pub fn none() -> Self {
        Self::limited(0)
    }

    /// Returns a redirect that cannot be followed as the response, instead of an error: beyond the limit, with a body
    /// that cannot be sent again, with an invalid `Location`, or refused by a filter.
    pub fn lenient(mut self) -> Self {
        self.is_lenient = true;
        self
    }

    pub(crate) fn limit(self) -> usize {
        self.limit
    }

    pub(crate) fn is_lenient(self) -> bool {
        self.is_lenient || self.limit == 0
    }
}
