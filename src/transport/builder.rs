//! The settings of a transport, and its assembly.

use std::{
    fmt,
    marker::PhantomData,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::Request;

use super::{HttpPool, Stack, Transport, direct};
use crate::{
    body::Body,
    connect::{Connect, ConnectRetryLayer},
    error::Error,
    events::Listener,
    http::{http1::Http1Config, http2::Http2Config, negotiate::NegotiateLayer},
    options::{Protocols, Timeouts},
    pool::PoolLayer,
    proxy::{ProxyLayer, ProxyRules},
    rt::Runtime,
    target::{Origin, Proxy, Route, Target},
    tls::{TlsConfig, TlsLayer},
};

/// What a [`Transport`] is made of.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # fn example() -> Result<(), tower_transport::Error> {
/// use std::time::Duration;
/// use tower_transport::{Transport, options::Timeouts};
///
/// let timeouts = Timeouts::default()
///     .connect(Duration::from_secs(5))
///     .read(Duration::from_secs(20))
///     .total(Duration::from_secs(60));
/// let transport = Transport::builder()
///     .timeouts(timeouts)
///     .max_connections(200)
///     .max_connections_per_host(20)
///     .idle_timeout(Duration::from_secs(30))
///     .connect_retries(2)
///     .proxy_from_env()
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// Every setting applies to every route, or [`build`](Self::build) returns an error.
///
/// `T` is what it builds: a [`Transport`], or by the feature `blocking` its twin, which has the same settings.
#[must_use = "a transport is made by `build`"]
pub struct TransportBuilder<T = Transport> {
    pool: PoolLayer<Body>,
    negotiate: NegotiateLayer<Body>,
    tls: TlsConfig,
    retries: u32,
    timeouts: Timeouts,
    grace: Duration,
    runtime: Runtime,
    template: TargetTemplate,
    connector: Connector,
    pub(super) resolves: bool,
    config_error: Option<&'static str>,
    builds: PhantomData<fn() -> T>,
}

/// Settings for every target.
#[derive(Clone, Default)]
pub(super) struct TargetTemplate {
    protocols: Option<Protocols>,
    pub(super) unix_socket: Option<Arc<Path>>,
    proxies: Option<ProxyRules>,
    /// Reads the environment if nothing is said of proxies, nor of a socket that none leads to.
    reads_env: bool,
    pub(super) local_address: Option<IpAddr>,
}

/// The innermost part of the stack, and how the rest is built around it.
enum Connector {
    Default,
    Given(BuildStack),
}

/// Builds the layers over a connector that uses these timeouts and this runtime.
type BuildStack = Box<dyn FnOnce(Stack, Timeouts, Runtime) -> HttpPool + Send>;

impl<T> TransportBuilder<T> {
    pub(crate) fn new() -> Self {
        Self {
            pool: PoolLayer::new(),
            negotiate: NegotiateLayer::new(),
            tls: TlsConfig::default(),
            retries: 0,
            timeouts: Timeouts::default(),
            grace: Duration::from_secs(30),
            runtime: Runtime::default(),
            template: TargetTemplate::default(),
            connector: Connector::Default,
            resolves: false,
            config_error: None,
            builds: PhantomData,
        }
    }

    /// Limits the open connections, including those to proxies; 1 or more. Default: 100. See
    /// [`PoolLayer::max_connections`].
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_connections(connections);
        self
    }

    /// Limits the connections to one host, in each [runtime](Transport#several-runtimes); 1 or more. Default: none
    /// below the total. See [`PoolLayer::max_connections_per_host`].
    pub fn max_connections_per_host(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_connections_per_host(connections);
        self
    }

    /// Limits the idle connections; zero keeps none. Default: as many as [`max_connections`](Self::max_connections). See [`PoolLayer::max_idle`].
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_idle(connections);
        self
    }

    /// Closes a connection that was idle for this time. Default: 90 s; zero keeps none. See
    /// [`PoolLayer::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.pool = self.pool.idle_timeout(timeout);
        self
    }

    /// Limits the age of a connection. Default: none. See [`PoolLayer::max_age`].
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.pool = self.pool.max_age(age);
        self
    }

    /// Limits the requests per connection. Default: none. See [`PoolLayer::max_requests`].
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.pool = self.pool.max_requests(requests);
        self
    }

    /// Limits the requests that wait for a connection. Default: none. See [`PoolLayer::max_waiters`].
    pub fn max_waiters(mut self, waiters: usize) -> Self {
        self.pool = self.pool.max_waiters(waiters);
        self
    }

    /// Sets how often a failed dial is repeated, after 0, 0.5, 1, 2, 4 … seconds. Default: never. It does not repeat
    /// requests. Any number is allowed: the connect timeout limits all of them together.
    pub fn connect_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Uses HTTP/1.1 only.
    pub fn http1_only(self) -> Self {
        self.protocols(Protocols::Http1Only)
    }

    /// Uses HTTP/2 by ALPN only. Targets without TLS are an error.
    pub fn http2_only(self) -> Self {
        self.protocols(Protocols::Http2Only)
    }

    /// Uses HTTP/2 with prior knowledge, also without TLS.
    pub fn http2_prior_knowledge(self) -> Self {
        self.protocols(Protocols::Http2PriorKnowledge)
    }

    fn protocols(mut self, protocols: Protocols) -> Self {
        if self.template.protocols.is_some_and(|before| before != protocols) {
            self.config_error =
                Some("`http1_only`, `http2_only` and `http2_prior_knowledge` exclude each other");
        }
        self.template.protocols = Some(protocols);
        self
    }

    /// Sets the limits of HTTP/1.1 connections.
    pub fn http1(mut self, config: Http1Config) -> Self {
        self.negotiate = self.negotiate.http1(config);
        self
    }

    /// Sets the limits of HTTP/2 connections.
    pub fn http2(mut self, config: Http2Config) -> Self {
        self.negotiate = self.negotiate.http2(config);
        self
    }

    /// Sets the trusted roots and the client certificate. Default: the platform's roots and no certificate.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the local address of connections. Default: chosen by the system.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.template.local_address = address.into();
        self
    }

    /// Sends every request to this Unix socket, whatever its host.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.template.unix_socket = Some(path.into().into());
        self.template.reads_env = false;
        self
    }

    /// Sends requests through this [`Proxy`], by this [`Route`], or by [`ProxyRules`]. Default: directly, whatever
    /// the environment says. A request's own [`ProxyOverride`](crate::options::ProxyOverride) takes precedence.
    ///
    /// ```
    /// # use tower_transport::{Transport, proxy::Proxy};
    /// # fn example() -> Result<(), tower_transport::Error> {
    /// let proxy: Proxy = "http://user:password@proxy.example:3128".parse()?;
    /// let transport = Transport::builder().proxy(proxy).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// All `http` origins forwarded by a proxy share their connections, and count as one host for
    /// [`max_connections_per_host`](Self::max_connections_per_host). Settings of connections apply to those to the
    /// proxy as well, except for client certificates: those of [`tls`](Self::tls) are for origins; a proxy has [its
    /// own](Proxy::tls).
    pub fn proxy(mut self, proxy: impl Into<ProxyRules>) -> Self {
        self.template.proxies = Some(proxy.into());
        self.template.reads_env = false;
        self
    }

    /// Sends requests through all of these proxies, the nearest first; 16 at most.
    pub fn proxy_chain(self, proxies: impl IntoIterator<Item = Proxy>) -> Self {
        self.proxy(Route::through(proxies))
    }

    /// Sends requests through the proxies that the environment names now: see [`ProxyRules::from_env`].
    pub fn proxy_from_env(self) -> Self {
        self.proxy(ProxyRules::from_env())
    }

    /// Sends requests directly, the default; cancels earlier settings of proxies.
    pub fn no_proxy(mut self) -> Self {
        self.template.proxies = None;
        self.template.reads_env = false;
        self
    }

    /// Reads proxies from the environment where the transport is made, unless anything else is said of them.
    #[cfg(feature = "client")]
    pub(crate) fn env_by_default(mut self) -> Self {
        self.template.reads_env = true;
        self
    }

    /// Reads none, and leaves what was said of proxies.
    #[cfg(feature = "client")]
    pub(crate) fn no_env(mut self) -> Self {
        self.template.reads_env = false;
        self
    }

    /// Sets the timeouts. A request's own take precedence. Connecting includes all proxies of the route.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Adds listeners, which receive the events of every request and every connection, including those to proxies.
    /// Default: none.
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.pool = self.pool.listener(listener);
        self
    }

    /// Sets whether every response has [`Timings`](crate::events::Timings). Default: only if the request asks for
    /// them by [`Timed`](crate::options::Timed).
    pub fn timings(mut self, timings: bool) -> Self {
        self.pool = self.pool.timings(timings);
        self
    }

    /// Sets how long [`Transport::close`] waits for requests in progress. Default: 30 s. Zero does not wait.
    pub fn close_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets where tasks, timers and sockets run. Default: tokio; smol where the crate is built with it alone.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Connects by your connector, instead of TCP and Unix sockets. TLS, proxies and retries are built around it. It
    /// receives the whole [`Target`], with local address and route; if there is a proxy, the target of the nearest.
    ///
    /// A [`TcpConnector`](crate::connect::TcpConnector) that you give keeps its own `connect_timeout` of 10 s, which ends a dial even if
    /// [`Timeouts::connect`] is longer: take it away by `connect_timeout(None)`. It resolves names by its own `resolver`, because
    /// this method and `resolver` exclude each other; names that a `socks4` or `socks5` proxy is given as addresses are then resolved by the
    /// system. It serves no [`unix_socket`](Self::unix_socket), whose requests fail then. Its sockets are those of its own
    /// [runtime](crate::connect::TcpConnector::runtime), not of [this builder's](Self::runtime).
    pub fn connector<C>(mut self, connector: C) -> Self
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        self.given(Box::new(|stack, _, _| stack.over(connector)));
        self
    }

    pub(super) fn given(&mut self, over: BuildStack) {
        if matches!(self.connector, Connector::Given(_)) {
            self.config_error =
                Some("`connector` and `resolver` exclude each other, and are set once");
        }
        self.connector = Connector::Given(over);
    }

    /// The transport, for whatever is built around it.
    pub(crate) fn build_transport(mut self) -> Result<Transport, Error> {
        self.template.read_env();
        match self.config_error {
            Some(config_error) => {
                Err(Error::builder(format!("building the transport: {config_error}")))
            }
            None => {
                self.check_ranges()?;
                self.template.check()?;
                let given = matches!(self.connector, Connector::Given(_));
                direct::check(given, self.resolves, &self.template).map(|()| self.assemble())
            }
        }
    }

    fn check_ranges(&self) -> Result<(), Error> {
        self.pool.check()?;
        self.negotiate.check()?;
        self.timeouts.check()
    }

    pub(crate) fn assemble(self) -> Transport {
        let Self {
            pool,
            negotiate,
            tls,
            retries,
            timeouts,
            grace,
            runtime,
            mut template,
            connector,
            ..
        } = self;
        template.read_env();
        let rules = template.proxies.clone().unwrap_or_else(ProxyRules::none);
        let key = move |request: &Request<Body>| template.target(request);
        let is_by_uri = if rules.is_static() { Target::is_by_uri } else { |_: &_| false };
        let pool = pool.by(key).by_uri(is_by_uri).with_budget();
        let negotiate = negotiate.runtime(runtime.clone());
        let proxy = ProxyLayer::new(rules).tls(tls.for_proxies()).runtime(runtime.clone());
        let proxy = proxy.planned_time(timeouts.connect);
        let stack = Stack {
            proxy: proxy.with_pool(&pool, negotiate.clone()),
            pool: pool.timeouts(timeouts).runtime(runtime.clone()),
            negotiate,
            retry: ConnectRetryLayer::new(retries).runtime(runtime.clone()),
            tls: TlsLayer::new(tls),
        };
        let pool = match connector {
            Connector::Default => direct::under(stack, timeouts, runtime),
            Connector::Given(over) => over(stack, timeouts, runtime),
        };
        Transport { pool, grace }
    }
}

impl TransportBuilder {
    /// Builds the transport.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a setting outside its range, with its name, value and range in the text,
    /// and for settings that exclude each other.
    pub fn build(self) -> Result<Transport, Error> {
        self.build_transport()
    }
}

impl TargetTemplate {
    fn target(&self, request: &Request<Body>) -> Result<Target, Error> {
        let mut target = Target::new(Origin::try_from(request.uri())?);
        target.protocols = self.protocols.unwrap_or_default();
        target.local_address = self.local_address;
        if let Some(path) = &self.unix_socket {
            target.route = Route::Unix(path.clone());
        }
        target.read_extensions(request);
        if target.route == Route::Any {
            target.route = match &self.proxies {
                Some(rules) => rules.route(&target)?,
                None => Route::Direct,
            };
        }
        target.allow_upgrade(request)?;
        target.share_by_origins();
        Ok(target)
    }

    fn read_env(&mut self) {
        if std::mem::take(&mut self.reads_env) {
            self.proxies = Some(ProxyRules::from_env());
        }
    }

    fn check(&self) -> Result<(), Error> {
        match (&self.unix_socket, &self.proxies) {
            (Some(_), Some(_)) => Err(Error::builder(
                "building the transport: `unix_socket` and `proxy` exclude each other",
            )),
            (None, Some(rules)) => {
                rules.check().map_err(|error| error.during("building the transport"))
            }
            (_, None) => Ok(()),
        }
    }
}

impl<T> fmt::Debug for TransportBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportBuilder").field("pool", &self.pool).finish_non_exhaustive()
    }
}
