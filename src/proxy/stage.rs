//! The way through the last proxy of a route, and to it through those before.
//!
//! A way through proxies is a stack: the protocol of the last proxy over TLS to it, over the way to it, which is again a
//! way through proxies, shorter by one. Stages are made when a route is first as long.

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

/// So many proxies may stand one behind the other. Each is a stage that everything passes through, so that a way without
/// end would be a stack without end.
const MOST_PROXIES: usize = 16;

/// Ways through as many proxies as there are stages below it, and ways through fewer.
pub(super) struct Stage {
    /// The stages below lead to proxies, which are given bytes: no proxy before them may forward those as requests.
    leads_to_origins: bool,
    direct: Direct,
    surroundings: Surroundings,
    fallback: Fallback,
    below: OnceLock<Arc<Self>>,
    tunnels: OnceLock<Tunnels>,
}

/// What all ways to proxies have in common.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) tls: TlsConfig,
    pub(super) tunnels: tunnel::Settings,
    pub(super) resolver: AnyResolver,
    pub(super) runtime: Runtime,
    /// Counts whatever is opened, if anything does.
    pub(super) budget: Option<Arc<Budget>>,
}

/// Whatever connects where no proxy is in between.
pub(super) type Direct = Arc<dyn Fn(Target, Opening) -> Connecting<Box<dyn Io>> + Send + Sync>;

/// What is new when it is opened: counted, and perhaps in time.
pub(super) struct Opening {
    budget: Option<Arc<Budget>>,
    stall: Option<Duration>,
    runtime: Runtime,
}

/// A stage as a connector.
#[derive(Clone)]
struct By(Arc<Stage>);

impl Stage {
    pub(super) fn first(direct: Direct, surroundings: Surroundings, fallback: Fallback) -> Self {
        let (below, tunnels) = (OnceLock::new(), OnceLock::new());
        Self { leads_to_origins: true, direct, surroundings, fallback, below, tunnels }
    }

    /// One that leads to the proxies of this one.
    fn before(&self) -> Self {
        Self {
            leads_to_origins: false,
            direct: self.direct.clone(),
            surroundings: self.surroundings.clone(),
            fallback: self.fallback.clone(),
            below: OnceLock::new(),
            tunnels: OnceLock::new(),
        }
    }

    /// Requires each setting to be in its range.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.fallback.check()
    }

    /// By the route of the target.
    pub(super) fn reach(self: &Arc<Self>, target: Target) -> Connecting<Box<dyn Io>> {
        self.reach_within(target, None)
    }

    /// By the route of the target, if the last proxy of it, or the target itself where there is none, is reached in time.
    /// How long a proxy that was reached takes for the rest is another matter.
    fn reach_within(
        self: &Arc<Self>,
        mut target: Target,
        stall: Option<Duration>,
    ) -> Connecting<Box<dyn Io>> {
        match std::mem::take(&mut target.route) {
            Route::Proxies(proxies) if proxies.len() > MOST_PROXIES => {
                let (origin, length) = (&target.origin, proxies.len());
                let text =
                    format!("the way to {origin} has {length} proxies, {MOST_PROXIES} at most");
                Connecting::new(std::future::ready(Err(Error::builder(text))))
            }
            Route::Proxies(proxies) => match proxies.split_last() {
                Some((last, before)) => {
                    target.route = Route::through(before.iter().cloned());
                    self.through(last, target, stall)
                }
                None => self.directly(target, stall),
            },
            Route::FirstOf(routes) => self.first_of(routes, target),
            route => {
                target.route = route;
                self.directly(target, stall)
            }
        }
    }

    fn first_of(self: &Arc<Self>, routes: Arc<[Route]>, target: Target) -> Connecting<Box<dyn Io>> {
        let stage = self.clone();
        Connecting::new(async move {
            let runtime = &stage.surroundings.runtime;
            let reach = |way, stall| stage.reach_within(way, stall);
            stage.fallback.first_of(&routes, &target, runtime, reach).await
        })
    }

    /// The only way by which anything new is opened outside of what is open already, so room for it is made here.
    fn directly(&self, target: Target, stall: Option<Duration>) -> Connecting<Box<dyn Io>> {
        let Surroundings { budget, runtime, .. } = &self.surroundings;
        let (budget, runtime) = (budget.clone(), runtime.clone());
        (self.direct)(target, Opening { budget, stall, runtime })
    }

    /// Through this proxy, to which the target's route leads.
    fn through(
        self: &Arc<Self>,
        proxy: &Proxy,
        target: Target,
        stall: Option<Duration>,
    ) -> Connecting<Box<dyn Io>> {
        let proxy = proxy.clone();
        let runtime = self.surroundings.runtime.clone();
        let to_proxies = Patient { inner: self.to_proxies(), stall, runtime };
        match proxy.scheme() {
            ProxyScheme::Http | ProxyScheme::Https => {
                let forwards = proxy.forwards(target.origin.scheme(), target.protocols);
                if self.leads_to_origins && forwards {
                    return boxed(ForwardLayer::new(proxy).layer(to_proxies).call(target));
                }
                let tunnel = self.tunnels().open(&proxy, target, stall);
                let budget = self.surroundings.budget.clone();
                Connecting::new(async move {
                    let tunnel = tunnel.await?.boxed();
                    // It may run inside a connection that was idle until now, and must not be evicted for it.
                    make_room(budget).await;
                    Ok(tunnel)
                })
            }
            ProxyScheme::Socks4 | ProxyScheme::Socks4a => {
                let layer = Socks4Layer::new(proxy).resolver(self.surroundings.resolver.clone());
                boxed(layer.layer(to_proxies).call(target))
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => {
                let layer = Socks5Layer::new(proxy).resolver(self.surroundings.resolver.clone());
                boxed(layer.layer(to_proxies).call(target))
            }
        }
    }

    /// One set of connections to proxies for all tunnels from here.
    fn tunnels(self: &Arc<Self>) -> &Tunnels {
        let settings = &self.surroundings.tunnels;
        self.tunnels.get_or_init(|| Tunnels::over(self.to_proxies(), settings))
    }

    /// What reaches a proxy: TLS, if it is spoken with it, over ways that are shorter by that proxy.
    fn to_proxies(&self) -> Tls<By> {
        let below = self.below.get_or_init(|| Arc::new(self.before()));
        TlsLayer::new(self.surroundings.tls.clone()).layer(By(below.clone()))
    }
}

impl Service<Target> for By {
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

/// A connector that gives up in time, if there is a time.
#[derive(Clone)]
struct Patient<C> {
    inner: C,
    stall: Option<Duration>,
    runtime: Runtime,
}

impl<C: Connect<Target, Error = Error>> Service<Target> for Patient<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = Connecting::new(self.inner.call(target.clone()));
        connecting.within(self.stall, self.runtime.clone(), target)
    }
}

/// Forgets what connects, so that a stage has no type to carry along.
pub(super) fn erased<C, F>(
    connector: C,
    connect: impl Fn(C, Target) -> F + Copy + Send + Sync + 'static,
) -> Direct
where
    C: Clone + Send + 'static,
    F: Future<Output = Result<Connected<Box<dyn Io>>, Error>> + Send + 'static,
{
    // The lock lends `Sync` to a service that need only be `Send`; a clone is all that is done under it.
    let connector = Mutex::new(connector);
    Arc::new(move |target: Target, Opening { budget, stall, runtime }| {
        let connector = lock::lock(&connector).clone();
        Connecting::new(async move {
            make_room(budget).await;
            let outcome = runtime.within(stall, connect(connector, target.clone())).await;
            outcome.unwrap_or_else(|| Err(too_slow(stall, &target)))
        })
    })
}

/// Waits until there is room for what is new, if anything counts it. Mostly there is.
async fn make_room(budget: Option<Arc<Budget>>) {
    if let Some(budget) = budget
        && !budget.make_room_if_full()
    {
        Box::pin(budget.room()).await;
    }
}

/// One type for the bytes of all.
fn boxed<I: Io>(
    connecting: impl Future<Output = Result<Connected<I>, Error>> + Send + 'static,
) -> Connecting<Box<dyn Io>> {
    Connecting::new(async move { connecting.await.map(Connected::boxed) })
}
