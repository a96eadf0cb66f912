//! Steers targets through proxies: by rules, by the environment, or as a request says.

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
    stage::{Stage, Surroundings, erased},
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

/// Puts proxies over whatever reaches the first of them: TCP, a Unix socket, memory.
///
/// It goes by the [`Route`] of each target, and by its rules where that is [`Route::Any`]. Whatever the connector below
/// keeps to, as local addresses, socket options and resolvers, it keeps to on the way to a proxy, too; TLS for the origin
/// stands above, and does not notice.
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
/// In such a stack the pool keeps the connections that a proxy forwards requests on by their origins. A
/// [`Transport`](crate::Transport) knows better, and keeps one set of them for all. Nor does it count connections to
/// proxies that carry no tunnel, of which up to 100 are kept for proxies at each place of a chain; those of a `Transport`
/// are within [its limit](crate::transport::TransportBuilder::max_connections).
///
/// # Errors
///
/// [`is_proxy`](Error::is_proxy) for whatever goes wrong with a proxy, or on the way to it; where nobody is in between, the
/// error is that of the connector below. If every way of a [list](Route::FirstOf) fails, the last failure is the
/// [source](std::error::Error::source). [`is_builder`](Error::is_builder), before anyone is connected to, if the rules name
/// a proxy that cannot be one, or that has settings which its scheme has no place for.
///
/// # Cancellation
///
/// Dropping the future closes what was opened for it alone. A connection to a proxy that may carry other tunnels, too, stays.
#[derive(Clone)]
pub struct ProxyLayer {
    rules: ProxyRules,
    fallback: Fallback,
    surroundings: Surroundings,
}

/// A connector that goes through proxies. Clones share what is known of them, and the connections that carry tunnels.
#[derive(Clone)]
pub struct Proxied {
    rules: ProxyRules,
    stage: Arc<Stage>,
}

impl ProxyLayer {
    /// By these rules: one proxy for all, a route, or [`ProxyRules`].
    pub fn new(rules: impl Into<ProxyRules>) -> Self {
        Self {
            rules: rules.into(),
            fallback: Fallback::default(),
            surroundings: Surroundings {
                tls: TlsConfig::default(),
                tunnels: tunnel::Settings::default(),
                resolver: AnyResolver::new(SystemResolver::default()),
                runtime: Runtime::default(),
                budget: None,
            },
        }
    }

    /// By the environment, as it is now: see [`ProxyRules::from_env`].
    pub fn from_env() -> Self {
        Self::new(ProxyRules::from_env())
    }

    /// Whom TLS to `https` proxies trusts, and who we are to it, unless a proxy has its
    /// [own configuration](super::Proxy::tls): by default the platform's roots, and nobody.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.surroundings.tls = tls;
        self
    }

    /// Finds the addresses that `socks4` and `socks5` proxies are to be given: by default the system's resolver.
    pub fn resolver<R>(mut self, resolver: R) -> Self
    where
        R: Resolve + Clone + Send + 'static,
    {
        self.surroundings.resolver = AnyResolver::new(resolver);
        self
    }

    /// How long reaching the proxy may take on a way that is not the last of a [list](Route::FirstOf), with TLS to it and all
    /// proxies before it, or connecting where there is none. What it then takes to reach the origin is not counted: an
    /// origin that is slow must not make its proxy be passed over. 3 s by default: a proxy is near, and
    /// that covers a lost SYN. In a [`Transport`](crate::Transport) it is never more than its share of the connect timeout,
    /// so that the last way has its turn. Longer than zero: otherwise every connection fails with an error for which
    /// [`is_builder`](Error::is_builder) holds.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.fallback.attempt_timeout = timeout;
        self
    }

    /// How long a way that failed comes last in a list, 60 s by default: not every connection is to pay for a proxy that
    /// is gone, and one that is back is soon to be noticed. Zero remembers nothing. That an origin cannot be reached directly is no matter of others.
    pub fn remember(mut self, duration: Duration) -> Self {
        self.fallback.remembered = duration;
        self
    }

    /// How much time all ways of a list together are likely to be given, so that each has its share.
    pub(crate) fn planned_time(mut self, time: Option<Duration>) -> Self {
        self.fallback.planned_time = time;
        self
    }

    /// Where tasks and timers run: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.surroundings.tunnels = self.surroundings.tunnels.on(runtime.clone());
        self.surroundings.runtime = runtime;
        self
    }

    /// Keeps connections to proxies, and speaks with them, as these do with origins; all of them within the limits of that
    /// pool, if it has a budget.
    pub(crate) fn like(mut self, pool: &PoolLayer<Body>, negotiate: NegotiateLayer<Body>) -> Self {
        self.surroundings.tunnels.pool = tunnel::Settings::like(pool).pool;
        self.surroundings.tunnels.negotiate = negotiate;
        self.surroundings.budget = pool.budget();
        let runtime = self.surroundings.runtime.clone();
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
    /// A connector through proxies over what `connect` reaches by a clone of `inner`.
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
        let stage = Stage::first(direct, self.surroundings.clone(), self.fallback.clone());
        Proxied { rules: self.rules.clone(), stage: Arc::new(stage) }
    }
}

impl Service<Target> for Proxied {
    type Response = Connected<Box<dyn Io>>;
    type Error = Error;
    type Future = Connecting<Box<dyn Io>>;

    /// Always ready: the connector below is asked when it is needed.
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
