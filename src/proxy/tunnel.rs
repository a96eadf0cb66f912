//! Opens tunnels through an HTTP proxy: `CONNECT` (RFC 9110 §9.3.6), over HTTP/1.1 or HTTP/2.
//!
//! The connector below connects to the proxy. A tunnel is a `CONNECT` request over it, sent by the same pool and the
//! same HTTP as all requests. With HTTP/1.1 the tunnel takes over the connection. With HTTP/2 it is a stream, and one
//! connection to the proxy carries many tunnels.

use std::{
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::hop::{Hop, TLS_BELOW, ToProxy};
use crate::{
    body::Body,
    connect::{Connect, Connecting},
    error::{Error, Kind},
    http::http1::Http1Config,
    http::http2::Http2Config,
    http::{HttpConnection, NegotiateLayer},
    options::Timeouts,
    pool::{Pool, PoolLayer},
    rt::Runtime,
    target::{Proxy, Target},
    upgrade::Upgraded,
};

mod handshake;

/// The most connections without a tunnel kept where no pool counts them: a pool's default.
const MAX_IDLE: usize = 100;

/// Opens tunnels through one HTTP proxy, for targets of any scheme.
///
/// Put TLS for the origin above it, and below it TLS for an `https` proxy: the same layer. To forward `http`
/// requests, or for several proxies, use a [`ProxyLayer`](super::ProxyLayer).
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # fn example() -> Result<(), tower_transport::Error> {
/// use tower::{Layer, ServiceBuilder};
/// use tower_transport::{
///     connect::TcpConnector,
///     proxy::{Proxy, TunnelLayer},
///     tls::{TlsConfig, TlsLayer},
/// };
///
/// let proxy: Proxy = "https://user:password@proxy.example".parse()?;
/// let connector = ServiceBuilder::new()
///     .layer(TlsLayer::new(TlsConfig::platform()))   // to the origin, inside the tunnel
///     .layer(TunnelLayer::new(proxy))
///     .layer(TlsLayer::new(TlsConfig::platform()))   // to the proxy
///     .service(TcpConnector::new());
/// # fn connects<C: tower_transport::connect::Connect<tower_transport::target::Target>>(_: C) {}
/// # connects(connector);
/// # Ok(())
/// # }
/// ```
///
/// | the proxy answers | result |
/// |---|---|
/// | 2xx | the tunnel; bytes after the head are its first, `Content-Length` and `Transfer-Encoding` are ignored |
/// | 1xx | ignored, as on any connection |
/// | 407 that can be answered | `CONNECT` again, over the same connection if it stays open and no other tunnel waits for one; at most four times |
/// | anything else | an error with status, header and up to 64 KiB of the body |
///
/// With HTTP/2 the connection window is 1 GiB, unless [`http2`](Self::http2) sets it, so that a tunnel that is not
/// read does not stall the others; the window of each stream is as with any stream.
///
/// Up to 100 connections without a tunnel are kept, until they reach the [idle timeout](Self::idle_timeout). A pool
/// above counts tunnels, but does not see these; that of a [`Transport`](crate::Transport) does.
///
/// # Errors
///
/// [`is_proxy`](Error::is_proxy) for any failure of the proxy, with [`proxy_status`](Error::proxy_status) if it
/// answered. [`is_builder`](Error::is_builder) for a SOCKS proxy, and for errors of
/// [`connect_headers`](Proxy::connect_headers). [`was_sent`](Error::was_sent) is always false: nothing reached the
/// origin.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy. A connection that carries other tunnels stays, and so does
/// an open HTTP/2 connection: only the stream is reset.
#[derive(Clone, Debug)]
pub struct TunnelLayer {
    proxy: Proxy,
    settings: TunnelSettings,
}

/// Settings of the pool of connections to proxies, and of their HTTP.
#[derive(Clone)]
pub(super) struct TunnelSettings {
    pub(super) pool: PoolLayer<Body, Hop>,
    pub(super) negotiate: NegotiateLayer<Body>,
    pub(super) runtime: Runtime,
}

/// A connector through tunnels. Clones share the connections to the proxy.
#[derive(Clone)]
pub struct Tunnel {
    proxy: Proxy,
    tunnels: Tunnels,
}

/// A pool of connections to proxies, and tunnels through them.
#[derive(Clone)]
pub(super) struct Tunnels {
    pool: Pool<HttpConnection<Body>, Body, Hop>,
    runtime: Runtime,
}

impl TunnelLayer {
    /// Connects through this proxy, which is `http` or `https`.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, settings: TunnelSettings::default() }
    }

    /// Closes a connection to the proxy that carries no tunnel after this time. Default: 90 s, as in a pool. Zero
    /// keeps none.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.pool = self.settings.pool.idle_timeout(timeout);
        self
    }

    /// Sets the limits of HTTP/1.1 with the proxy.
    pub fn http1(mut self, config: Http1Config) -> Self {
        self.settings.negotiate = self.settings.negotiate.http1(config);
        self
    }

    /// Sets the limits of HTTP/2 with the proxy.
    pub fn http2(mut self, config: Http2Config) -> Self {
        self.settings.negotiate = self.settings.negotiate.http2(config);
        self
    }

    /// Sets where the tasks of connections run. Default: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings = self.settings.with_runtime(runtime);
        self
    }
}

impl TunnelSettings {
    /// The settings of this pool without its limits: tunnels, and connections without one, count in that pool.
    pub(super) fn for_pool(pool: &PoolLayer<Body>) -> Self {
        let pool = pool.beneath(hop_of).timeouts(Timeouts::none()).abandon_dials(true);
        let pool = pool.timings(false).exclusive(|hop| hop.target.is_exclusive());
        Self { pool, negotiate: NegotiateLayer::new(), runtime: Runtime::default() }
    }

    pub(super) fn with_runtime(mut self, runtime: Runtime) -> Self {
        self.pool = self.pool.runtime(runtime.clone());
        self.negotiate = self.negotiate.runtime(runtime.clone());
        self.runtime = runtime;
        self
    }
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self::for_pool(&PoolLayer::new().max_idle(MAX_IDLE))
    }
}

/// The hop of a `CONNECT` request, from its extensions.
fn hop_of(request: &Request<Body>) -> Result<Hop, Error> {
    let hop = request.extensions().get().cloned();
    hop.ok_or_else(|| Error::new(Kind::Canceled, "asking a proxy for nothing"))
}

impl<C> Layer<C> for TunnelLayer
where
    C: Connect<Target> + Clone + Send + 'static,
{
    type Service = Tunnel;

    fn layer(&self, inner: C) -> Tunnel {
        Tunnel { proxy: self.proxy.clone(), tunnels: Tunnels::over(inner, &self.settings) }
    }
}

impl Tunnels {
    pub(super) fn over<C>(connector: C, settings: &TunnelSettings) -> Self
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        let TunnelSettings { pool, negotiate, runtime } = settings;
        let inner = negotiate.clone().for_tunnels(TLS_BELOW).layer(connector);
        Self { pool: pool.layer(ToProxy { inner }), runtime: runtime.clone() }
    }

    /// Opens a tunnel to the target, whose route leads to the proxy. `connect_limit` limits the time to reach the
    /// proxy.
    pub(super) fn open(
        &self,
        proxy: &Proxy,
        target: Target,
        connect_limit: Option<Duration>,
    ) -> Connecting<Upgraded> {
        let (tunnels, hop) = (self.clone(), Hop::to(proxy, &target));
        Connecting::new(async move { handshake::open(tunnels, hop, connect_limit, &target).await })
    }
}

impl Service<Target> for Tunnel {
    type Response = crate::connect::Connected<Upgraded>;
    type Error = Error;
    type Future = Connecting<Upgraded>;

    /// Always ready: the connector below is polled when a connection to the proxy is needed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        self.tunnels.open(&self.proxy, target, None)
    }
}

impl fmt::Debug for TunnelSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelSettings").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}
