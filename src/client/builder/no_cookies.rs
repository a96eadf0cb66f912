//! A client in a build without cookies.

use crate::rt::Runtime;

/// The service of the layer that keeps cookies: none in this build.
pub type CookiesOver<S> = S;

/// Nothing to choose.
#[derive(Debug)]
pub(in crate::client) struct CookieChoice {}

impl CookieChoice {
    pub(in crate::client) fn by_default(_: &Runtime) -> Self {
        Self {}
    }

    pub(in crate::client) fn layer<S>(&self, inner: S) -> CookiesOver<S> {
        inner
    }
}
