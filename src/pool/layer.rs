//! The layer and the service: settings in, a service of requests out.

use std::{
    fmt,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    body::PoolBody,
    budget::Budget,
    checkout::Checkout,
    settings::{Keys, Limits, Settings},
    shared::{DialTask, Key, Shared},
    stats::Stats,
};
use crate::{
    body,
    connect::MakeConnection,
    connection::Connection,
    error::{BoxError, Error},
    events::Listener,
    lock,
    options::Timeouts,
    rt::{Runtime, Task},
    target::Target,
};

/// Makes a [`Pool`] of whatever makes connections.
///
/// `B` is the body of the requests, which the compiler finds out; `K` is what connections are kept under.
///
/// # Errors
///
/// A value outside of its range, as each setter says it, makes every request of the pool fail, before anything is
/// connected to, with an error for which [`Error::is_builder`] holds.
pub struct PoolLayer<B, K = Target> {
    settings: Settings,
    keys: Keys<B, K>,
    replay: fn(&B) -> Option<B>,
}

impl<B: 'static> PoolLayer<B> {
    /// Keeps connections by the [`Target`] of a request: its URI and the extensions that are part of it.
    pub fn new() -> Self {
        Self::keyed(Target::of).by_uri(Target::is_by_uri).exclusive(Target::is_exclusive)
    }
}

impl<B: 'static> Default for PoolLayer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: 'static, K: Key> PoolLayer<B, K> {
    /// Keeps connections by a key of your own, whose `Eq` and `Hash` must not use the pool: they are called under its lock.
    /// Whatever changes who is at the other end, or who we are to them, must be
    /// part of it; the connector is given the key and nothing else.
    pub fn keyed(key: impl Fn(&Request<B>) -> Result<K, Error> + Send + Sync + 'static) -> Self {
        Self { settings: Settings::default(), keys: Keys::new(key), replay: body::replay }
    }

    /// How many connections may be open at once, dials and closing ones included: 100 by default, as many as most
    /// processes have descriptors to spare.
    ///
    /// At the limit something gives way to a request that lacks a connection, in this order: the connection that has been
    /// idle longest; one on which only the rest of a dropped response is read; a dial whose request was given up; a busy
    /// shared connection. That last one is asked to finish its streams only for a key that has no connection, or has waited
    /// for its own for a second. A stream may go on for days, so the pool waits a second for the end, and then uses the
    /// connection as before; it tries again after 1, 2, 4 and then every 8 s.
    ///
    /// A shared connection that its peer ends (GOAWAY), or that is too old, finishes its streams and takes no more. While
    /// they go on it does not keep others from being served: after 250 ms another connection may be opened in its place.
    /// Not more than `connections` of them are left out of the count, so that there are never more than twice as many
    /// sockets.
    ///
    /// In a [`Transport`](crate::Transport), connections to proxies count, too. A tunnel counts, and what carries it does not
    /// again; a connection to an HTTP proxy that carries no tunnel, because it is idle, or closing, counts by itself. Where
    /// there is no room for a new connection, the dial closes what is idle longest, to a proxy or to an origin, before it
    /// opens anything. A tunnel does not close the connection that it runs in.
    ///
    /// At least 1: with 0 every request fails, because nothing could be sent.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.limits.connections = connections;
        self
    }

    /// The same for each host, which is a key of the pool, in each [runtime](crate::Transport#several-runtimes). By
    /// default there is no limit below the total. A shared connection that takes no more requests and only finishes
    /// its streams does not count. At least 1.
    pub fn max_connections_per_host(mut self, connections: usize) -> Self {
        self.settings.limits.connections_per_key = connections;
        self
    }

    /// How many connections may be idle: by default as many as may be open. Zero keeps none. In a
    /// [`Transport`](crate::Transport), those to proxies that carry no tunnel are among them.
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.settings.limits.idle = connections;
        self
    }

    /// How long a connection may be idle: 90 s by default, less where the server says so (`Keep-Alive: timeout`). It
    /// is closed then even if no request comes by. `None` is for ever, zero keeps none.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle_timeout = timeout.into();
        self
    }

    /// How old a connection may be, give or take a tenth, before it takes no more requests; what it has begun it
    /// finishes. By default there is no limit; a few minutes let changes of DNS be seen. With zero each serves
    /// the request that it was made for.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.max_age = age.into();
        self
    }

    /// How many requests a connection may serve; by default there is no limit. Zero is as 1: each serves the
    /// request that it was made for.
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.settings.limits.requests = requests.into();
        self
    }

    /// How many requests may wait while every connection that may be open is in use or being made for another; one
    /// more fails at once, with [`is_queue_full`](Error::is_queue_full). By default only the pool timeout bounds the line.
    ///
    /// A request for which a connection is being made or is coming back does not count. So zero means that requests do not
    /// wait for others: each has a connection at once, or one that is dialed for it, or fails. While it is not known yet
    /// whether a host speaks HTTP/2, its first dial is for all requests that wait for it; if it brings HTTP/1.1, those that
    /// it does not serve go on waiting.
    pub fn max_waiters(mut self, waiters: usize) -> Self {
        self.settings.limits.waiters = waiters;
        self
    }

    /// Whether a dial ends when nobody waits for it any more. By default it goes on when the request that caused it is
    /// dropped, times out or is served by another connection, and its connection becomes idle: what it has cost is not
    /// lost, and the next request needs none.
    ///
    /// With this there are never more dials than requests that wait. What is beyond that is cancelled: its future is
    /// dropped, nobody is told, and its place is free as soon as that has been done. A dial on which several requests
    /// count goes on until the last of them has left, and one that has connected at that very moment is closed.
    ///
    /// Use it where a connection is worth nothing without its request, or where silent peers must not hold sockets
    /// for as long as the connect timeout lets them: below a pool that decides by itself what to keep, say, as
    /// connections to a proxy are made for the tunnels of another pool. Do not use it where requests are often
    /// cancelled and come again: no slow handshake would ever come to its end.
    ///
    /// # Cancellation
    ///
    /// To drop a request that waits cancels its dial in the task in which that runs, shortly afterwards.
    pub fn abandon_dials(mut self, abandon: bool) -> Self {
        self.settings.limits.abandon_dials = abandon;
        self
    }

    /// Says for which keys a connection is certain to serve one request at a time, so that the first requests dial in
    /// parallel. For other keys one dial serves all requests until it is known what it brings, because a connection
    /// that can be shared makes the others needless.
    ///
    /// By default that is nowhere certain for keys of your own. For [`Target`]s it is certain where only HTTP/1.1 can be
    /// spoken: `http` without prior knowledge of HTTP/2, and [`Protocols::Http1Only`](crate::options::Protocols::Http1Only).
    pub fn exclusive(mut self, is_exclusive: fn(&K) -> bool) -> Self {
        self.keys.is_exclusive = is_exclusive;
        self
    }

    /// How long a request waits for a connection, how long a dial may take, and everything together; reading and writing
    /// are for the [connections](Connection::timeouts), which are told. A request's own [`Timeouts`] go before them.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Tells this [`EventListener`](crate::events::EventListener), or these, of every request and every connection; those
    /// that are there already are told, too. By default nobody is told.
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.settings.listeners.add(listener.into());
        self
    }

    /// Whether every response has [`Timings`](crate::events::Timings): by default only where the request asks for them,
    /// because they cost a clock read and an entry for each step.
    pub fn timings(mut self, timings: bool) -> Self {
        self.settings.listeners.timed = timings;
        self
    }

    /// Where dials and timers run: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings.runtime = runtime;
        self
    }

    /// Requires each setting to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()
    }

    /// Keeps connections by another key of the same kind.
    pub(crate) fn by(
        mut self,
        key: impl Fn(&Request<B>) -> Result<K, Error> + Send + Sync + 'static,
    ) -> Self {
        self.keys.of = Arc::new(key);
        self
    }

    /// Says for which requests the scheme and the authority of the URI alone decide on the key.
    pub(crate) fn by_uri(mut self, is_by_uri: fn(&Request<B>) -> bool) -> Self {
        self.keys.is_by_uri = is_by_uri;
        self
    }

    /// Keeps to its limits together with the pools that are made [beneath](Self::beneath) it.
    pub(crate) fn with_budget(mut self) -> Self {
        self.settings.budget = Some(Budget::new(&self.settings.limits));
        self
    }

    /// What is waited for before anything is opened beneath this pool, if others keep to its limits, too.
    pub(crate) fn budget(&self) -> Option<Arc<Budget>> {
        self.settings.budget.clone()
    }

    /// The same for what carries the connections of this pool: by another key, and as many as are asked for. Those that
    /// carry nothing count in this pool.
    pub(crate) fn beneath<L: Key>(
        &self,
        key: impl Fn(&Request<B>) -> Result<L, Error> + Send + Sync + 'static,
    ) -> PoolLayer<B, L> {
        let all = usize::MAX;
        let limits = Limits {
            connections: all,
            connections_per_key: all,
            waiters: all,
            is_counted_by_users: true,
            ..self.settings.limits.clone()
        };
        let settings = Settings { limits, ..self.settings.clone() };
        PoolLayer { settings, keys: Keys::new(key), replay: self.replay }
    }

    /// How a body is had a second time, for a request that may be sent again. By default [`Body`](crate::Body)s and
    /// text can be, others not.
    pub fn replay(mut self, replay: fn(&B) -> Option<B>) -> Self {
        self.replay = replay;
        self
    }
}

impl<B, K> Clone for PoolLayer<B, K> {
    fn clone(&self) -> Self {
        let Self { settings, keys, replay } = self;
        Self { settings: settings.clone(), keys: keys.clone(), replay: *replay }
    }
}

impl<B, K> fmt::Debug for PoolLayer<B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { limits, timeouts, .. } = &self.settings;
        let mut out = f.debug_struct("PoolLayer");
        out.field("limits", limits).field("timeouts", timeouts).finish_non_exhaustive()
    }
}

impl<M, B, K> Layer<M> for PoolLayer<B, K>
where
    M: MakeConnection<K, Request<B>> + Clone + Send + 'static,
    B: 'static,
    K: Key,
{
    type Service = Pool<M::Response, B, K>;

    fn layer(&self, make: M) -> Self::Service {
        self.over(make, |mut make, key| async move {
            std::future::poll_fn(|cx| make.poll_ready(cx)).await.map_err(Into::<BoxError>::into)?;
            make.call(key).await.map_err(Into::into)
        })
    }
}

impl<B: 'static, K: Key> PoolLayer<B, K> {
    /// A pool of what `connect` makes by a clone of `make`.
    ///
    /// What makes the connections is forgotten here, so that a pool's type names only what it keeps.
    pub(crate) fn over<M, C, F>(
        &self,
        make: M,
        connect: impl Fn(M, K) -> F + Clone + Send + Sync + 'static,
    ) -> Pool<C, B, K>
    where
        M: Clone + Send + 'static,
        C: Connection<Request<B>>,
        F: Future<Output = Result<C, BoxError>> + Send + 'static,
    {
        // The lock lends `Sync` to a service that need only be `Send`; a clone is all that is done under it.
        let make = Arc::new(Mutex::new(make));
        let make = Arc::new(move |dial: DialTask<C, B, K>| {
            let (make, connect) = (make.clone(), connect.clone());
            Task::new(dial.run(move |key| async move {
                let make = lock::lock(&make).clone();
                connect(make, key).await
            }))
        });
        // Nothing is looked for under a key that is an error.
        let keys = match self.check() {
            Ok(()) => self.keys.clone(),
            Err(error) => Keys::new(move |_| Err(error.clone())),
        };
        Pool { shared: Shared::new(self.settings.clone(), keys, self.replay, make) }
    }
}

/// A service of requests that keeps its connections.
///
/// Clones share one pool. `Debug` prints `2 active, 1 idle, 3 waiting`.
pub struct Pool<C, B, K = Target>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    shared: Arc<Shared<C, B, K>>,
}

impl<C, B, K> Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    /// What there is at this moment.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.shared)
    }

    /// Takes no more requests, closes what is idle, and waits until the rest has finished, but not longer than `grace`:
    /// then what is still open is cut off. Requests that wait for a connection get an error for which
    /// [`Error::is_closed`] holds. Says whether all had finished.
    ///
    /// # Cancellation
    ///
    /// The pool stays closed; only the waiting ends.
    pub async fn close(&self, grace: Duration) -> bool {
        self.shared.close(grace).await
    }
}

impl<C, B, K, RB> Service<Request<B>> for Pool<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    type Response = Response<PoolBody<RB>>;
    type Error = Error;
    type Future = Checkout<C, B, K>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Checkout::new(self.shared.clone(), request)
    }
}

impl<C, B, K> Clone for Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C, B, K> fmt::Debug for Pool<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.stats();
        let (active, idle) = (stats.active_connections(), stats.idle_connections());
        write!(f, "Pool({active} active, {idle} idle, {} waiting)", stats.queued)
    }
}
