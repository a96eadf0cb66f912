//! One request's hold on a connection: at its end the connection is returned or discarded.
//!
//! A connection has one box, from its dial to its end. The owner of the box owns the connection: the state machine while it
//! is idle, a [`Lease`] during a request, the response body until it is read. Only the box moves.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::Request;

use super::{Key, Shared};
use crate::{
    connect::ConnectInfo,
    connection::{AbortHandle, Connection, PoolSlot},
    error::Error,
    events::{CloseReason, ConnectionId},
    pool::{
        cancel::Canceled,
        state::{CheckedOut, Handle, KeyId, Seq, SlotId},
    },
    rt::RuntimeHandle,
};

/// How long a protocol may take to be ready again after a body has ended. Usually its task needs one more turn; only an
/// upload that still runs takes longer, and is not waited for.
const RETURN_TIME: Duration = Duration::from_millis(100);

/// A connection with its facts. Fields drop in this order: the slot ends after the connection.
pub(in crate::pool) struct Pooled<C: Connection<Request<B>>, B: 'static, K: Key> {
    connection: ConnHandle<C, B, K>,
    facts: Facts,
    /// The request that uses it; `None` while idle, so that an idle connection does not keep its pool alive.
    lease_state: Option<LeaseState<C, B, K>>,
}

enum ConnHandle<C: Connection<Request<B>>, B: 'static, K: Key> {
    /// An exclusive connection, or a handle of a shared one.
    Own(C),
    /// A stream of a shared connection whose handle is not cloned yet.
    Stream(Arc<Pooled<C, B, K>>),
    Released,
}

/// Constant facts. A handle of a shared connection has only the runtime.
struct Facts {
    /// `None` once its bytes belong to an upgrade.
    abort_handle: Option<AbortHandle>,
    /// The runtime that drives it.
    runtime: RuntimeHandle,
    /// `None` if the connection took it.
    _slot: Option<PoolSlot>,
}

/// One request's use of a connection.
struct LeaseState<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    slot: SlotId,
    key: KeyId,
    served: u64,
    seq: Seq,
    reused: bool,
    is_shared: bool,
    /// A request was sent: the connection is reusable only after the end of its response.
    begun: bool,
}

/// Owns the box. On drop the connection is given back or discarded.
pub(in crate::pool) struct Lease<C: Connection<Request<B>>, B: 'static, K: Key> {
    pooled: Option<Box<Pooled<C, B, K>>>,
}

/// Whether a connection can take a request.
pub(in crate::pool) enum Readiness {
    Ready,
    /// It takes requests, but may be dead: prefer another.
    Suspect,
    Closed(Error),
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Pooled<C, B, K> {
    pub(in crate::pool) fn new(
        connection: C,
        abort_handle: Option<AbortHandle>,
        runtime: RuntimeHandle,
        pool_slot: Option<PoolSlot>,
    ) -> Self {
        let facts = Facts { abort_handle, runtime, _slot: pool_slot };
        Self { connection: ConnHandle::Own(connection), facts, lease_state: None }
    }

    /// Shared access for queries, not for sending.
    fn get(&self) -> Option<&C> {
        match &self.connection {
            ConnHandle::Own(connection) => Some(connection),
            ConnHandle::Stream(pooled) => pooled.get(),
            ConnHandle::Released => None,
        }
    }

    /// Tells the pool that the connection will not return. It closes when this is dropped.
    fn discard(&mut self, why: CloseReason) {
        if let Some(LeaseState { pool, slot, .. }) = self.lease_state.take() {
            pool.discard(slot, why);
        }
    }

    pub(in crate::pool) fn keep_alive(&self) -> Option<Duration> {
        self.get()?.keep_alive()
    }
}

/// Ends the request. A connection of a foreign runtime is aborted, because that runtime may not be driven.
impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Pooled<C, B, K> {
    fn drop(&mut self) {
        match self.lease_state.take() {
            Some(LeaseState { pool, slot, is_shared: true, .. }) => {
                // The stream is dropped before the state counts it free.
                self.connection = ConnHandle::Released;
                pool.release(slot);
            }
            Some(LeaseState { pool, slot, .. }) => pool.discard(slot, CloseReason::Unfinished),
            None => {}
        }
        if let Some(abort_handle) =
            self.facts.abort_handle.take().filter(|_| self.facts.runtime.is_foreign())
        {
            abort_handle.abort();
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Lease<C, B, K> {
    pub(in crate::pool) fn new(
        pool: Arc<Shared<C, B, K>>,
        checkout: CheckedOut<Pooled<C, B, K>>,
    ) -> Self {
        let CheckedOut { slot, key, handle, served, reused, seq } = checkout;
        let is_shared = matches!(handle, Handle::Shared(_));
        let mut pooled = match handle {
            Handle::Exclusive(pooled) => pooled,
            Handle::Shared(shared) => {
                let runtime = shared.facts.runtime.clone();
                let facts = Facts { abort_handle: None, runtime, _slot: None };
                Box::new(Pooled {
                    connection: ConnHandle::Stream(shared),
                    facts,
                    lease_state: None,
                })
            }
        };
        let lease_state =
            LeaseState { pool, slot, key, served, seq, reused, is_shared, begun: false };
        pooled.lease_state = Some(lease_state);
        Self { pooled: Some(pooled) }
    }

    /// Clones a shared handle; `None` if it closed since checkout.
    pub(in crate::pool) fn join(mut self) -> Option<Self> {
        let pooled = self.pooled.as_mut()?;
        if let ConnHandle::Stream(shared) = &pooled.connection {
            let Some(handle) = shared.get().and_then(C::share) else {
                let lease_state = pooled.lease_state.as_ref()?;
                lease_state.pool.retire(lease_state.slot);
                return None;
            };
            pooled.connection = ConnHandle::Own(handle);
        }
        Some(self)
    }

    fn lease_state(&self) -> Option<&LeaseState<C, B, K>> {
        self.pooled.as_ref()?.lease_state.as_ref()
    }

    fn begun(&mut self) -> Option<&mut bool> {
        self.pooled.as_mut()?.lease_state.as_mut().map(|lease_state| &mut lease_state.begun)
    }

    fn connection(&mut self) -> Option<&mut C> {
        match &mut self.pooled.as_mut()?.connection {
            ConnHandle::Own(connection) => Some(connection),
            ConnHandle::Stream(_) | ConnHandle::Released => None,
        }
    }

    fn get(&self) -> Option<&C> {
        self.pooled.as_ref()?.get()
    }

    /// The connection's facts, for the response to this request.
    pub(in crate::pool) fn info(&self) -> Option<ConnectInfo> {
        Some(self.get()?.info()?.after(self.served()))
    }

    /// Whether the request may have to be sent again, and the connection would not return it on failure.
    pub(in crate::pool) fn needs_a_copy(&self, request: &Request<B>) -> bool {
        let may_fail = |it: &C| self.is_reused() || it.may_refuse();
        self.get().is_some_and(|it| may_fail(it) && !it.gives_back(request))
    }

    pub(in crate::pool) fn key_id(&self) -> Option<KeyId> {
        self.lease_state().map(|lease_state| lease_state.key)
    }

    pub(in crate::pool) fn id(&self) -> Option<ConnectionId> {
        self.lease_state().map(|lease_state| lease_state.pool.connection_id(lease_state.slot))
    }

    /// The runtime that drives the connection.
    pub(in crate::pool) fn runtime(&self) -> Option<&RuntimeHandle> {
        self.pooled.as_ref().map(|pooled| &pooled.facts.runtime)
    }

    /// Reads the rest of the response in the background, until canceled.
    pub(in crate::pool) fn finishing(&self, is_endless: bool) -> Option<Canceled> {
        self.lease_state()
            .map(|lease_state| lease_state.pool.finishing(lease_state.slot, is_endless))
    }

    pub(in crate::pool) fn pool(&self) -> Option<&Arc<Shared<C, B, K>>> {
        self.lease_state().map(|lease_state| &lease_state.pool)
    }

    /// Requests the connection was given, this one included.
    pub(in crate::pool) fn served(&self) -> u64 {
        self.lease_state().map_or(0, |lease_state| lease_state.served)
    }

    /// Whether the connection was used before or was idle since its dial.
    pub(in crate::pool) fn was_used(&self) -> bool {
        self.lease_state().is_some_and(|lease_state| lease_state.reused)
    }

    /// Queue position, kept if the request has to wait again.
    pub(in crate::pool) fn seq(&self) -> Option<Seq> {
        self.lease_state().map(|lease_state| lease_state.seq)
    }

    pub(in crate::pool) fn is_shared(&self) -> bool {
        self.lease_state().is_some_and(|lease_state| lease_state.is_shared)
    }

    /// Whether an earlier or another request may be the cause of a failure.
    pub(in crate::pool) fn is_reused(&self) -> bool {
        self.was_used() || self.is_shared()
    }

    /// Ready once the connection takes a request, or reports that it will not.
    pub(in crate::pool) fn poll_readiness(&mut self, cx: &mut Context<'_>) -> Poll<Readiness> {
        let Some(begun) = self.begun() else { return Poll::Ready(Readiness::Suspect) };
        // Set during the foreign call.
        let before = std::mem::replace(begun, true);
        let readiness = self.ask(cx);
        // Still `true` if `poll_ready` panicked: the connection is then discarded.
        self.begun().map(|begun| *begun = before).unwrap_or_default();
        readiness
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Readiness> {
        let Some(connection) = self.connection() else { return Poll::Ready(Readiness::Suspect) };
        Poll::Ready(match ready!(connection.poll_ready(cx)) {
            Ok(()) if connection.is_open() => Readiness::Ready,
            Ok(()) => Readiness::Suspect,
            Err(closed) => Readiness::Closed(closed.into_error()),
        })
    }

    /// The connection, for sending one request.
    pub(in crate::pool) fn begin(&mut self) -> Option<&mut C> {
        *self.begun()? = true;
        let was_used = self.was_used();
        let connection = self.connection()?;
        if was_used {
            connection.reused();
        }
        Some(connection)
    }

    /// Takes the connection out of use; a shared one until it reports free streams.
    pub(in crate::pool) fn suspect(mut self) {
        self.take_out(|pool, slot| pool.suspend(slot));
        // It may have recovered, and reported that, before the line above. If not, its report is still to come.
        if let Some(LeaseState { pool, slot, is_shared: true, .. }) = self.lease_state()
            && self.get().is_some_and(C::is_open)
        {
            pool.resume(*slot);
        }
    }

    /// Takes the connection out of use for good. The state learns it first: otherwise it would hand it out again.
    pub(in crate::pool) fn retire(mut self) {
        self.take_out(|pool, slot| pool.retire(slot));
    }

    fn take_out(&mut self, apply: impl FnOnce(&Arc<Shared<C, B, K>>, SlotId)) {
        let Some(lease_state) = self.pooled.as_mut().and_then(|it| it.lease_state.as_mut()) else {
            return;
        };
        match lease_state.is_shared {
            true => apply(&lease_state.pool, lease_state.slot),
            // A lease that is dropped as begun discards its exclusive connection.
            false => lease_state.begun = true,
        }
    }

    /// The response has ended.
    pub(in crate::pool) fn finish(mut self) {
        if let Some(begun) = self.begun() {
            *begun = false;
        }
    }

    /// After an upgrade: an exclusive connection leaves the pool, but keeps its slot until it closes; a stream of a shared
    /// one stays leased (`Some`).
    pub(in crate::pool) fn upgraded(mut self) -> Option<Self> {
        if self.is_shared() {
            return Some(self);
        }
        let mut pooled = self.pooled.take()?;
        let lease_state = pooled.lease_state.take()?;
        lease_state.pool.discard(lease_state.slot, CloseReason::Upgraded);
        // The bytes belong to the caller now: closing the pool must not abort them.
        pooled.facts.abort_handle = None;
        None
    }

    /// The box, for a body that holds it until its end.
    pub(in crate::pool) fn into_pooled(mut self) -> Option<Box<Pooled<C, B, K>>> {
        *self.begun()? = true;
        self.pooled.take()
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> From<Box<Pooled<C, B, K>>> for Lease<C, B, K> {
    fn from(pooled: Box<Pooled<C, B, K>>) -> Self {
        Self { pooled: Some(pooled) }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Lease<C, B, K> {
    fn drop(&mut self) {
        // A box that is not fit discards itself: see `Drop` of `Pooled`.
        let Some(pooled) = self.pooled.take() else { return };
        let is_fit = pooled
            .lease_state
            .as_ref()
            .is_some_and(|lease_state| !lease_state.is_shared && !lease_state.begun);
        if is_fit {
            return_or_discard(pooled);
        }
    }
}

/// Gives an exclusive connection back once its protocol is ready again.
fn return_or_discard<C, B, K>(mut pooled: Box<Pooled<C, B, K>>)
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    let ConnHandle::Own(connection) = &mut pooled.connection else { return };
    // Checked first: `poll_ready` would build an error with a text.
    if !connection.is_open() {
        return pooled.discard(CloseReason::ByPeer);
    }
    match connection.poll_ready(&mut Context::from_waker(Waker::noop())) {
        // Asked again: `poll_ready` may have found the end of the connection.
        Poll::Ready(Ok(())) if connection.is_open() => give_back(pooled),
        Poll::Ready(_) => pooled.discard(CloseReason::ByPeer),
        Poll::Pending => return_later(pooled),
    }
}

fn return_later<C, B, K>(mut pooled: Box<Pooled<C, B, K>>)
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    let Some(LeaseState { pool, slot, .. }) = &pooled.lease_state else { return };
    let pool = pool.clone();
    // Tells the state that the connection is supply, before its task runs.
    pool.returning(*slot);
    // If the runtime drops this task, the drop of `Pooled` discards the connection.
    pool.clone().settings.runtime.spawn(async move {
        let ConnHandle::Own(connection) = &mut pooled.connection else { return };
        let ready = std::future::poll_fn(|cx| connection.poll_ready(cx));
        match pool.settings.runtime.within(Some(RETURN_TIME), ready).await {
            Some(Ok(())) => give_back(pooled),
            Some(Err(_)) => pooled.discard(CloseReason::ByPeer),
            None => pooled.discard(CloseReason::Unfinished),
        }
    });
}

fn give_back<C, B, K>(mut pooled: Box<Pooled<C, B, K>>)
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    if let Some(LeaseState { pool, slot, .. }) = pooled.lease_state.take() {
        pool.give_back(slot, pooled);
    }
}

#[cfg(test)]
#[cfg(target_pointer_width = "64")]
mod tests {
    use std::future::Ready;

    use super::*;
    use crate::connection::SendError;

    struct Never;

    impl tower_service::Service<Request<()>> for Never {
        type Response = http::Response<()>;
        type Error = SendError<Request<()>>;
        type Future = Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            std::future::ready(Ok(http::Response::default()))
        }
    }

    impl Connection<Request<()>> for Never {
        fn is_open(&self) -> bool {
            false
        }
    }

    /// Whatever a connection is made of, a request moves one pointer to it; and an idle one holds nothing of its pool.
    #[test]
    fn a_lease_is_as_large_as_a_pointer() {
        assert_eq!(size_of::<Lease<Never, (), String>>(), 8);
    }
}
