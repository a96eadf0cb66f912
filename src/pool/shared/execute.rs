//! Does what the state machine decides, once its lock is released; and tells it what comes of it.

use std::{
    io,
    sync::{Arc, Weak},
    time::Instant,
};

use http::Request;

use super::{Key, Lease, Pooled, Shared, Waiter, closed, dial::Dialing};
use crate::{
    connect::ConnectInfo,
    connection::{Connection, PoolSlot, SlotOwner},
    error::{Error, Kind},
    events::NoteKind,
    pool::{
        local_key::LocalKey,
        state::{Actions, ConnFacts, FailureScope, Handle, SlotId},
    },
    rt::RuntimeHandle,
};

type ActionsOf<C, B, K> = Actions<LocalKey<K>, Pooled<C, B, K>, Waiter<C, B, K>>;

impl<C, B, K> Shared<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    /// What is somebody else's, and so may panic, comes last: what is left then undoes itself.
    pub(super) fn execute(self: &Arc<Self>, actions: ActionsOf<C, B, K>) {
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
        let lease = |checkout| Lease::new(self.clone(), checkout);
        let serve = serve.map(|(waiter, checkout)| (waiter, lease(checkout)));
        for waiter in turn_away {
            drop(waiter.send(Err(closed())));
        }
        if let Some(at) = reap_at {
            self.reap_at(at);
        }
        self.dials.begin(dial, |permit| Dialing::begin(self, permit));
        for (waiter, lease) in serve {
            let lease = lease.join().ok_or_else(closed_by_peer);
            // A waiter that has left meanwhile gives it back by dropping it.
            drop(waiter.send(lease));
        }
        drop(gone);
    }

    /// Notes of connections are for the listeners of the pool alone.
    fn tell(&self, notes: Vec<(SlotId, NoteKind)>) {
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
        let keeper: Weak<dyn SlotOwner> = self.me.clone();
        let place = connection.hold(PoolSlot::new(keeper, slot));
        let is_shared = connection.share().is_some();
        let (protocol, cut) =
            (connection.info().and_then(ConnectInfo::version), connection.abort_handle());
        let pooled = Pooled::new(connection, cut.clone(), runtime, place);
        let handle = match is_shared {
            true => Handle::Shared(Arc::new(pooled)),
            false => Handle::Exclusive(Box::new(pooled)),
        };
        let known = ConnFacts { retire_at: self.retire_at(), protocol, cut };
        let refused = self.event(|state, cx| state.dialed(slot, handle, known, cx));
        refused.map_err(|_closed| closed_by_peer())
    }

    pub(super) fn dial_failed(self: &Arc<Self>, slot: SlotId, error: Error, scope: FailureScope) {
        let waiters = self.event(|state, cx| state.dial_failed(slot, scope, cx));
        for waiter in waiters {
            drop(waiter.send(Err(error.clone())));
        }
    }

    /// A tenth more or less, so that a fleet does not reconnect all at once.
    fn retire_at(&self) -> Option<Instant> {
        use std::hash::{BuildHasher, RandomState};
        let max_age = self.settings.limits.max_age?;
        let random = RandomState::new().hash_one(()) % 1000;
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

/// As the protocols say it of a connection that is closed before it gets a request.
fn closed_by_peer() -> Error {
    let cause = io::Error::from(io::ErrorKind::UnexpectedEof);
    Error::new(Kind::Canceled, "the server closed the connection as soon as it was open")
        .because(cause)
}
