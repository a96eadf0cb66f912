//! The settings of a pool, as a layer.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Request;
use tower_layer::Layer;

use super::{
    budget::Budget,
    service::Pool,
    settings::{Keys, Limits, PoolSettings},
    shared::{DialTask, Key, Shared},
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

/// Makes a [`Pool`] from a service that makes connections.
///
/// `B` is the body of the requests, usually inferred; `K` is the key of connections.
///
/// # Errors
///
/// A setting outside of its documented range fails every request of the pool, before anything is connected to, with an
/// error for which [`Error::is_builder`] holds.
pub struct PoolLayer<B, K = Target> {
    settings: PoolSettings,
    keys: Keys<B, K>,
    replay: fn(&B) -> Option<B>,
}

impl<B: 'static> PoolLayer<B> {
    /// Pools connections by the [`Target`] of a request: its URI and the extensions that are part of it.
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
    /// Pools connections by a key of your own. Its `Eq` and `Hash` run under the pool's lock and must not use the pool.
    /// The key must contain everything that changes the peer or our identity towards it; the connector is given the key
    /// and nothing else.
    ///
    /// This pool uses HTTP/2 without TLS for all requests:
    ///
    /// ```
    /// use http::Request;
    /// use tower_transport::{Body, options::Protocols, pool::PoolLayer, target::Target};
    ///
    /// let layer = PoolLayer::keyed(|request: &Request<Body>| {
    ///     let mut target = Target::of(request)?;
    ///     target.protocols = Protocols::Http2PriorKnowledge;
    ///     Ok(target)
    /// });
    /// # drop(layer);
    /// ```
    pub fn keyed(key: impl Fn(&Request<B>) -> Result<K, Error> + Send + Sync + 'static) -> Self {
        Self { settings: PoolSettings::default(), keys: Keys::new(key), replay: body::replay }
    }

    /// Limits open connections, dials and closing ones included: 100 by default, which most processes have descriptors
    /// for.
    ///
    /// At the limit a request that needs a connection evicts, in this order: the connection idle for longest; one that only
    /// drains a dropped response; a dial without a waiter; a busy shared connection. The last is drained only for a key
    /// that has no connection, or has waited for its own for 1 s. A stream may last for days, so the pool waits 1 s for the
    /// drain to end and then uses the connection as before; it tries again after 1, 2, 4 and then every 8 s.
    ///
    /// A shared connection that its peer ends (GOAWAY), or that is too old, finishes its streams and takes no more. If that
    /// takes longer than 250 ms another connection may be opened in its place. At most `connections` of them are left out
    /// of the count, so there are never more than twice as many sockets.
    ///
    /// In a [`Transport`](crate::Transport), connections to proxies count too. A tunnel counts, and its proxy connection
    /// does not count again; a connection to an HTTP proxy without a tunnel (idle or closing) counts by itself. Without
    /// room for a new connection, the dial first closes the connection idle for longest, to a proxy or to an origin. A
    /// tunnel does not close the connection that it runs in.
    ///
    /// At least 1: with 0 every request fails, because nothing could be sent.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.limits.connections = connections;
        self
    }

    /// Limits the connections of each key, in each [runtime](crate::Transport#several-runtimes). By default only the total
    /// is limited. A shared connection that only finishes its streams does not count. At least 1.
    pub fn max_connections_per_host(mut self, connections: usize) -> Self {
        self.settings.limits.connections_per_key = connections;
        self
    }

    /// Limits idle connections: by default as many as may be open. Zero pools none. In a
    /// [`Transport`](crate::Transport), proxy connections without a tunnel are included. A connection whose peer allows no
    /// streams for now is not closed by this limit while requests wait for one.
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.settings.limits.idle = connections;
        self
    }

    /// Closes a connection that was idle for this long: 90 s by default, less if the server says so (`Keep-Alive:
    /// timeout`). A timer closes it, so no request is needed. `None` is no limit, zero pools none.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle_timeout = timeout.into();
        self
    }

    /// Retires a connection at this age, give or take a tenth: it takes no more requests but finishes those it has. No
    /// limit by default; a few minutes make changes of DNS visible. With zero each connection serves only the request
    /// that it was dialed for.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.max_age = age.into();
        self
    }

    /// Limits the requests of a connection; no limit by default. Zero acts as 1: each connection serves the request that
    /// it was dialed for.
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.settings.limits.requests = requests.into();
        self
    }

    /// Limits how many requests wait while every allowed connection is in use or is being dialed for another request; one
    /// more fails at once, with [`is_queue_full`](Error::is_queue_full). By default only the pool timeout bounds the queue.
    ///
    /// A request for which a connection is being dialed or returned does not count. So with zero each request gets a
    /// connection at once, gets a dial of its own, or fails. Until a host is known to speak HTTP/2 or not, its first dial
    /// is for all requests that wait for it; if it brings HTTP/1.1, those that it does not serve go on waiting.
    pub fn max_waiters(mut self, waiters: usize) -> Self {
        self.settings.limits.waiters = waiters;
        self
    }

    /// Whether a dial ends when no request waits for it any more. By default it goes on when the request that caused it is
    /// dropped, times out or is served by another connection, and its connection becomes idle: its cost is not lost, and
    /// the next request needs no dial.
    ///
    /// With this there are never more dials than waiting requests. Surplus dials are cancelled: the future is dropped, no
    /// request gets an error, and the slot is free as soon as that is done. A dial on which several requests count goes on
    /// until the last of them has left; one that connects at that very moment is closed.
    ///
    /// Use it where a connection is worth nothing without its request, or where silent peers must not hold sockets for the
    /// whole connect timeout: below another pool, for instance, as proxy connections are made for the tunnels of another
    /// pool. Do not use it where requests are often cancelled and repeated: a slow handshake would never finish.
    ///
    /// # Cancellation
    ///
    /// Dropping a waiting request cancels its dial, shortly afterwards, on the dial task.
    pub fn abandon_dials(mut self, abandon: bool) -> Self {
        self.settings.limits.abandon_dials = abandon;
        self
    }

    /// Declares for which keys a connection serves one request at a time for certain, so that the first requests dial in
    /// parallel. For other keys one dial serves all requests until its protocol is known, because a connection that can be
    /// shared makes further dials needless.
    ///
    /// By default no key of your own is exclusive. A [`Target`] is where only HTTP/1.1 can be spoken: `http` without prior
    /// knowledge of HTTP/2, and [`Protocols::Http1Only`](crate::options::Protocols::Http1Only).
    pub fn exclusive(mut self, is_exclusive: fn(&K) -> bool) -> Self {
        self.keys.is_exclusive = is_exclusive;
        self
    }

    /// Limits the wait for a connection, each dial, and everything together; read and write timeouts are passed to the
    /// [connections](Connection::timeouts). A request's own [`Timeouts`] take precedence.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// Adds one or more [`EventListener`](crate::events::EventListener)s of every request and every connection, next to
    /// those that are there already. None by default.
    pub fn listener(mut self, listener: impl Into<Listener>) -> Self {
        self.settings.listeners.add(listener.into());
        self
    }

    /// Whether every response has [`Timings`](crate::events::Timings): by default only if the request asks for them, because
    /// they cost a clock read and an entry for each step.
    pub fn timings(mut self, timings: bool) -> Self {
        self.settings.listeners.timed = timings;
        self
    }

    /// Sets the runtime of dials and timers: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.settings.runtime = runtime;
        self
    }

    /// Requires each setting to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings.check()
    }

    /// Replaces the key function.
    pub(crate) fn by(
        mut self,
        key: impl Fn(&Request<B>) -> Result<K, Error> + Send + Sync + 'static,
    ) -> Self {
        self.keys.of = Arc::new(key);
        self
    }

    /// Declares for which requests the scheme and the authority of the URI alone decide the key.
    pub(crate) fn by_uri(mut self, is_by_uri: fn(&Request<B>) -> bool) -> Self {
        self.keys.is_by_uri = is_by_uri;
        self
    }

    /// Shares its limits with the pools that are made [beneath](Self::beneath) it.
    pub(crate) fn with_budget(mut self) -> Self {
        self.settings.budget = Some(Budget::new(&self.settings.limits));
        self
    }

    /// The budget to wait for before a socket is opened beneath this pool; `None` if no other pool shares its limits.
    pub(crate) fn budget(&self) -> Option<Arc<Budget>> {
        self.settings.budget.clone()
    }

    /// A layer for the connections that carry those of this pool: with another key and no limit of its own. Those that carry
    /// nothing count in this pool's budget.
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
        let mut settings = PoolSettings { limits, ..self.settings.clone() };
        settings.listeners.is_beneath = true;
        PoolLayer { settings, keys: Keys::new(key), replay: self.replay }
    }

    /// Sets how a body is copied for a request that may be sent again. By default [`Body`](crate::Body)s and text are,
    /// others not.
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
        let PoolSettings { limits, timeouts, .. } = &self.settings;
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
    /// A pool of connections that `connect` makes with a clone of `make`.
    ///
    /// Erases the type of the connector, so that the pool's type names only the connection.
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
        // The mutex makes a service that is only `Send` `Sync`; only a clone is made under it.
        let make = Arc::new(Mutex::new(make));
        let make = Arc::new(move |dial: DialTask<C, B, K>| {
            let (make, connect) = (make.clone(), connect.clone());
            Task::new(dial.run(move |key| async move {
                let make = lock::lock(&make).clone();
                connect(make, key).await
            }))
        });
        // An invalid setting fails every request through its key.
        let keys = match self.check() {
            Ok(()) => self.keys.clone(),
            Err(error) => Keys::new(move |_| Err(error.clone())),
        };
        Pool::new(Shared::new(self.settings.clone(), keys, self.replay, make))
    }
}
