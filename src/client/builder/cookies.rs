//! The cookies of a client.

use tower_layer::Layer;

use super::ClientBuilder;
use crate::{
    client::cookies::{CookieStore, Cookies, CookiesLayer, Jar},
    rt::Runtime,
};

/// The service of the layer that keeps cookies.
pub type CookiesOver<S> = Cookies<S>;

#[derive(Debug)]
pub(in crate::client) struct CookieChoice {
    layer: CookiesLayer,
    /// If it is one of this crate.
    jar: Option<Jar>,
}

impl CookieChoice {
    /// A new jar, by the clock of the client.
    pub(in crate::client) fn by_default(runtime: &Runtime) -> Self {
        Self::jar(Jar::new().runtime(runtime.clone()))
    }

    fn jar(jar: Jar) -> Self {
        let layer = CookiesLayer::new(jar.clone());
        Self { layer, jar: Some(jar) }
    }

    pub(in crate::client) fn layer<S>(&self, inner: S) -> CookiesOver<S> {
        self.layer.layer(inner)
    }
}

impl<C> ClientBuilder<C> {
    /// Keeps cookies in this jar, in place of a new one: that of another client, or one that was loaded from a file. They end by
    /// its own [clock](Jar::runtime).
    pub fn cookie_jar(mut self, jar: Jar) -> Self {
        self.choices.cookies = Some(CookieChoice::jar(jar));
        self
    }

    /// Keeps cookies in a store of yours.
    pub fn cookie_store(mut self, store: impl CookieStore + 'static) -> Self {
        let layer = CookiesLayer::new(store);
        self.choices.cookies = Some(CookieChoice { layer, jar: None });
        self
    }

    /// Keeps no cookies, and sends those alone that a request has itself.
    pub fn no_cookies(self) -> Self {
        self.cookie_store(NoCookies)
    }
}

/// A store that is always empty.
#[derive(Debug)]
struct NoCookies;

impl CookieStore for NoCookies {
    fn store(&self, _: &http::Uri, _: &mut dyn Iterator<Item = &http::HeaderValue>) {}

    fn header_for(&self, _: &http::Uri) -> Option<http::HeaderValue> {
        None
    }
}

impl<S> crate::client::Client<S> {
    /// The jar that cookies are kept in: to look at them, and to set some. `None` with a store of your own, or with none.
    pub fn cookies(&self) -> Option<&Jar> {
        self.settings.layers.cookies.jar.as_ref()
    }
}
