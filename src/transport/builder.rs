//! What can be set about a transport, and how it is put together.

use std::{
    fmt,
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
/// Every setting acts on every route, or [`build`](Self::build) says that it cannot.
#[must_use = "a transport is made by `build`"]
pub struct TransportBuilder {
    pool: PoolLayer<Body>,
    negotiate: NegotiateLayer<Body>,
    tls: TlsConfig,
    retries: u32,
    timeouts: Timeouts,
    grace: Duration,
    runtime: Runtime,
    base: Base,
    connector: Connector,
    pub(super) resolves: bool,
    mistake: Option<&'static str>,
}

/// What every target starts from.
#[derive(Clone, Default)]
pub(super) struct Base {
    protocols: Option<Protocols>,
    pub(super) unix_socket: Option<Arc<Path>>,
    proxies: Option<ProxyRules>,
    /// Reads the environment if nothing is said of proxies, nor of a socket that none leads to.
    reads_env: bool,
    pub(super) local_address: Option<IpAddr>,
}

/// The innermost part of the stack, and how the rest is put around it.
enum Connector {
    Default,
    Given(Over),
}

/// Puts the layers over a connector, which is to keep to these.
type Over = Box<dyn FnOnce(Stack, Timeouts, Runtime) -> HttpPool + Send>;

impl TransportBuilder {
    pub(super) fn new() -> Self {
        Self {
            pool: PoolLayer::new(),
            negotiate: NegotiateLayer::new(),
            tls: TlsConfig::default(),
            retries: 0,
            timeouts: Timeouts::default(),
            grace: Duration::from_secs(30),
            runtime: Runtime::default(),
            base: Base::default(),
            connector: Connector::Default,
            resolves: false,
            mistake: None,
        }
    }

    /// How many connections may be open at once, those to proxies included, 1 or more: see
    /// [`PoolLayer::max_connections`].
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_connections(connections);
        self
    }

    /// How many of them to one host, 1 or more, in each [runtime](Transport#several-runtimes): see
    /// [`PoolLayer::max_connections_per_key`].
    pub fn max_connections_per_host(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_connections_per_key(connections);
        self
    }

    /// How many connections may be idle, where zero keeps none: see [`PoolLayer::max_idle`].
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.pool = self.pool.max_idle(connections);
        self
    }

    /// How long a connection may be idle, 90 s by default, where zero keeps none: see [`PoolLayer::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.pool = self.pool.idle_timeout(timeout);
        self
    }

    /// How old a connection may be: see [`PoolLayer::max_age`].
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.pool = self.pool.max_age(age);
        self
    }

    /// How many requests a connection may serve: see [`PoolLayer::max_requests`].
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.pool = self.pool.max_requests(requests);
        self
    }

    /// How many requests may wait for a connection: see [`PoolLayer::max_waiters`].
    pub fn max_waiters(mut self, waiters: usize) -> Self {
        self.pool = self.pool.max_waiters(waiters);
        self
    }

    /// How often a connection that could not be made is tried again, after 0, 0.5, 1, 2, 4 … seconds: not at all by
    /// default. Requests are not what is tried again here. Any number: the connect timeout bounds them all.
    pub fn connect_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Speaks HTTP/1.1 and offers nothing else.
    pub fn http1_only(self) -> Self {
        self.protocols(Protocols::Http1Only)
    }

    /// Speaks HTTP/2 chosen by ALPN, and nothing else. Targets without TLS are an error.
    pub fn http2_only(self) -> Self {
        self.protocols(Protocols::Http2Only)
    }

    /// Speaks HTTP/2 without asking, also without TLS.
    pub fn http2_prior_knowledge(self) -> Self {
        self.protocols(Protocols::Http2PriorKnowledge)
    }

    fn protocols(mut self, protocols: Protocols) -> Self {
        if self.base.protocols.is_some_and(|before| before != protocols) {
            self.mistake = Some("two settings say which protocol alone is to be spoken");
        }
        self.base.protocols = Some(protocols);
        self
    }

    /// What HTTP/1.1 connections keep to.
    pub fn http1(mut self, config: Http1Config) -> Self {
        self.negotiate = self.negotiate.http1(config);
        self
    }

    /// What HTTP/2 connections keep to.
    pub fn http2(mut self, config: Http2Config) -> Self {
        self.negotiate = self.negotiate.http2(config);
        self
    }

    /// Whom TLS trusts, and who we are to it: by default the platform's roots, and nobody.
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// The local address to connect from: by default the system chooses.
    pub fn local_address(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.base.local_address = address.into();
        self
    }

    /// Sends every request to this Unix socket, whatever its host is.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.base.unix_socket = Some(path.into().into());
        self.base.reads_env = false;
        self
    }

    /// Sends requests through this [`Proxy`], by this [`Route`], or by [`ProxyRules`]: by default all go directly, whatever
    /// the environment says. A request's own [`ProxyOverride`](crate::options::ProxyOverride) goes before it.
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
    /// All `http` origins whose requests a proxy forwards share their connections, and are one host to
    /// [`max_connections_per_host`](Self::max_connections_per_host). What is set for connections holds for those to the
    /// proxy, too, but for client certificates: those of [`tls`](Self::tls) are the origin's, a proxy has
    /// [its own](Proxy::tls).
    pub fn proxy(mut self, proxy: impl Into<ProxyRules>) -> Self {
        self.base.proxies = Some(proxy.into());
        self.base.reads_env = false;
        self
    }

    /// Sends requests through all of these proxies, the nearest first.
    pub fn proxy_chain(self, proxies: impl IntoIterator<Item = Proxy>) -> Self {
        self.proxy(Route::through(proxies))
    }

    /// Sends requests through the proxies that the environment names now: see [`ProxyRules::from_env`].
    pub fn proxy_from_env(self) -> Self {
        self.proxy(ProxyRules::from_env())
    }

    /// Sends requests directly, as by default: what was said about proxies before is taken back.
    pub fn no_proxy(mut self) -> Self {
        self.base.proxies = None;
        self.base.reads_env = false;
        self
    }

    /// Reads proxies from the environment where the transport is made, unless anything else is said of them.
    #[cfg(feature = "client")]
    pub(crate) fn env_by_default(mut self) -> Self {
        self.base.reads_env = true;
        self
    }

    /// Reads none, and leaves what was said of proxies.
    #[cfg(feature = "client")]
    pub(crate) fn no_env(mut self) -> Self {
        self.base.reads_env = false;
        self
    }

    /// How long to wait, and for what. A request's own timeouts go before these. Connecting includes all proxies on the
    /// way.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Tells this [`EventListener`](crate::events::EventListener), or these, of every request and every connection, those
    /// to proxies among them; those that are there already are told, too. By default nobody is told.
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.pool = self.pool.listener(listener);
        self
    }

    /// Whether every response has [`Timings`](crate::events::Timings): by default only where the request asks for them by
    /// [`Timed`](crate::options::Timed).
    pub fn timings(mut self, timings: bool) -> Self {
        self.pool = self.pool.timings(timings);
        self
    }

    /// How long [`Transport::close`] waits for what is under way: 30 s by default. Zero waits for nothing.
    pub fn close_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Where tasks and timers run: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Connects by a connector of yours, in place of TCP and Unix sockets. TLS, proxies and retries are put around
    /// it; it is given the whole [`Target`], local address and route included, and where there is a proxy that of the
    /// nearest.
    pub fn connector<C>(mut self, connector: C) -> Self
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        self.given(Box::new(|stack, _, _| stack.over(connector)));
        self
    }

    pub(super) fn given(&mut self, over: Over) {
        if matches!(self.connector, Connector::Given(_)) {
            self.mistake = Some("`connector` and `resolver` exclude each other, and are set once");
        }
        self.connector = Connector::Given(over);
    }

    /// Puts the layers together, or says why they do not fit.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a setting whose value is outside of its range, which each setter says, with the
    /// name, the value and the range in the text; and for settings that exclude each other.
    pub fn build(mut self) -> Result<Transport, Error> {
        self.base.read_env();
        match self.mistake {
            Some(mistake) => Err(Error::builder(format!("building the transport: {mistake}"))),
            None => {
                self.check_ranges()?;
                self.base.check()?;
                let given = matches!(self.connector, Connector::Given(_));
                direct::check(given, self.resolves, &self.base).map(|()| self.assemble())
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
            mut base,
            connector,
            ..
        } = self;
        base.read_env();
        let rules = base.proxies.clone().unwrap_or_else(ProxyRules::none);
        let key = move |request: &Request<Body>| base.target(request);
        let is_by_uri = if rules.is_static() { Target::is_by_uri } else { |_: &_| false };
        let pool = pool.by(key).by_uri(is_by_uri).with_budget();
        let negotiate = negotiate.runtime(runtime.clone());
        let proxy = ProxyLayer::new(rules).tls(tls.for_proxies()).runtime(runtime.clone());
        let proxy = proxy.planned_time(timeouts.connect);
        let stack = Stack {
            proxy: proxy.like(&pool, negotiate.clone()),
            pool: pool.timeouts(timeouts).runtime(runtime.clone()),
            negotiate,
            retry: ConnectRetryLayer::on(runtime.clone(), retries),
            tls: TlsLayer::new(tls),
        };
        let pool = match connector {
            Connector::Default => direct::under(stack, timeouts, runtime),
            Connector::Given(over) => over(stack, timeouts, runtime),
        };
        Transport { pool, grace }
    }
}

impl Base {
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
            (Some(_), Some(_)) => {
                Err(Error::builder("building the transport: a Unix socket is reached by no proxy"))
            }
            (None, Some(rules)) => {
                rules.check().map_err(|error| error.during("building the transport"))
            }
            (_, None) => Ok(()),
        }
    }
}

impl fmt::Debug for TransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportBuilder").field("pool", &self.pool).finish_non_exhaustive()
    }
}
