//! Connects by a route through proxies, the last of them first.
//!
//! A route through proxies is a stack: the protocol of the last proxy, over TLS to it, over a route that is shorter
//! by that proxy. The connectors for longer routes are made when a route first needs them.

use std::{
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use tower_layer::Layer;
use tower_service::Service;

use super::{
    fallback::Fallback,
    forward::ForwardLayer,
    socks4::Socks4Layer,
    socks5::Socks5Layer,
    tunnel::{self, Tunnels},
};
use crate::{
    connect::{AnyResolver, Connect, Connected, Connecting, too_slow},
    error::Error,
    io::Io,
    lock,
    pool::Budget,
    rt::Runtime,
    target::{Proxy, ProxyScheme, Route, Target},
    tls::{Tls, TlsConfig, TlsLayer},
};

/// The longest chain of proxies. Each adds a connector to the stack, which must be finite.
const MAX_PROXIES: usize = 16;

/// Connects by routes through as many proxies as there are connectors below it, and through fewer.
pub(super) struct RouteConnector {
    /// False for the connectors below, which lead to proxies: a proxy on the way to another must pass bytes, never
    /// forward requests.
    is_outermost: bool,
    direct: DirectConnect,
    hop_settings: HopSettings,
    fallback: Fallback,
    below: OnceLock<Arc<Self>>,
    tunnels: OnceLock<Tunnels>,
}

/// Settings shared by all hops.
#[derive(Clone)]
pub(super) struct HopSettings {
    pub(super) tls: TlsConfig,
    pub(super) tunnels: tunnel::TunnelSettings,
    pub(super) resolver: AnyResolver,
    pub(super) runtime: Runtime,
    /// Counts new connections, if set.
    pub(super) budget: Option<Arc<Budget>>,
}

/// Connects without a proxy.
pub(super) type DirectConnect =
    Arc<dyn Fn(Target, DirectDial) -> Connecting<Box<dyn Io>> + Send + Sync>;

/// The conditions of a direct dial: room in the budget, and a time limit.
pub(super) struct DirectDial {
    budget: Option<Arc<Budget>>,
    limit: Option<Duration>,
    runtime: Runtime,
}

/// A [`RouteConnector`] as a service.
#[derive(Clone)]
struct StageConnector(Arc<RouteConnector>);

impl RouteConnector {
    pub(super) fn first(
        direct: DirectConnect,
        hop_settings: HopSettings,
        fallback: Fallback,
    ) -> Self {
        let (below, tunnels) = (OnceLock::new(), OnceLock::new());
        Self { is_outermost: true, direct, hop_settings, fallback, below, tunnels }
    }

    /// The connector to the proxies of this one.
    fn before(&self) -> Self {
        Self {
            is_outermost: false,
            direct: self.direct.clone(),
            hop_settings: self.hop_settings.clone(),
            fallback: self.fallback.clone(),
            below: OnceLock::new(),
            tunnels: OnceLock::new(),
        }
    }

    /// Checks the ranges of the settings.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.fallback.check()
    }

    /// Connects by the route of the target.
    pub(super) fn reach(self: &Arc<Self>, target: Target) -> Connecting<Box<dyn Io>> {
        self.reach_within(target, None)
    }

    /// Connects by the route of the target, with a limit on the time to reach its last proxy, or the target itself
    /// without one. Time the proxy then takes is not limited here.
    fn reach_within(
        self: &Arc<Self>,
        mut target: Target,
        limit: Option<Duration>,
    ) -> Connecting<Box<dyn Io>> {
        match std::mem::take(&mut target.route) {
            Route::Proxies(proxies) if proxies.len() > MAX_PROXIES => {
                let (origin, length) = (&target.origin, proxies.len());
                let text =
                    format!("the route to {origin} has {length} proxies: {MAX_PROXIES} at most");
                Connecting::new(std::future::ready(Err(Error::builder(text))))
            }
            Route::Proxies(proxies) => match proxies.split_last() {
                Some((last, before)) => {
                    target.route = Route::through(before.iter().cloned());
                    self.through(last, target, limit)
                }
                None => self.directly(target, limit),
            },
            Route::FirstOf(routes) => self.first_of(routes, target),
            route => {
                target.route = route;
                self.directly(target, limit)
            }
        }
    }

    fn first_of(self: &Arc<Self>, routes: Arc<[Route]>, target: Target) -> Connecting<Box<dyn Io>> {
        let stage = self.clone();
        Connecting::new(async move {
            let runtime = &stage.hop_settings.runtime;
            let reach = |way, limit| stage.reach_within(way, limit);
            stage.fallback.first_of(&routes, &target, runtime, reach).await
        })
    }

    /// All new sockets are opened here, so this makes room for them in the budget.
    fn directly(&self, target: Target, limit: Option<Duration>) -> Connecting<Box<dyn Io>> {
        let HopSettings { budget, runtime, .. } = &self.hop_settings;
        let (budget, runtime) = (budget.clone(), runtime.clone());
        (self.direct)(target, DirectDial { budget, limit, runtime })
    }

    /// Connects through this proxy, to which the target's route leads.
    fn through(
        self: &Arc<Self>,
        proxy: &Proxy,
        target: Target,
        limit: Option<Duration>,
    ) -> Connecting<Box<dyn Io>> {
        let proxy = proxy.clone();
        let runtime = self.hop_settings.runtime.clone();
        let to_proxies = ConnectTimeout { inner: self.to_proxies(), limit, runtime };
        match proxy.scheme() {
            ProxyScheme::Http | ProxyScheme::Https => {
                let forwards = proxy.forwards(target.origin.scheme(), target.protocols);
                if self.is_outermost && forwards {
                    return boxed(ForwardLayer::new(proxy).layer(to_proxies).call(target));
                }
                let tunnel = self.tunnels().open(&proxy, target, limit);
                let budget = self.hop_settings.budget.clone();
                Connecting::new(async move {
                    let tunnel = tunnel.await?.boxed();
                    // The tunnel may use a connection that was idle until now, which must not be evicted for it.
                    make_room(budget).await;
                    Ok(tunnel)
                })
            }
            ProxyScheme::Socks4 | ProxyScheme::Socks4a => {
                let layer = Socks4Layer::new(proxy).resolver(self.hop_settings.resolver.clone());
                boxed(layer.layer(to_proxies).call(target))
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                let layer = Socks5Layer::new(proxy).resolver(self.hop_settings.resolver.clone());
                boxed(layer.layer(to_proxies).call(target))
            }
        }
    }

    /// One pool of connections to proxies for all tunnels of this connector.
    fn tunnels(self: &Arc<Self>) -> &Tunnels {
        let settings = &self.hop_settings.tunnels;
        self.tunnels.get_or_init(|| Tunnels::over(self.to_proxies(), settings))
    }

    /// The connector to a proxy: TLS where the proxy speaks it, over routes shorter by that proxy.
    fn to_proxies(&self) -> Tls<StageConnector> {
        let below = self.below.get_or_init(|| Arc::new(self.before()));
        TlsLayer::new(self.hop_settings.tls.clone()).layer(StageConnector(below.clone()))
    }
}

impl Service<Target> for StageConnector {
    type Response = Connected<Box<dyn Io>>;
    type Error = Error;
    type Future = Connecting<Box<dyn Io>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        self.0.reach(target)
    }
}

/// A connector with an optional time limit.
#[derive(Clone)]
struct ConnectTimeout<C> {
    inner: C,
    limit: Option<Duration>,
    runtime: Runtime,
}

impl<C: Connect<Target, Error = Error>> Service<Target> for ConnectTimeout<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = Connecting::new(self.inner.call(target.clone()));
        connecting.within(self.limit, self.runtime.clone(), target)
    }
}

/// Erases the type of the connector.
pub(super) fn erased<C, F>(
    connector: C,
    connect: impl Fn(C, Target) -> F + Copy + Send + Sync + 'static,
) -> DirectConnect
where
    C: Clone + Send + 'static,
    F: Future<Output = Result<Connected<Box<dyn Io>>, Error>> + Send + 'static,
{
    // The lock makes a service `Sync` that is only `Send`; it is held for a clone only.
    let connector = Mutex::new(connector);
    Arc::new(move |target: Target, DirectDial { budget, limit, runtime }| {
        let connector = lock::lock(&connector).clone();
        Connecting::new(async move {
            make_room(budget).await;
            let outcome = runtime.within(limit, connect(connector, target.clone())).await;
            outcome.unwrap_or_else(|| Err(too_slow(limit, &target)))
        })
    })
}

/// Waits for room in the budget, if there is one.
async fn make_room(budget: Option<Arc<Budget>>) {
    if let Some(budget) = budget
        // Usually there is room, and no future has to be boxed.
        && !budget.make_room_if_full()
    {
        Box::pin(budget.room()).await;
    }
}

/// Erases the type of the stream.
fn boxed<I: Io>(
    connecting: impl Future<Output = Result<Connected<I>, Error>> + Send + 'static,
) -> Connecting<Box<dyn Io>> {
    Connecting::new(async move { connecting.await.map(Connected::boxed) })
}
