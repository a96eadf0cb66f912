//! A client in a build without cookies.

/// The service of the layer that keeps cookies: none in this build.
pub type CookiesOver<S> = S;

/// Nothing to choose.
#[derive(Debug, Default)]
pub(in crate::client) struct CookieChoice {}

impl CookieChoice {
    pub(in crate::client) fn layer<S>(&self, inner: S) -> CookiesOver<S> {
        inner
    }
}
