//! Opens tunnels through an HTTP proxy: `CONNECT` (RFC 9110 §9.3.6), over HTTP/1.1 or HTTP/2.
//!
//! What connects to the proxy is below; on top of that a tunnel is a request like any other, so it is sent by the same
//! pool and the same HTTP as all requests. With HTTP/1.1 the tunnel takes the connection over. With HTTP/2 it is a stream,
//! and one connection to the proxy carries many tunnels.

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

/// How many connections that carry no tunnel are kept where no pool counts them: as many as a pool keeps.
const MAX_IDLE: usize = 100;

/// Opens tunnels through one HTTP proxy, for targets of any scheme.
///
/// Put TLS for the origin above it, and TLS for the proxy, if it is an `https` proxy, below: it is the same layer.
/// Who sends both `http` and `https`, and wants the first forwarded, or has several proxies, takes a
/// [`ProxyLayer`](super::ProxyLayer).
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
/// | the proxy answers | what is made of it |
/// |---|---|
/// | 2xx | the tunnel; bytes behind the head are its first, `Content-Length` and `Transfer-Encoding` mean nothing |
/// | 1xx | passed over, as on any connection |
/// | 407 that can be answered | asked again, over the same connection if it stays open; four times in all at the most |
/// | anything else | an error with status, header and up to 64 KiB of body |
///
/// With HTTP/2 the proxy may send 1 GiB before it is taken, unless [`http2`](Self::http2) says more, so that a tunnel that
/// nobody reads does not stall the others; what it may send on each of them is as with any stream.
///
/// Up to 100 connections that carry no tunnel are kept, and closed when they have been [idle](Self::idle_timeout) for too
/// long. A pool above counts tunnels, but does not know of these; in a [`Transport`](crate::Transport) it does.
///
/// # Errors
///
/// [`is_proxy`](Error::is_proxy) for all that goes wrong with the proxy, with [`proxy_status`](Error::proxy_status) if it
/// has answered. [`is_builder`](Error::is_builder) for a proxy of SOCKS, and for what
/// [`connect_headers`](Proxy::connect_headers) returns. [`was_sent`](Error::was_sent) is false in any case: the origin has
/// heard nothing.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy. One that carries other tunnels stays, and so does one of HTTP/2
/// that is open already: only the stream is reset.
#[derive(Clone, Debug)]
pub struct TunnelLayer {
    proxy: Proxy,
    settings: Settings,
}

/// How connections to proxies are kept, and what they speak.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) pool: PoolLayer<Body, Hop>,
    pub(super) negotiate: NegotiateLayer<Body>,
    pub(super) runtime: Runtime,
}

/// A connector that reaches its targets through tunnels. Clones share the connections to the proxy.
#[derive(Clone)]
pub struct Tunnel {
    proxy: Proxy,
    tunnels: Tunnels,
}

/// Connections to any number of proxies, and tunnels through them.
#[derive(Clone)]
pub(super) struct Tunnels {
    pool: Pool<HttpConnection<Body>, Body, Hop>,
    runtime: Runtime,
}

impl TunnelLayer {
    /// Through this proxy, which is `http` or `https`.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, settings: Settings::default() }
    }

    /// How long a connection to the proxy may carry no tunnel: 90 s by default, as long as a pool's. Zero keeps none.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.pool = self.settings.pool.idle_timeout(timeout);
        self
    }

    /// What HTTP/1.1 with the proxy keeps to.
    pub fn http1(mut self, config: Http1Config) -> Self {
        self.settings.negotiate = self.settings.negotiate.http1(config);
        self
    }

    /// What HTTP/2 with the proxy keeps to.
    pub fn http2(mut self, config: Http2Config) -> Self {
        self.settings.negotiate = self.settings.negotiate.http2(config);
        self
    }

    /// Where the tasks of connections run: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings = self.settings.on(runtime);
        self
    }
}

impl Settings {
    /// As a pool of requests is kept, but for its limits: a tunnel belongs to a connection that is counted there, and what
    /// carries no tunnel is counted there, too.
    pub(super) fn like(pool: &PoolLayer<Body>) -> Self {
        let pool = pool.beneath(hop_of).timeouts(Timeouts::none()).abandon_dials(true);
        let pool = pool.timings(false).exclusive(|hop| hop.target.is_exclusive());
        Self { pool, negotiate: NegotiateLayer::new(), runtime: Runtime::default() }
    }

    pub(super) fn on(mut self, runtime: Runtime) -> Self {
        self.pool = self.pool.runtime(runtime.clone());
        self.negotiate = self.negotiate.runtime(runtime.clone());
        self.runtime = runtime;
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::like(&PoolLayer::new().max_idle(MAX_IDLE))
    }
}

/// Each request says by which hop it goes.
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
    pub(super) fn over<C>(connector: C, settings: &Settings) -> Self
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        let Settings { pool, negotiate, runtime } = settings;
        let inner = negotiate.clone().for_tunnels(TLS_BELOW).layer(connector);
        Self { pool: pool.layer(ToProxy { inner }), runtime: runtime.clone() }
    }

    /// A tunnel to the target, whose route is the way to the proxy, if that is reached in time.
    pub(super) fn open(
        &self,
        proxy: &Proxy,
        target: Target,
        stall: Option<Duration>,
    ) -> Connecting<Upgraded> {
        let (tunnels, hop) = (self.clone(), Hop::to(proxy, &target));
        Connecting::new(async move { handshake::open(tunnels, hop, stall, &target).await })
    }
}

impl Service<Target> for Tunnel {
    type Response = crate::connect::Connected<Upgraded>;
    type Error = Error;
    type Future = Connecting<Upgraded>;

    /// Always ready: the connector below is asked when a connection to the proxy is needed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        self.tunnels.open(&self.proxy, target, None)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}
