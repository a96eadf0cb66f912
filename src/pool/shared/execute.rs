//! Executes the actions of the state machine after its lock is released, and reports their results.

use std::{
    io,
    sync::{Arc, Weak},
    time::Instant,
};

use http::Request;

use super::{Key, Lease, Pooled, Shared, WaiterSender, closed, dial::Dialing};
use crate::{
    connect::ConnectInfo,
    connection::{Connection, PoolSlot, SlotOwner},
    error::{Error, Kind},
    events::NoteKind,
    pool::{
        budget::HandOver,
        local_key::LocalKey,
        state::{Actions, ConnFacts, FailureScope, Handle, SlotId},
    },
    rt::RuntimeHandle,
};

pub(super) type ActionsOf<C, B, K> = Actions<LocalKey<K>, Pooled<C, B, K>, WaiterSender<C, B, K>>;

impl<C, B, K> Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    /// Foreign code, which may panic, runs last: what has not run by then undoes itself when dropped.
    pub(super) fn execute(
        self: &Arc<Self>,
        actions: ActionsOf<C, B, K>,
        hand_over: Option<HandOver>,
    ) {
        let Actions {
            dial,
            serve,
            reject,
            close,
            abort_handles,
            cancel,
            reap,
            notes,
            keys,
            options,
        } = actions;
        self.send_notes(notes.unwrap_or_default());
        // Tied together, so that they are dropped last, also if something below panics.
        let gone = (close, abort_handles, cancel, keys, options);
        let lease = |checkout| Lease::new(self.clone(), checkout);
        // Leases before anything that may panic: a dropped lease gives its connection back, a bare checkout would be lost.
        let serve = serve.map(|(waiter, checkout)| (waiter, lease(checkout)));
        for waiter in reject {
            drop(waiter.send(Err(closed())));
        }
        if let Some(reap) = reap {
            self.start_reap_timer(reap);
        }
        self.dials.begin(dial, |permit| Dialing::begin(self, permit));
        for (waiter, lease) in serve {
            let lease = lease.join().ok_or_else(closed_by_peer);
            // A waiter that left meanwhile drops the lease, which gives the connection back.
            drop(waiter.send(lease));
        }
        drop(hand_over);
        drop(gone);
    }

    /// Notes about connections go to the pool's listeners only.
    fn send_notes(&self, notes: Vec<(SlotId, NoteKind)>) {
        for (slot, what) in notes {
            let connection = self.connection_id(slot);
            self.settings.listeners.note(connection, what, &self.settings.runtime);
        }
    }

    pub(super) fn dialed(
        self: &Arc<Self>,
        slot: SlotId,
        mut connection: C,
        runtime: RuntimeHandle,
    ) -> Result<(), Error> {
        connection.timeouts(self.settings.timeouts);
        let owner: Weak<dyn SlotOwner> = self.me.clone();
        // May report streams or the end at once: the dialing slot keeps both for `dialed`.
        let pool_slot = connection.hold(PoolSlot::new(owner, slot));
        let is_shared = connection.share().is_some();
        let (protocol, abort_handle) =
            (connection.info().and_then(ConnectInfo::version), connection.abort_handle());
        let pooled = Pooled::new(connection, abort_handle.clone(), runtime, pool_slot);
        let handle = match is_shared {
            true => Handle::Shared(Arc::new(pooled)),
            false => Handle::Exclusive(Box::new(pooled)),
        };
        let facts = ConnFacts { retire_at: self.retire_at(), protocol, abort_handle };
        let refused = self.event(|state, cx| state.dialed(slot, handle, facts, cx));
        refused.map_err(|_closed| closed_by_peer())
    }

    pub(super) fn dial_failed(self: &Arc<Self>, slot: SlotId, error: Error, scope: FailureScope) {
        let waiters = self.event(|state, cx| state.dial_failed(slot, scope, cx));
        for waiter in waiters {
            drop(waiter.send(Err(error.clone())));
        }
    }

    /// Varies the age by a tenth, so that a fleet does not reconnect at the same time.
    fn retire_at(&self) -> Option<Instant> {
        use std::hash::{BuildHasher, RandomState};
        let max_age = self.settings.limits.max_age?;
        let random = RandomState::new().hash_one(()) % 1000;
        // `random` is in 0..1000, so the age is in 0.9..1.1 × `max_age`.
        let jitter = max_age / 10;
        let more = (jitter * 2 / 1000) * u32::try_from(random).unwrap_or(0);
        self.settings.runtime.now().checked_add((max_age - jitter).saturating_add(more))
    }
}

impl<C, B, K> SlotOwner for Shared<C, B, K>
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

/// The error of a connection that closed before its first request, as the protocols report it.
fn closed_by_peer() -> Error {
    let cause = io::Error::from(io::ErrorKind::UnexpectedEof);
    Error::new(Kind::Canceled, "the server closed the connection as soon as it was open")
        .because(cause)
}
