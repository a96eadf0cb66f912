//! How many redirects are followed.

/// How many redirects are followed, and what becomes of the next one: for a
/// [`RedirectLayer`](crate::client::RedirectLayer), or as an extension for one request.
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
    /// 20, as browsers and curl's users have it: longer chains are loops.
    fn default() -> Self {
        Self::limited(20)
    }
}

impl Redirects {
    /// So many. One more is an error for which [`is_redirect`](crate::Error::is_redirect) holds. Zero is [`none`](Self::none).
    pub fn limited(limit: usize) -> Self {
        Self { limit, is_lenient: false }
    }

    /// None: the response that redirects is the result, and has a [`NextRequest`](crate::client::NextRequest) as an extension.
    pub fn none() -> Self {
        Self::limited(0)
    }

    /// Returns a response that redirects and cannot be followed, instead of an error: of one redirect too many, of one with
    /// a body that cannot be had again or a bad `Location`, and of one that a filter refuses.
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
