//! What all clones of a pool share: the state under its lock, and the hands that do what the state decides.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    io,
    marker::PhantomData,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http::Request;
use tokio::sync::oneshot;

use super::{
    Limits,
    budget::Budget,
    cancel::Canceled,
    dial::{Dialing, Dials},
    lease::{Lease, Use},
    local_key::LocalKey,
    member::Member,
    state::{
        Actions, Checkout, ConnFacts, Counts, DialOptions, FailureScope, Handle, PoolState, Seq,
        SlotId, Ticket, Transition, WaitOptions,
    },
};
use crate::{
    connect::ConnectInfo,
    connection::{Connection, Cut, Place, PlaceKeeper},
    error::{BoxError, Error, Kind},
    events::{Audience, Closing, ConnectionId, Noted},
    options::Timeouts,
    rt::{Runtime, RuntimeHandle},
};

/// What a pool keeps connections under: an alias, never implemented by hand. Errors name it by its `Display`.
pub trait Key: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static> Key for K {}

pub(super) struct Shared<C: Connection<Request<B>>, B: 'static, K: Key> {
    state: Mutex<PoolStateOf<C, B, K>>,
    limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) audience: Audience,
    pub(super) runtime: Runtime,
    pub(super) key: KeyOf<B, K>,
    is_exclusive: fn(&K) -> bool,
    pub(super) replay: fn(&B) -> Option<B>,
    pub(super) make: Make<C, K>,
    /// Its own, once in a process.
    pub(super) number: u32,
    dials: Dials<LocalKey<K>>,
    pub(super) budget: Arc<Budget>,
    pub(super) me: Weak<Self>,
    request: PhantomData<fn(B)>,
}

type PoolStateOf<C, B, K> = PoolState<LocalKey<K>, Pooled<C>, Waiter<C, B, K>>;
type PoolTransition<C, B, K> = Transition<LocalKey<K>, Pooled<C>, Waiter<C, B, K>>;
type PoolActions<C, B, K> = Actions<LocalKey<K>, Pooled<C>, Waiter<C, B, K>>;
pub(super) type Waiter<C, B, K> = oneshot::Sender<Result<Lease<C, B, K>, Error>>;
pub(super) type KeyOf<B, K> = Arc<dyn Fn(&Request<B>) -> Result<K, Error> + Send + Sync>;
pub(super) type Make<C, K> = Arc<dyn Fn(K) -> Making<C> + Send + Sync>;
pub(super) type Making<C> = Pin<Box<dyn Future<Output = Result<C, BoxError>> + Send>>;

/// A connection, and what goes with it.
pub(super) struct Pooled<C> {
    pub(super) connection: C,
    /// Apart, because a connection is moved with each request that has it to itself.
    facts: Box<PooledFacts>,
}

struct PooledFacts {
    /// `None` when its bytes are somebody else's.
    cut: Option<Cut>,
    /// The one that drives it.
    runtime: RuntimeHandle,
    /// If the connection did not take it itself; it ends after the connection.
    _place: Option<Place>,
}

/// A connection whose runtime nobody may be driving does not end by itself.
impl<C> Drop for Pooled<C> {
    fn drop(&mut self) {
        let PooledFacts { cut, runtime, .. } = &mut *self.facts;
        if let Some(cut) = cut.take().filter(|_| runtime.is_foreign()) {
            cut.throw();
        }
    }
}

/// What a pool is made of, but for the connections.
pub(super) struct Settings<B, K> {
    pub(super) limits: Limits,
    pub(super) budget: Arc<Budget>,
    pub(super) timeouts: Timeouts,
    pub(super) audience: Audience,
    pub(super) runtime: Runtime,
    pub(super) key: KeyOf<B, K>,
    pub(super) is_exclusive: fn(&K) -> bool,
    pub(super) replay: fn(&B) -> Option<B>,
}

impl<C, B, K> Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(settings: Settings<B, K>, make: Make<C, K>) -> Arc<Self> {
        let Settings { limits, budget, timeouts, audience, runtime, key, is_exclusive, replay } =
            settings;
        let pool = Arc::new_cyclic(|me| Self {
            state: Mutex::new(PoolState::new(limits.clone())),
            limits,
            timeouts,
            audience,
            runtime,
            key,
            is_exclusive,
            replay,
            make,
            number: next_number(),
            dials: Dials::new(),
            budget,
            me: me.clone(),
            request: PhantomData,
        });
        let member: Weak<dyn Member> = pool.me.clone();
        pool.budget.join(member);
        pool
    }

    /// A connection that can be had at once.
    pub(super) fn checkout(self: &Arc<Self>, key: &LocalKey<K>) -> Option<Lease<C, B, K>> {
        loop {
            let checkout = self.event(|state, cx| state.checkout(key, cx))?;
            // `None` is a shared connection that was closed between the state and here.
            if let Some(lease) = self.hold(checkout).join() {
                return Some(lease);
            }
        }
    }

    /// A slot in the line.
    pub(super) fn wait(
        self: &Arc<Self>,
        key: &LocalKey<K>,
        again: Option<Seq>,
        options: DialOptions,
    ) -> Result<Waiting<C, B, K>, Error> {
        use super::state::NoWait;
        let (waiter, served) = oneshot::channel();
        // A key is a user's type: it is cloned and asked before the lock is taken.
        let ask = WaitOptions { again, options, is_exclusive: (self.is_exclusive)(&key.key) };
        let pooled = Arc::new(key.clone());
        let slot = self.event(|state, cx| state.wait(pooled, waiter, ask, cx));
        match slot {
            Ok(ticket) => {
                Ok(Waiting { served, _place: QueuePosition { pool: self.clone(), ticket } })
            }
            Err((NoWait::Closed, _)) => Err(closed()),
            Err((NoWait::QueueFull, _)) => {
                let (waiters, key) = (self.limits.waiters, name_of(key));
                let text = format!(
                    "waiting for a connection to {key}: every connection is in use, and \
                     max_waiters lets {waiters} requests wait"
                );
                Err(Error::new(Kind::QueueFull, text))
            }
        }
    }

    /// Whether its connections are for those of another pool.
    pub(super) fn is_beneath_another(&self) -> bool {
        self.limits.is_counted_by_users
    }

    /// The name of a connection, for those who are told of it.
    pub(super) fn connection_id(&self, slot: SlotId) -> ConnectionId {
        ConnectionId::new(self.number, slot)
    }

    pub(super) fn returning(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.returning(slot, cx));
    }

    /// The rest of a dropped response is read, until the pool says that the connection's slot is canceled.
    pub(super) fn finishing(self: &Arc<Self>, slot: SlotId, is_endless: bool) -> Canceled {
        self.event(|state, cx| state.finishing(slot, is_endless, cx))
    }

    pub(super) fn give_back(self: &Arc<Self>, slot: SlotId, pooled: Pooled<C>) {
        let keep_alive = pooled.connection.keep_alive().map(less_a_margin);
        self.event(|state, cx| state.give_back(slot, pooled, keep_alive, cx));
    }

    pub(super) fn discard(self: &Arc<Self>, slot: SlotId, mut pooled: Pooled<C>, why: Closing) {
        self.event(|state, cx| state.discard(slot, why, cx));
        if why == Closing::Upgraded {
            pooled.facts.cut = None;
        }
        drop(pooled);
    }

    /// A shared connection is to take no requests until it says otherwise.
    pub(super) fn suspend(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.streams(slot, None, cx));
    }

    /// A shared connection is to take no requests ever again.
    pub(super) fn retire(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.retire(slot, cx));
    }

    pub(super) fn release(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.release(slot, cx));
    }

    pub(super) fn distrust(self: &Arc<Self>, key: &LocalKey<K>) {
        self.event(|state, cx| state.distrust(key, cx));
    }

    /// Takes no more requests and waits until the last connection is closed, of the pools too that share its budget, but
    /// not longer than `grace`: then it ends those that can be ended. Says whether all had finished.
    pub(super) async fn close(self: &Arc<Self>, grace: Duration) -> bool {
        let mut pools: Vec<Arc<dyn Member>> = vec![self.clone()];
        pools.extend(self.budget.others(self.number));
        pools.iter().for_each(|pool| pool.begin_to_close());
        let in_time = self.runtime.within(Some(grace), self.budget.closed(&pools)).await.is_some();
        pools.iter().for_each(|pool| pool.abort());
        in_time
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&PoolStateOf<C, B, K>) -> T) -> T {
        read(&self.lock())
    }

    /// Tells the state what happened, and does what it decides once its lock is released.
    pub(super) fn event<T>(
        self: &Arc<Self>,
        tell: impl FnOnce(&mut PoolStateOf<C, B, K>, &mut PoolTransition<C, B, K>) -> T,
    ) -> T {
        let now = self.runtime.now();
        let mut cx = Transition::new(now, self.audience.listener.is_some());
        let mut state = self.lock();
        let before = state.counts();
        let answer = tell(&mut state, &mut cx);
        // The runtime that would have come is not driven.
        if let Some(at) = state.overdue(now) {
            state.reap(at, &mut cx);
        }
        let after = state.counts();
        self.budget.record(&before, &after);
        drop(state);
        if before != after {
            self.budget.wake();
        }
        if !cx.actions.is_empty() {
            self.execute(cx.actions);
        }
        if before.idle < after.idle {
            self.budget.trim();
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, PoolStateOf<C, B, K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is somebody else's, and so may panic, comes last: what is left then undoes itself.
    fn execute(self: &Arc<Self>, actions: PoolActions<C, B, K>) {
        let Actions {
            dial,
            serve,
            turn_away,
            close,
            forget,
            cancel,
            reap_at,
            notes,
            keys,
            options,
        } = actions;
        self.tell(notes.unwrap_or_default());
        let gone = (close, forget, cancel, keys, options);
        let serve = serve.into_iter().map(|(waiter, checkout)| (waiter, self.hold(checkout)));
        let serve: Vec<_> = serve.collect();
        for waiter in turn_away {
            drop(waiter.send(Err(closed())));
        }
        if let Some(at) = reap_at {
            self.reap_at(at);
        }
        self.dials.begin(dial, |permit| Dialing::begin(self, permit));
        for (waiter, lease) in serve {
            let lease = lease.join().ok_or_else(closed_by_peer);
            // Who has left meanwhile gives it back by dropping it.
            drop(waiter.send(lease));
        }
        drop(gone);
    }

    /// Of connections, which are nobody's but the pool's.
    fn tell(&self, notes: Vec<(SlotId, Noted)>) {
        for (slot, what) in notes {
            self.audience.note(self.connection_id(slot), what, &self.runtime);
        }
    }

    fn hold(self: &Arc<Self>, checkout: Checkout<Pooled<C>>) -> Lease<C, B, K> {
        let Checkout { slot, handle, served, reused, seq } = checkout;
        Lease::new(self.clone(), slot, handle.into(), Use { served, reused, seq })
    }

    pub(super) fn dialed(
        self: &Arc<Self>,
        slot: SlotId,
        mut connection: C,
        runtime: RuntimeHandle,
    ) -> Result<(), Error> {
        connection.timeouts(self.timeouts);
        let keeper: Weak<dyn PlaceKeeper> = self.me.clone();
        let kept_place = connection.hold(Place::new(keeper, slot));
        let is_shared = connection.share().is_some();
        let (protocol, cut) = (connection.info().and_then(ConnectInfo::version), connection.cut());
        let facts = PooledFacts { cut: cut.clone(), runtime, _place: kept_place };
        let pooled = Pooled { connection, facts: Box::new(facts) };
        let handle = match is_shared {
            true => Handle::Shared(Arc::new(pooled)),
            false => Handle::Exclusive(pooled),
        };
        let known = ConnFacts { retire_at: self.retire_at(), protocol, cut };
        let refused = self.event(|state, cx| state.dialed(slot, handle, known, cx));
        refused.map_err(|_closed| closed_by_peer())
    }

    pub(super) fn dial_failed(self: &Arc<Self>, slot: SlotId, error: Error, scope: FailureScope) {
        let told = self.event(|state, cx| state.dial_failed(slot, scope, cx));
        for waiter in told {
            drop(waiter.send(Err(error.clone())));
        }
    }

    /// A tenth more or less, so that a fleet does not reconnect all at once.
    fn retire_at(&self) -> Option<Instant> {
        use std::hash::{BuildHasher, RandomState};
        let max_age = self.limits.max_age?;
        let random = RandomState::new().hash_one(()) % 1000;
        let jitter = max_age / 10;
        let more = (jitter * 2 / 1000) * u32::try_from(random).unwrap_or(0);
        self.runtime.now().checked_add((max_age - jitter).saturating_add(more))
    }

    fn reap_at(self: &Arc<Self>, at: Instant) {
        self.reap_on(self.runtime.current(), at, false);
    }

    fn reap_on(self: &Arc<Self>, on: RuntimeHandle, at: Instant, has_moved: bool) {
        let (runtime, pool) = (self.runtime.clone(), self.me.clone());
        let appointment = ReapTimer { pool, at, on: on.clone(), has_moved, is_kept: false };
        self.runtime.spawn_on(&on, async move {
            runtime.sleep(at.saturating_duration_since(runtime.now())).await;
            appointment.keep();
        });
    }

    /// Another runtime than this one, that still runs, of an idle connection.
    fn other_runtime(&self, than: &RuntimeHandle) -> Option<RuntimeHandle> {
        self.read(|state| {
            let idle = state.rows().filter(|row| row.idle_since.is_some());
            let mut runtimes = idle.map(|row| row.key.runtime.clone());
            runtimes.find(|runtime| runtime != than && !runtime.has_ended())
        })
    }
}

impl<C, B, K> PlaceKeeper for Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn streams(&self, slot: SlotId, streams: Option<usize>) {
        if let Some(pool) = self.me.upgrade() {
            pool.event(|state, cx| state.streams(slot, streams, cx));
        }
    }

    fn retired(&self, slot: SlotId) {
        if let Some(pool) = self.me.upgrade() {
            pool.retire(slot);
        }
    }

    fn closed(&self, slot: SlotId) {
        if let Some(pool) = self.me.upgrade() {
            pool.event(|state, cx| state.closed(slot, cx));
        }
    }
}

/// The connections of a pool that is gone go with it, and nobody will be there to tell.
impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Shared<C, B, K> {
    fn drop(&mut self) {
        let counts = self.lock().counts();
        self.budget.record(&counts, &Counts::default());
        self.budget.wake();
        if self.audience.listener.is_some() {
            let now = self.runtime.now();
            let notes = self.lock().close_events(now);
            for (slot, what) in notes {
                let connection = ConnectionId::new(self.number, slot);
                self.audience.note(connection, what, &self.runtime);
            }
        }
    }
}

/// Someone in the line: the slot in it is left when this is dropped, and what was served meanwhile is given back.
pub(super) struct Waiting<C: Connection<Request<B>>, B: 'static, K: Key> {
    pub(super) served: oneshot::Receiver<Result<Lease<C, B, K>, Error>>,
    _place: QueuePosition<C, B, K>,
}

struct QueuePosition<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    ticket: Ticket,
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for QueuePosition<C, B, K> {
    fn drop(&mut self) {
        let left = self.pool.event(|state, cx| state.leave(self.ticket, cx));
        drop(left);
    }
}

/// The time at which idle connections are looked at next. A runtime that ends before hands it on to another, once.
struct ReapTimer<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Weak<Shared<C, B, K>>,
    at: Instant,
    on: RuntimeHandle,
    has_moved: bool,
    is_kept: bool,
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> ReapTimer<C, B, K> {
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for ReapTimer<C, B, K> {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.is_kept {
            return pool.event(|state, cx| state.reap(self.at, cx));
        }
        match pool.other_runtime(&self.on).filter(|_| !self.has_moved) {
            Some(other) => pool.reap_on(other, self.at, true),
            None => pool.event(|state, _| state.cancel_reap(self.at)),
        }
    }
}

/// A request must not leave here just when the server closes there.
fn less_a_margin(keep_alive: Duration) -> Duration {
    keep_alive - Duration::from_secs(1).min(keep_alive / 2)
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The name of a key in texts. A `Display` that panics must not: some of these texts are made while a panic is under way.
pub(super) fn name_of<K: fmt::Display + ?Sized>(key: &K) -> String {
    let name = std::panic::catch_unwind(AssertUnwindSafe(|| key.to_string()));
    name.unwrap_or_else(|_| "a key that cannot be displayed".to_owned())
}

pub(super) fn closed() -> Error {
    Error::new(Kind::Closed, "the pool is closed")
}

/// As the protocols say it of a connection that is closed before it gets a request.
fn closed_by_peer() -> Error {
    let cause = io::Error::from(io::ErrorKind::UnexpectedEof);
    Error::new(Kind::Canceled, "the server closed the connection as soon as it was open")
        .because(cause)
}
