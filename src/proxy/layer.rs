//! Connects targets through proxies: by rules, by the environment, or as the request says.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    fallback::Fallback,
    select::ProxyRules,
    stage::{HopSettings, RouteConnector, erased},
    tunnel,
};
use crate::{
    body::Body,
    connect::{AnyResolver, Connect, Connected, Connecting, Resolve, SystemResolver},
    error::Error,
    http::negotiate::NegotiateLayer,
    io::Io,
    pool::PoolLayer,
    rt::Runtime,
    target::{Route, Target},
    tls::TlsConfig,
};

/// Puts proxies over the connector that reaches the first of them: TCP, a Unix socket, memory.
///
/// It follows the [`Route`] of each target, and its rules where that is [`Route::Any`]. The settings of the connector
/// below, such as local addresses, socket options and resolvers, also hold for connections to proxies. TLS for the
/// origin stands above.
///
/// ```
/// # #[cfg(all(feature = "tokio", feature = "http1"))]
/// # async fn example() -> Result<(), tower_transport::Error> {
/// use tower::ServiceBuilder;
/// use tower_transport::{
///     RequestExt, connect::TcpConnector, http::NegotiateLayer, pool::PoolLayer, proxy::ProxyLayer,
///     tls::{TlsConfig, TlsLayer},
/// };
///
/// let stack = ServiceBuilder::new()
///     .layer(PoolLayer::new())
///     .layer(NegotiateLayer::new())
///     .layer(TlsLayer::new(TlsConfig::platform()))
///     .layer(ProxyLayer::from_env())
///     .service(TcpConnector::new());
/// let response = stack.request("GET", "https://www.example.com/").await?;
/// # Ok(())
/// # }
/// ```
///
/// In such a stack the pool keys forwarding connections by origin, while a [`Transport`](crate::Transport) shares one
/// set of them among all origins. Such a stack also does not count connections to proxies that carry no tunnel, of
/// which it keeps up to 100 at each position of a chain; a `Transport` counts them within [its
/// limit](crate::transport::TransportBuilder::max_connections).
///
/// # Errors
///
/// [`is_proxy`](Error::is_proxy) for any failure of a proxy, or of the connection to it; on a direct route, the error
/// of the connector below. If every route of a [list](Route::FirstOf) fails, the last failure is the
/// [source](std::error::Error::source). [`is_builder`](Error::is_builder), before anything is connected, if the rules
/// name an invalid proxy, or one with settings that do not apply to its scheme.
///
/// # Cancellation
///
/// Dropping the future closes what was opened for it alone. A connection to a proxy that may carry other tunnels
/// stays open.
#[derive(Clone)]
pub struct ProxyLayer {
    rules: ProxyRules,
    fallback: Fallback,
    hop_settings: HopSettings,
}

/// A connector through proxies. Clones share the memory of failures, and the connections that carry tunnels.
#[derive(Clone)]
pub struct Proxied {
    rules: ProxyRules,
    stage: Arc<RouteConnector>,
}

impl ProxyLayer {
    /// Uses these rules: one proxy for all, a route, or [`ProxyRules`].
    pub fn new(rules: impl Into<ProxyRules>) -> Self {
        Self {
            rules: rules.into(),
            fallback: Fallback::default(),
            hop_settings: HopSettings {
                tls: TlsConfig::default(),
                tunnels: tunnel::TunnelSettings::default(),
                resolver: AnyResolver::new(SystemResolver::default()),
                runtime: Runtime::default(),
                budget: None,
            },
        }
    }

    /// Uses the environment as it is now: see [`ProxyRules::from_env`].
    pub fn from_env() -> Self {
        Self::new(ProxyRules::from_env())
    }

    /// Sets the trusted roots and the identity for TLS to `https` proxies, unless a proxy has its [own
    /// configuration](super::Proxy::tls). Default: the platform's roots and no client certificate.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.hop_settings.tls = tls;
        self
    }

    /// Resolves the names that `socks4` and `socks5` proxies must receive as addresses. Default: the system's
    /// resolver.
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Resolve + Clone + Send + 'static,
    {
        self.hop_settings.resolver = AnyResolver::new(resolver);
        self
    }

    /// Limits the time to reach the proxy on each route of a [list](Route::FirstOf) but the last, including TLS to it
    /// and all proxies before it; on a direct route, the time to connect. Time the proxy then takes to reach the
    /// origin does not count: a slow origin must not disqualify its proxy. Default: 3 s, because proxies are near,
    /// and it covers a lost SYN. In a [`Transport`](crate::Transport) it never exceeds its share of the connect
    /// timeout, so that the last route is tried. Must be longer than zero: otherwise every connection fails with an
    /// error for which [`is_builder`](Error::is_builder) holds.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.fallback.attempt_timeout = timeout;
        self
    }

    /// Sets how long a failed route is tried last in a list. Default: 60 s, so that not every connection pays for a
    /// dead proxy, and one that is back is noticed soon. Zero remembers nothing. A direct route that fails for one
    /// origin is not remembered for others.
    pub fn failure_ttl(mut self, duration: Duration) -> Self {
        self.fallback.failure_ttl = duration;
        self
    }

    /// Sets the time limit expected for all routes of a list together, of which each gets a share.
    pub(crate) fn planned_time(mut self, time: Option<Duration>) -> Self {
        self.fallback.planned_time = time;
        self
    }

    /// Sets where tasks and timers run. Default: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.hop_settings.tunnels = self.hop_settings.tunnels.with_runtime(runtime.clone());
        self.hop_settings.runtime = runtime;
        self
    }

    /// Uses the settings of this pool and negotiation for connections to proxies, within the pool's limits if it has
    /// a budget.
    pub(crate) fn with_pool(
        mut self,
        pool: &PoolLayer<Body>,
        negotiate: NegotiateLayer<Body>,
    ) -> Self {
        self.hop_settings.tunnels.pool = tunnel::TunnelSettings::for_pool(pool).pool;
        self.hop_settings.tunnels.negotiate = negotiate;
        self.hop_settings.budget = pool.budget();
        let runtime = self.hop_settings.runtime.clone();
        self.runtime(runtime)
    }
}

impl<C> Layer<C> for ProxyLayer
where
    C: Connect<Target> + Clone + Send + 'static,
{
    type Service = Proxied;

    fn layer(&self, inner: C) -> Proxied {
        self.over(inner, |mut inner, target| async move {
            let failed = |error: C::Error| {
                Error::from_connector(error.into(), format!("connecting to {target}"))
            };
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await.map_err(failed)?;
            inner.call(target.clone()).await.map_err(failed).map(Connected::boxed)
        })
    }
}

impl ProxyLayer {
    /// A connector through proxies over `connect`, which gets a clone of `inner`.
    pub(crate) fn over<C, F>(
        &self,
        inner: C,
        connect: impl Fn(C, Target) -> F + Copy + Send + Sync + 'static,
    ) -> Proxied
    where
        C: Clone + Send + 'static,
        F: Future<Output = Result<Connected<Box<dyn Io>>, Error>> + Send + 'static,
    {
        let direct = erased(inner, connect);
        let stage = RouteConnector::first(direct, self.hop_settings.clone(), self.fallback.clone());
        Proxied { rules: self.rules.clone(), stage: Arc::new(stage) }
    }
}

impl Service<Target> for Proxied {
    type Response = Connected<Box<dyn Io>>;
    type Error = Error;
    type Future = Connecting<Box<dyn Io>>;

    /// Always ready: the connector below is polled when it is needed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut target: Target) -> Self::Future {
        if let Err(error) = self.stage.check() {
            return Connecting::new(std::future::ready(Err(error)));
        }
        if target.route == Route::Any {
            match self.rules.route(&target) {
                Ok(route) => target.route = route,
                Err(error) => return Connecting::new(std::future::ready(Err(error))),
            }
        }
        self.stage.reach(target)
    }
}

impl fmt::Debug for ProxyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyLayer").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxied").field("rules", &self.rules).finish_non_exhaustive()
    }
}
