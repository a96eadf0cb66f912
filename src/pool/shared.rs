//! The part that all clones of a pool share: the state under its lock, and the execution of its decisions.
//!
//! Every change is one event: the state records it under the lock, and its actions are executed after the lock is
//! released. The two events of a usual request, taking an idle connection and giving it back, have a fast path for the case
//! without actions.

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
    budget::{Budget, HandOver},
    cancel::Canceled,
    local_key::LocalKey,
    member::Member,
    settings::{Keys, PoolSettings},
    state::{ConnCounts, KeyId, PoolState, ReleaseOutcome, SlotId, Transition},
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
mod queued;
mod reap;

use dial::DialStarter;
use execute::ActionsOf;

pub(super) use dial::DialTask;

pub(super) use lease::{Lease, Pooled, Readiness};
pub(super) use queued::QueuedRequest;

/// The key of pooled connections: a trait alias, never implemented by hand. Errors show its `Display`.
pub trait Key: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static {}

impl<K: Clone + Eq + Hash + fmt::Display + Send + Sync + 'static> Key for K {}

pub(super) struct Shared<C: Connection<Request<B>>, B: 'static, K: Key> {
    state: Mutex<StateOf<C, B, K>>,
    pub(super) settings: PoolSettings,
    pub(super) keys: Keys<B, K>,
    pub(super) replay: fn(&B) -> Option<B>,
    make: Make<C, B, K>,
    /// Unique in the process.
    pub(super) number: u32,
    /// Hashes URIs for `UriKeys`.
    hasher: RandomState,
    dials: DialStarter<LocalKey<K>>,
    pub(super) budget: Arc<Budget>,
    pub(super) me: Weak<Self>,
    request: PhantomData<fn(B)>,
}

type StateOf<C, B, K> = PoolState<LocalKey<K>, Pooled<C, B, K>, WaiterSender<C, B, K>>;
type TransitionOf<C, B, K> = Transition<LocalKey<K>, Pooled<C, B, K>, WaiterSender<C, B, K>>;
type WaiterSender<C, B, K> = oneshot::Sender<Result<Lease<C, B, K>, Error>>;
/// Makes the task of a dial, connector and all, in one allocation.
pub(super) type Make<C, B, K> = Arc<dyn Fn(DialTask<C, B, K>) -> Task + Send + Sync>;

impl<C, B, K> Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(
        settings: PoolSettings,
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
            dials: DialStarter::new(),
            budget,
            me: me.clone(),
            request: PhantomData,
        });
        let member: Weak<dyn Member> = pool.me.clone();
        pool.budget.join(member);
        pool
    }

    /// The parts of the URI that decide the key; `None` if more than the URI does.
    fn uri_key<'a>(&self, request: &'a Request<B>) -> Option<UriKey<'a>> {
        if !(self.keys.is_by_uri)(request) {
            return None;
        }
        UriKey::new(request.uri(), self.settings.runtime.current_id()?, &self.hasher)
    }

    /// A connection for a request whose URI was seen before with its key, if one is free and nothing else has to be
    /// decided.
    pub(super) fn checkout_by_uri(
        self: &Arc<Self>,
        request: &Request<B>,
    ) -> Option<Lease<C, B, K>> {
        let uri = self.uri_key(request)?;
        let checkout = self.fast_event(|state, now| state.checkout_by_uri(&uri, now))?;
        Lease::new(self.clone(), checkout).join()
    }

    /// Remembers the key of this URI, so that the next such request need not build it.
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

    /// A connection that is free now.
    pub(super) fn checkout(
        self: &Arc<Self>,
        key: &LocalKey<K>,
        request: &Request<B>,
    ) -> Option<Lease<C, B, K>> {
        // `uri_key` uses the current runtime; a key of another one must not be remembered for it.
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

    /// Whether this pool's connections carry those of another pool.
    pub(super) fn is_beneath_another(&self) -> bool {
        self.settings.limits.is_counted_by_users
    }

    /// The id that events show.
    pub(super) fn connection_id(&self, slot: SlotId) -> ConnectionId {
        ConnectionId::new(self.number, slot.seq)
    }

    fn returning(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.returning(slot, cx));
    }

    /// The rest of a dropped response is read, until the pool needs the slot and cancels.
    fn finishing(self: &Arc<Self>, slot: SlotId, is_endless: bool) -> Canceled {
        self.event(|state, cx| state.finishing(slot, is_endless, cx))
    }

    fn give_back(self: &Arc<Self>, slot: SlotId, pooled: Box<Pooled<C, B, K>>) {
        let keep_alive = pooled.keep_alive().map(less_a_margin);
        match self.fast_event(|state, now| state.give_back_fast(slot, pooled, keep_alive, now)) {
            Ok(()) => self.note_idle(slot),
            Err(pooled) => self.event(|state, cx| state.give_back(slot, pooled, keep_alive, cx)),
        }
    }

    fn discard(self: &Arc<Self>, slot: SlotId, reason: CloseReason) {
        self.event(|state, cx| state.discard(slot, reason, cx));
    }

    /// A shared connection takes no requests until it reports free streams again, or until `resume`.
    fn suspend(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.suspend(slot, cx));
    }

    /// Takes back `suspend`, unless the connection has reported since.
    fn resume(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.resume(slot, cx));
    }

    /// A shared connection takes no requests ever again.
    fn retire(self: &Arc<Self>, slot: SlotId) {
        self.event(|state, cx| state.retire(slot, cx));
    }

    fn release(self: &Arc<Self>, slot: SlotId) {
        match self.fast_event(|state, now| state.release_fast(slot, now)) {
            ReleaseOutcome::Done => {}
            ReleaseOutcome::Idle => self.note_idle(slot),
            ReleaseOutcome::Undecided => self.event(|state, cx| state.release(slot, cx)),
        }
    }

    /// Evicts the idle connections of a key, because one of them had closed unnoticed.
    pub(super) fn distrust(self: &Arc<Self>, key: KeyId) {
        self.event(|state, cx| state.distrust(key, cx));
    }

    /// Closes this pool and those that share its budget: takes no more requests and waits up to `grace` for the last
    /// connection, then aborts the rest. Returns whether all finished in time.
    pub(super) async fn close(self: &Arc<Self>, grace: Duration) -> bool {
        let mut pools: Vec<Arc<dyn Member>> = vec![self.clone()];
        pools.extend(self.budget.others(self.number));
        pools.iter().for_each(|pool| pool.begin_to_close());
        let closed = self.budget.closed(&pools);
        let in_time = self.settings.runtime.within(Some(grace), closed).await.is_some();
        // After the grace. In time this finds nothing open.
        pools.iter().for_each(|pool| pool.abort());
        in_time
    }

    pub(super) fn read<T>(&self, read: impl FnOnce(&StateOf<C, B, K>) -> T) -> T {
        read(&self.lock())
    }

    /// Applies an event under the lock, and executes the resulting actions after its release.
    pub(super) fn event<T>(
        self: &Arc<Self>,
        apply: impl FnOnce(&mut StateOf<C, B, K>, &mut TransitionOf<C, B, K>) -> T,
    ) -> T {
        let now = self.settings.runtime.now();
        let mut cx = Transition::new(now, self.settings.listeners.listener.is_some());
        let mut state = self.lock();
        let before = state.counts();
        let answer = apply(&mut state, &mut cx);
        // The runtime of the reap timer may not be driven: an overdue reap is done here.
        if let Some(reap) = state.overdue(now) {
            state.reap(reap, &mut cx);
        }
        let after = state.counts();
        // Added before `record` subtracts: the sum is never less than what is open.
        let hand_over = self.hand_over(&cx.actions);
        // Counted under the lock, so that the budget sees the events of this pool in order.
        self.budget.record(&before, &after);
        // No waker, foreign drop or callback runs under the lock.
        drop(state);
        if before != after {
            self.budget.wake();
        }
        if !cx.actions.is_empty() {
            self.execute(cx.actions, hand_over);
        }
        // May evict in this pool again, so it comes after the actions.
        if before.idle < after.idle {
            self.budget.trim();
        }
        answer
    }

    /// Connections that have left the counts of this pool for requests that may be gone before they arrive.
    fn hand_over(&self, actions: &ActionsOf<C, B, K>) -> Option<HandOver> {
        if !self.is_beneath_another() || actions.serve.is_empty() {
            return None;
        }
        Some(self.budget.hand_over(actions.serve.iter().count()))
    }

    /// Applies an event that at most makes a connection idle or ends that.
    fn fast_event<T>(&self, attempt: impl FnOnce(&mut StateOf<C, B, K>, Instant) -> T) -> T {
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

    /// The idle note, which on the general path the state writes.
    fn note_idle(&self, slot: SlotId) {
        let PoolSettings { listeners, runtime, .. } = &self.settings;
        if listeners.listener.is_some() {
            listeners.note(self.connection_id(slot), NoteKind::Idle, runtime);
        }
    }

    fn lock(&self) -> MutexGuard<'_, StateOf<C, B, K>> {
        lock::lock(&self.state)
    }
}

/// Dropping the pool drops its connections; their closing could not be reported later.
impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Shared<C, B, K> {
    fn drop(&mut self) {
        let counts = self.lock().counts();
        self.budget.record(&counts, &ConnCounts::default());
        self.budget.wake();
        let PoolSettings { listeners, runtime, .. } = &self.settings;
        if listeners.listener.is_some() {
            let notes = self.lock().close_events(runtime.now());
            for (slot, what) in notes {
                listeners.note(self.connection_id(slot), what, runtime);
            }
        }
    }
}

/// Closes before the server does, so that no request is sent just as the server closes.
fn less_a_margin(keep_alive: Duration) -> Duration {
    // At most half of it, so that a short time does not become zero.
    keep_alive - Duration::from_secs(1).min(keep_alive / 2)
}

fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    // Relaxed suffices: the number only has to be unique, and publishes nothing.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The name of a key in texts. Catches a panicking `Display`: some texts are made during a panic.
pub(super) fn name_of<K: fmt::Display + ?Sized>(key: &K) -> String {
    let name = std::panic::catch_unwind(AssertUnwindSafe(|| key.to_string()));
    name.unwrap_or_else(|_| "a key that cannot be displayed".to_owned())
}

fn closed() -> Error {
    Error::new(Kind::Closed, "the pool is closed")
}
