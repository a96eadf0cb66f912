//! What can be set about a client.

use std::{any::Any, fmt, marker::PhantomData, time::Duration};

use http::{HeaderMap, HeaderValue, Request};

use super::{Auth, DefaultsLayer, Netrc, NextRequest, RedirectLayer, whole::Client};
use crate::{
    body::Body,
    error::Error,
    events::Listener,
    options::{MaxBody, Redirects, Retries, Timeouts, TotalTimeout},
    proxy::ProxyRules,
    request::{IntoHeaderName, IntoUrl},
    rt::Runtime,
    target::Origin,
    tls::TlsConfig,
    transport::{Transport, TransportBuilder},
};

mod choices;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(not(feature = "cookies"))]
#[path = "builder/no_cookies.rs"]
mod cookies;
#[cfg(feature = "_decode")]
mod decoding;
#[cfg(not(feature = "_decode"))]
#[path = "builder/no_decoding.rs"]
mod decoding;

pub use cookies::CookiesOver;
pub use decoding::DecodeOver;

use choices::Choices;
pub(super) use cookies::CookieChoice;
pub(super) use decoding::DecodeChoice;

/// Builds a [`Client`]. A request's own settings take precedence.
///
/// `C` is the type that it builds: a [`Client`], or with the feature `blocking` its twin, which has the same settings.
#[must_use = "a client is made by `build` or `build_over`"]
pub struct ClientBuilder<C = Client> {
    choices: Choices,
    bottom: Bottom,
    pub(crate) kept: KeptUntilBuilt,
    builds: PhantomData<fn() -> C>,
}

/// A blocking transport given to the builder: the runtime ends with its last handle, so it lives until the client has one of
/// its own.
type KeptUntilBuilt = Option<Box<dyn Any + Send + Sync>>;

/// The service below the layers. `is_set`: whether a setting of the transport to be built was called.
enum Bottom {
    Built { builder: Box<TransportBuilder>, is_set: bool },
    Given { transport: Transport, is_set: bool },
}

impl<C> ClientBuilder<C> {
    pub(crate) fn new() -> Self {
        let builder = Box::new(Transport::builder().env_by_default());
        let bottom = Bottom::Built { builder, is_set: false };
        Self { choices: Choices::default(), bottom, kept: None, builds: PhantomData }
    }

    /// The URL that paths are appended to: see [`DefaultsLayer::base_url`]. By default each request has a whole URL.
    pub fn base_url(self, url: impl IntoUrl) -> Self {
        self.defaults(|layer| layer.base_url(url))
    }

    /// A header field for requests that have none of its name: see [`DefaultsLayer::header`]. One request goes without it by
    /// [`no_header`](crate::request::RequestBuilder::no_header).
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: IntoHeaderName,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.defaults(|layer| layer.header(name, value))
    }

    /// Header fields for requests that have none of their names: see [`DefaultsLayer::headers`].
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.defaults(|layer| layer.headers(headers))
    }

    /// The `User-Agent` of requests that have none. By default none is sent.
    pub fn user_agent<V>(self, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.defaults(|layer| layer.user_agent(value))
    }

    /// Refuses URLs without TLS, also those that redirects lead to. By default they are allowed.
    pub fn https_only(self) -> Self {
        self.defaults(DefaultsLayer::https_only)
    }

    /// Credentials for the origin of the base URL, or without one for that of each request; never for one that a redirect
    /// leads to. See [`DefaultsLayer::auth`].
    pub fn auth(self, auth: Auth) -> Self {
        self.defaults(|layer| layer.auth(auth))
    }

    /// Credentials for one origin, whichever request or redirect leads there: see
    /// [`AuthLayer::for_origin`](super::AuthLayer::for_origin).
    pub fn auth_for(mut self, origin: Origin, auth: Auth) -> Self {
        self.choices.auth = self.choices.auth.for_origin(origin, auth);
        self
    }

    /// Credentials of a `.netrc`, for origins without others. By default none is read.
    pub fn netrc(mut self, netrc: Netrc) -> Self {
        self.choices.auth = self.choices.auth.netrc(netrc);
        self
    }

    /// How many redirects are followed, 20 by default.
    pub fn redirects(self, redirects: Redirects) -> Self {
        self.redirect(|layer| layer.redirects(redirects))
    }

    /// Header fields that redirects take to other origins, too: see [`RedirectLayer::also`].
    pub fn redirect_headers(self, names: impl IntoIterator<Item = impl IntoHeaderName>) -> Self {
        self.redirect(|layer| layer.also(names))
    }

    /// An origin that redirects may take secrets to, in header fields: see [`RedirectLayer::trust`]. Not an [`Auth`], which is
    /// bound to its origin: use [`auth_for`](Self::auth_for).
    pub fn trust(self, origin: Origin) -> Self {
        self.redirect(|layer| layer.trust(origin))
    }

    /// Sees each next request of a redirect, and refuses it by `false`: see [`RedirectLayer::filter`].
    pub fn redirect_filter(
        self,
        filter: impl Fn(&NextRequest) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.redirect(|layer| layer.filter(filter))
    }

    /// Changes each next request of a redirect: see [`RedirectLayer::on_redirect`].
    pub fn on_redirect(self, change: impl Fn(&mut Request<Body>) + Send + Sync + 'static) -> Self {
        self.redirect(|layer| layer.on_redirect(change))
    }

    /// How many times a request is sent at most, the first time included. Default: once, which is no retry.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.choices.retries = retries;
        self
    }

    /// Sets the timeouts. [`Timeouts::total`] covers all redirects and attempts of a request, as [`timeout`](Self::timeout) does. A
    /// request with [`Timeouts`] of its own ignores all of these, the total included.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.choices.timeouts = Some(timeouts);
        self
    }

    /// How long a request may take over all its redirects, tries and pauses, to the end of the last body: any time by default.
    /// Over a service that is not of this crate, which does not know of a [`Deadline`](crate::options::Deadline), it ends with
    /// the head of the last response.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.choices.total = Some(TotalTimeout::new(limit));
        self
    }

    /// Limits the size of a body that is read whole, decoded, in bytes; `None` is no limit. Default: 64 MiB. A body that is
    /// [streamed](crate::transport::RequestBuilder::streamed) has no limit, but for what comes of it before the end of a
    /// blocking upload.
    pub fn max_body(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.choices.max_body = MaxBody::new(bytes);
        self
    }

    /// Where tasks and timers run, and the clock of timeouts, retries and cookies. By default that of the
    /// [transport](Self::transport), or [`Runtime::default`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.choices.runtime = Some(runtime);
        self
    }

    pub(crate) fn over_transport(mut self, transport: Transport, kept: KeptUntilBuilt) -> Self {
        let (Bottom::Built { is_set, .. } | Bottom::Given { is_set, .. }) = self.bottom;
        self.bottom = Bottom::Given { transport, is_set };
        self.kept = kept;
        self
    }

    /// Sends requests through a proxy or by rules: see [`TransportBuilder::proxy`]. By default the environment names the
    /// proxies, which is read once.
    pub fn proxy(self, proxy: impl Into<ProxyRules>) -> Self {
        self.configure_transport(|builder| builder.proxy(proxy))
    }

    /// Reads no proxies from the environment.
    pub fn no_env(self) -> Self {
        self.configure_transport(TransportBuilder::no_env)
    }

    /// Sets the trusted roots and the client certificate: see [`TransportBuilder::tls`].
    pub fn tls(self, tls: TlsConfig) -> Self {
        self.configure_transport(|builder| builder.tls(tls))
    }

    /// How many connections may be open at once: see [`TransportBuilder::max_connections`].
    pub fn max_connections(self, connections: usize) -> Self {
        self.configure_transport(|builder| builder.max_connections(connections))
    }

    /// Tells this listener of every request and every connection: see [`TransportBuilder::listener`].
    pub fn listener(self, listener: impl Into<Listener>) -> Self {
        self.configure_transport(|builder| builder.listener(listener))
    }

    /// Sets whatever else can be set about the transport that is built with the client.
    ///
    /// A runtime that is set here is the transport's alone: set [`runtime`](Self::runtime) for both it and the layers.
    ///
    /// ```
    /// # fn example() -> Result<(), tower_transport::Error> {
    /// use tower_transport::client::Client;
    /// let client = Client::builder().configure_transport(|transport| transport.http2_only()).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure_transport(
        mut self,
        configure: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        self.bottom = match self.bottom {
            Bottom::Built { builder, .. } => {
                Bottom::Built { builder: Box::new(configure(*builder)), is_set: true }
            }
            Bottom::Given { transport, .. } => Bottom::Given { transport, is_set: true },
        };
        self
    }

    /// Builds the async client, which the blocking one wraps.
    pub(crate) fn build_client(self) -> Result<Client, Error> {
        let Self { mut choices, bottom, .. } = self;
        choices.check()?;
        let mut requests = choices.requests();
        let transport = match bottom {
            Bottom::Built { builder, .. } => {
                requests.timeouts = None;
                choices.set_about(*builder).build()?
            }
            Bottom::Given { is_set: true, .. } => return Err(both_set("transport")),
            Bottom::Given { transport, .. } => transport,
        };
        choices.runtime.get_or_insert_with(|| transport.runtime().clone());
        Ok(choices.over(requests, transport))
    }

    /// Builds the async client over any service.
    pub(crate) fn build_client_over<S: Clone>(self, service: S) -> Result<Client<S>, Error> {
        self.choices.check()?;
        match self.bottom {
            Bottom::Built { is_set: false, .. } => Ok(self.choices.over_service(service)),
            Bottom::Built { .. } | Bottom::Given { .. } => Err(both_set("build_over")),
        }
    }

    fn defaults(mut self, change: impl FnOnce(DefaultsLayer) -> DefaultsLayer) -> Self {
        self.choices.defaults = change(self.choices.defaults);
        self
    }

    fn redirect(mut self, change: impl FnOnce(RedirectLayer) -> RedirectLayer) -> Self {
        self.choices.redirect = change(self.choices.redirect);
        self
    }
}

impl ClientBuilder {
    /// Sends requests over this transport, which others may use as well.
    ///
    /// Settings of a transport, such as [`proxy`](Self::proxy), are for one that is built with the client: together with this
    /// they are an error of [`build`](Self::build).
    pub fn transport(self, transport: Transport) -> Self {
        self.over_transport(transport, None)
    }

    /// The client.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for an invalid setting, and for settings of a transport together with
    /// [`transport`](Self::transport).
    pub fn build(self) -> Result<Client, Error> {
        self.build_client()
    }

    /// The client over any service of requests: see [`Client::over`].
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for an invalid setting, and for settings of a transport, which the service replaces.
    pub fn build_over<S: Clone>(self, service: S) -> Result<Client<S>, Error> {
        self.build_client_over(service)
    }

    /// With the defaults alone, which cannot fail.
    pub(super) fn build_default() -> Client {
        let transport = Transport::builder().env_by_default().assemble();
        Self::new().choices.over_service(transport)
    }

    /// The same over a service.
    pub(super) fn default_over<S: Clone>(service: S) -> Client<S> {
        Self::new().choices.over_service(service)
    }
}

fn both_set(given: &str) -> Error {
    Error::builder(format!(
        "building the client: `{given}` and settings of a transport exclude each other"
    ))
}

impl<C> fmt::Debug for ClientBuilder<C> {
    /// What the layers show of themselves: no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choices { defaults, redirect, retries, timeouts, total, max_body, .. } = &self.choices;
        let mut out = f.debug_struct("ClientBuilder");
        out.field("defaults", defaults).field("redirect", redirect).field("retries", retries);
        out.field("timeouts", timeouts).field("total", total).field("max_body", max_body);
        out.finish_non_exhaustive()
    }
}
