//! What URLs are asked for beyond [`http::Uri`]: references, queries, origins.

use http::Uri;

use crate::{error::Error, request::query_string, target::Origin};

mod reference;

/// Gives to [`Uri`] what clients ask of URLs.
///
/// ```
/// use http::Uri;
/// use tower_transport::client::UriExt;
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let page = Uri::from_static("https://example.com/docs/index.html");
/// assert_eq!(page.resolve("../search")?, "https://example.com/search");
/// assert_eq!(page.with_query([("q", "a b&c")])?, "https://example.com/docs/index.html?q=a+b%26c");
/// assert_eq!(page.origin()?.to_string(), "https://example.com");
/// assert!(page.is_tls());
/// # Ok(())
/// # }
/// ```
pub trait UriExt: sealed::Sealed {
    /// What a reference, like the `href` of a link, means on the page of this URL (RFC 3986 §5.2).
    ///
    /// What browsers percent-encode is encoded, a host that is not ASCII is converted by IDNA with the feature `idna`, and a
    /// fragment is left out, as an [`Uri`] has none.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) if this URL has no host, for a reference with control characters or a user, and for
    /// one of another scheme than `http`, `https`, `ws` and `wss`, like `mailto:`.
    fn resolve(&self, reference: &str) -> Result<Uri, Error>;

    /// The same URL with these names and values behind those of its query. They are encoded as those of
    /// [`query`](crate::request::RequestBuilder::query) and of forms are (`application/x-www-form-urlencoded`): a space as `+`.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a URL that gets too long: the crate `http` takes up to 65,534 bytes.
    fn with_query<N, V>(&self, pairs: impl IntoIterator<Item = (N, V)>) -> Result<Uri, Error>
    where
        N: AsRef<str>,
        V: AsRef<str>;

    /// Whether TLS is spoken to it: its scheme is `https` or `wss`.
    fn is_tls(&self) -> bool;

    /// Scheme, host and port.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a URL without them, and for one with a user.
    fn origin(&self) -> Result<Origin, Error>;
}

impl UriExt for Uri {
    fn resolve(&self, reference: &str) -> Result<Uri, Error> {
        reference::resolve(self, reference)
    }

    fn with_query<N, V>(&self, pairs: impl IntoIterator<Item = (N, V)>) -> Result<Uri, Error>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut uri = self.clone();
        query_string::append(&mut uri, &query_string::encode(pairs))?;
        Ok(uri)
    }

    fn is_tls(&self) -> bool {
        // A scheme is written in any case (RFC 3986 §3.1); the crate `http` keeps that of others than `http` and `https`.
        let scheme = self.scheme_str().unwrap_or_default();
        ["https", "wss"].iter().any(|tls| scheme.eq_ignore_ascii_case(tls))
    }

    fn origin(&self) -> Result<Origin, Error> {
        Origin::try_from(self)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for http::Uri {}
}

#[cfg(test)]
mod tests;
