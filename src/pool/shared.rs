//! What all clones of a pool share: the state under its lock, and what carries out what it decides.
//!
//! Every change is one event: the state is told of it under the lock, and what has to be done because of it is done once the
//! lock is released. The two events of a usual request, which takes an idle connection and brings it back, have a way of
//! their own where nothing is to be done.

use std::{
    fmt,
    hash::Hash,
    marker::PhantomData,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use http::Request;
use tokio::sync::oneshot;

use super::{
    budget::Budget,
    cancel::Canceled,
    local_key::LocalKey,
    member::Member,
    settings::{Keys, Settings},
    state::{AtOnce, Counts, KeyId, PoolState, SlotId, Transition},
    uri_keys::UriKey,
};
use crate::{
    connection::Connection,
    error::{Error, Kind},
    events::{CloseReason, ConnectionId, NoteKind},
    lock,
    rt::Task,
};

mod dial;
mod execute;
mod lease;
mod reap;
mod waiting;

use dial::Dials;

pub(super) use dial::DialTask;

pub(super) use lease::{Lease, Pooled, Readiness};
pub(super) use waiting::Waiting;

/// What a pool keeps connections under: an alias, never implemented by hand. Errors name it by its `Display`.
pub trait Key: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static> Key for K {}

pub(super) struct Shared<C: Connection<Request<B>>, B: 'static, K: Key> {
    state: Mutex<StateOf<C, B, K>>,
    pub(super) settings: Settings,
    pub(super) keys: Keys<B, K>,
    pub(super) replay: fn(&B) -> Option<B>,
    make: Make<C, B, K>,
    /// Its own, once in a process.
    pub(super) number: u32,
    /// Of the URIs by which keys are found.
    hasher: RandomState,
    dials: Dials<LocalKey<K>>,
    pub(super) budget: Arc<Budget>,
    pub(super) me: Weak<Self>,
    request: PhantomData<fn(B)>,
}

type StateOf<C, B, K> = PoolState<LocalKey<K>, Pooled<C, B, K>, Waiter<C, B, K>>;
type TransitionOf<C, B, K> = Transition<LocalKey<K>, Pooled<C, B, K>, Waiter<C, B, K>>;
type Waiter<C, B, K> = oneshot::Sender<Result<Lease<C, B, K>, Error>>;
/// Makes the task of a dial, connector and all, in one allocation.
pub(super) type Make<C, B, K> = Arc<dyn Fn(DialTask<C, B, K>) -> Task + Send + Sync>;

impl<C, B, K> Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(
        settings: Settings,
        keys: Keys<B, K>,
        replay: fn(&B) -> Option<B>,
        make: Make<C, B, K>,
    ) -> Arc<Self> {
        let budget = settings.budget.clone();
        let budget = budget.unwrap_or_else(|| Budget::new(&settings.limits));
        let pool = Arc::new_cyclic(|me| Self {
            state: Mutex::new(PoolState::new(settings.limits.clone())),
            settings,
            keys,
            replay,
            make,
            number: next_number(),
            hasher: RandomState::default(),
            dials: Dials::new(),
            budget,
            me: me.clone(),
            request: PhantomData,
        });
        let member: Weak<dyn Member> = pool.me.clone();
        pool.budget.join(member);
        pool
    }

    /// What of a request names its key, if its URI alone does.
    fn uri_key<'a>(&self, request: &'a Request<B>) -> Option<UriKey<'a>> {
        if !(self.keys.is_by_uri)(request) {
            return None;
        }
        UriKey::new(request.uri(), self.settings.runtime.current_id()?, &self.hasher)
    }

    /// A connection for a request whose key another had that was spelled alike, if there is one and nothing else is to be
    /// decided.
    pub(super) fn checkout_by_uri(
        self: &Arc<Self>,
        request: &Request<B>,
    ) -> Option<Lease<C, B, K>> {
        let uri = self.uri_key(request)?;
        let checkout = self.at_once(|state, now| state.checkout_by_uri(&uri, now))?;
        Lease::new(self.clone(), checkout).join()
    }

    /// Lets the next request with this URI find the key of this one without making it.
    pub(super) fn remember_uri(
        &self,
        request: &Request<B>,
        key: &LocalKey<K>,
        lease: &Lease<C, B, K>,
    ) {
        let uri = self.uri_key(request).filter(|uri| uri.is_of(key.runtime.id()));
        if let (Some(uri), Some(key)) = (uri, lease.key_id()) {
            self.lock().remember_uri(&uri, key);
        }
    }

    /// A connection that can be had at once.
    pub(super) fn checkout(
        self: &Arc<Self>,
        key: &LocalKey<K>,
        request: &Request<B>,
    ) -> Option<Lease<C, B, K>> {
        let uri = self.uri_key(request).filter(|uri| uri.is_of(key.runtime.id()));
        loop {
            let checkout = self.event(|state, cx| {
                let checkout = state.checkout(key, cx)?;
                if let Some(uri) = &uri {
                    state.remember_uri(uri, checkout.key);
                }
                Some(checkout)
            })?;
            // `None` is a shared connection that was closed between the state and here.
            if let Some(lease) = Lease::new(self.clone(), checkout).join() {
                return Some(lease);
            }
        }
    }

    /// Whether its connections are for those of another pool.
    pub(super) fn is_beneath_another(&self) -> bool {
        self.settings.limits.is_counted_by_users
    }

    /// The name of a connection, for those who are told of it.
    pub(super) fn connection_id(&self, slot: SlotId) -> ConnectionId {
        ConnectionId::new(self.number, slot.seq)
    }

    fn returning(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.returning(slot, cx));
    }

    /// The rest of a dropped response is read, until the pool cancels that because the slot is needed.
    fn finishing(self: &Arc<Self>, slot: SlotId, is_endless: bool) -> Canceled {
        self.event(|state, cx| state.finishing(slot, is_endless, cx))
    }

    fn give_back(self: &Arc<Self>, slot: SlotId, pooled: Box<Pooled<C, B, K>>) {
        let keep_alive = pooled.keep_alive().map(less_a_margin);
        match self.at_once(|state, now| state.give_back_at_once(slot, pooled, keep_alive, now)) {
            Ok(()) => self.note_idle(slot),
            Err(pooled) => self.event(|state, cx| state.give_back(slot, pooled, keep_alive, cx)),
        }
    }

    fn discard(self: &Arc<Self>, slot: SlotId, reason: CloseReason) {
        self.event(|state, cx| state.discard(slot, reason, cx));
    }

    /// A shared connection is to take no requests until it says otherwise.
    fn suspend(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.streams(slot, None, cx));
    }

    /// A shared connection is to take no requests ever again.
    fn retire(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.retire(slot, cx));
    }

    fn release(self: &Arc<Self>, slot: SlotId) {
        match self.at_once(|state, now| state.release_at_once(slot, now)) {
            AtOnce::Done => {}
            AtOnce::Idle => self.note_idle(slot),
            AtOnce::Undecided => self.event(|state, cx| state.release(slot, cx)),
        }
    }

    /// The idle connections of a key are in doubt, because one of them had ended unseen.
    pub(super) fn distrust(self: &Arc<Self>, key: KeyId) {
        self.event(|state, cx| state.distrust(key, cx));
    }

    /// Takes no more requests and waits until the last connection is closed, of the pools too that share its budget, but
    /// not longer than `grace`: then it ends those that can be ended. Says whether all had finished.
    pub(super) async fn close(self: &Arc<Self>, grace: Duration) -> bool {
        let mut pools: Vec<Arc<dyn Member>> = vec![self.clone()];
        pools.extend(self.budget.others(self.number));
        pools.iter().for_each(|pool| pool.begin_to_close());
        let closed = self.budget.closed(&pools);
        let in_time = self.settings.runtime.within(Some(grace), closed).await.is_some();
        pools.iter().for_each(|pool| pool.abort());
        in_time
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&StateOf<C, B, K>) -> T) -> T {
        read(&self.lock())
    }

    /// Tells the state what happened, and does what it decides once its lock is released.
    pub(super) fn event<T>(
        self: &Arc<Self>,
        tell: impl FnOnce(&mut StateOf<C, B, K>, &mut TransitionOf<C, B, K>) -> T,
    ) -> T {
        let now = self.settings.runtime.now();
        let mut cx = Transition::new(now, self.settings.listeners.listener.is_some());
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

    /// Tells the state of an event of which nothing follows but that a connection is idle, or is so no longer.
    fn at_once<T>(&self, attempt: impl FnOnce(&mut StateOf<C, B, K>, Instant) -> T) -> T {
        let now = self.settings.runtime.now();
        let mut state = self.lock();
        let before = state.idle_len();
        let outcome = attempt(&mut state, now);
        let after = state.idle_len();
        self.budget.record_idle(before, after);
        drop(state);
        if before != after {
            self.budget.wake();
        }
        if before < after {
            self.budget.trim();
        }
        outcome
    }

    /// As the state notes it of a connection that becomes idle by an event of the general kind.
    fn note_idle(&self, slot: SlotId) {
        let Settings { listeners, runtime, .. } = &self.settings;
        if listeners.listener.is_some() {
            listeners.note(self.connection_id(slot), NoteKind::Idle, runtime);
        }
    }

    fn lock(&self) -> MutexGuard<'_, StateOf<C, B, K>> {
        lock::lock(&self.state)
    }
}

/// The connections of a pool that is gone go with it, and nobody will be there to tell.
impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Shared<C, B, K> {
    fn drop(&mut self) {
        let counts = self.lock().counts();
        self.budget.record(&counts, &Counts::default());
        self.budget.wake();
        let Settings { listeners, runtime, .. } = &self.settings;
        if listeners.listener.is_some() {
            let notes = self.lock().close_events(runtime.now());
            for (slot, what) in notes {
                listeners.note(self.connection_id(slot), what, runtime);
            }
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

fn closed() -> Error {
    Error::new(Kind::Closed, "the pool is closed")
}
