//! One request's hold on a connection: at its end the connection is returned or discarded.
//!
//! A connection has one box, from its dial to its end. Whoever has the box has the connection: the state machine while it is
//! idle, a [`Lease`] while a request is on it, the body of the response until it is read. Nothing but the box moves.

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
        state::{Checkout, Handle, KeyId, Seq, SlotId},
    },
    rt::RuntimeHandle,
};

/// How long a protocol may take to be ready again after a body has ended. It is a matter of its task's next turn; only
/// a request that is still being sent takes longer, and is not waited for.
const RETURN_TIME: Duration = Duration::from_millis(100);

/// A connection and what goes with it. Fields are dropped in this order: the slot ends after the connection.
pub(in crate::pool) struct Pooled<C: Connection<Request<B>>, B: 'static, K: Key> {
    connection: Held<C, B, K>,
    facts: Facts,
    /// The request that has it; `None` while it is idle, so that an idle connection does not keep its pool alive.
    lent: Option<Lent<C, B, K>>,
}

enum Held<C: Connection<Request<B>>, B: 'static, K: Key> {
    /// An exclusive connection, or a handle of a shared one.
    Own(C),
    /// A stream of a shared connection, of which there is no handle yet.
    Stream(Arc<Pooled<C, B, K>>),
    Released,
}

/// What does not change while a connection lives. A handle of a shared connection has only the runtime.
struct Facts {
    /// `None` when its bytes are somebody else's.
    cut: Option<AbortHandle>,
    /// The runtime that drives it.
    runtime: RuntimeHandle,
    /// If the connection did not take it itself.
    _place: Option<PoolSlot>,
}

/// What the pool knows of one request's use of a connection.
struct Lent<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    slot: SlotId,
    key: KeyId,
    served: u64,
    seq: Seq,
    reused: bool,
    is_shared: bool,
    /// A request was sent on it, so it is fit for another only when its answer has come to its end.
    begun: bool,
}

/// A box that is given back, or discarded, when this is dropped.
pub(in crate::pool) struct Lease<C: Connection<Request<B>>, B: 'static, K: Key> {
    pooled: Option<Box<Pooled<C, B, K>>>,
}

/// What a connection says of itself before a request is sent on it.
pub(in crate::pool) enum Readiness {
    Ready,
    /// It takes requests, but had better not be given any.
    Suspect,
    Closed(Error),
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Pooled<C, B, K> {
    pub(in crate::pool) fn new(
        connection: C,
        cut: Option<AbortHandle>,
        runtime: RuntimeHandle,
        place: Option<PoolSlot>,
    ) -> Self {
        let facts = Facts { cut, runtime, _place: place };
        Self { connection: Held::Own(connection), facts, lent: None }
    }

    /// The connection, to be asked and not to be sent on.
    fn asked(&self) -> Option<&C> {
        match &self.connection {
            Held::Own(connection) => Some(connection),
            Held::Stream(pooled) => pooled.asked(),
            Held::Released => None,
        }
    }

    /// The connection will not be back. It ends when this is dropped.
    fn discard(&mut self, reason: CloseReason) {
        if let Some(Lent { pool, slot, .. }) = self.lent.take() {
            pool.discard(slot, reason);
        }
    }

    pub(in crate::pool) fn keep_alive(&self) -> Option<Duration> {
        self.asked()?.keep_alive()
    }
}

/// The request on it is over, whatever became of it. A connection whose runtime nobody may be driving does not end by itself.
impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Pooled<C, B, K> {
    fn drop(&mut self) {
        match self.lent.take() {
            Some(Lent { pool, slot, is_shared: true, .. }) => {
                // The stream is given up before its place is.
                self.connection = Held::Released;
                pool.release(slot);
            }
            Some(Lent { pool, slot, .. }) => pool.discard(slot, CloseReason::Unfinished),
            None => {}
        }
        if let Some(cut) = self.facts.cut.take().filter(|_| self.facts.runtime.is_foreign()) {
            cut.abort();
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Lease<C, B, K> {
    pub(in crate::pool) fn new(
        pool: Arc<Shared<C, B, K>>,
        checkout: Checkout<Pooled<C, B, K>>,
    ) -> Self {
        let Checkout { slot, key, handle, served, reused, seq } = checkout;
        let is_shared = matches!(handle, Handle::Shared(_));
        let mut pooled = match handle {
            Handle::Exclusive(pooled) => pooled,
            Handle::Shared(shared) => {
                let runtime = shared.facts.runtime.clone();
                let facts = Facts { cut: None, runtime, _place: None };
                Box::new(Pooled { connection: Held::Stream(shared), facts, lent: None })
            }
        };
        let lent = Lent { pool, slot, key, served, seq, reused, is_shared, begun: false };
        pooled.lent = Some(lent);
        Self { pooled: Some(pooled) }
    }

    /// Clones a shared handle; `None` if it closed since checkout.
    pub(in crate::pool) fn join(mut self) -> Option<Self> {
        let pooled = self.pooled.as_mut()?;
        if let Held::Stream(shared) = &pooled.connection {
            let Some(handle) = shared.asked().and_then(C::share) else {
                let lent = pooled.lent.as_ref()?;
                lent.pool.retire(lent.slot);
                return None;
            };
            pooled.connection = Held::Own(handle);
        }
        Some(self)
    }

    fn lent(&self) -> Option<&Lent<C, B, K>> {
        self.pooled.as_ref()?.lent.as_ref()
    }

    fn begun(&mut self) -> Option<&mut bool> {
        self.pooled.as_mut()?.lent.as_mut().map(|lent| &mut lent.begun)
    }

    fn connection(&mut self) -> Option<&mut C> {
        match &mut self.pooled.as_mut()?.connection {
            Held::Own(connection) => Some(connection),
            Held::Stream(_) | Held::Released => None,
        }
    }

    fn asked(&self) -> Option<&C> {
        self.pooled.as_ref()?.asked()
    }

    /// What is known of the connection, for the answer to this request.
    pub(in crate::pool) fn info(&self) -> Option<ConnectInfo> {
        Some(self.asked()?.info()?.after(self.served()))
    }

    /// Whether a request on it may have to be sent once more, and does not come back by itself then.
    pub(in crate::pool) fn needs_a_copy(&self, request: &Request<B>) -> bool {
        let may_fail = |it: &C| self.is_reused() || it.may_refuse();
        self.asked().is_some_and(|it| may_fail(it) && !it.gives_back(request))
    }

    pub(in crate::pool) fn key_id(&self) -> Option<KeyId> {
        self.lent().map(|lent| lent.key)
    }

    pub(in crate::pool) fn id(&self) -> Option<ConnectionId> {
        self.lent().map(|lent| lent.pool.connection_id(lent.slot))
    }

    /// The runtime that drives the connection.
    pub(in crate::pool) fn runtime(&self) -> Option<&RuntimeHandle> {
        self.pooled.as_ref().map(|pooled| &pooled.facts.runtime)
    }

    /// The rest of its answer is read in the background now, for as long as that is wanted.
    pub(in crate::pool) fn finishing(&self, is_endless: bool) -> Option<Canceled> {
        self.lent().map(|lent| lent.pool.finishing(lent.slot, is_endless))
    }

    pub(in crate::pool) fn pool(&self) -> Option<&Arc<Shared<C, B, K>>> {
        self.lent().map(|lent| &lent.pool)
    }

    /// How many requests the connection has been given, with this one.
    pub(in crate::pool) fn served(&self) -> u64 {
        self.lent().map_or(0, |lent| lent.served)
    }

    /// Whether the connection was used before or has rested since it was made.
    pub(in crate::pool) fn was_used(&self) -> bool {
        self.lent().is_some_and(|lent| lent.reused)
    }

    /// Its number in the order of events: a request that has to wait again keeps it.
    pub(in crate::pool) fn seq(&self) -> Option<Seq> {
        self.lent().map(|lent| lent.seq)
    }

    /// What the connection is kept under.
    pub(in crate::pool) fn key(&self) -> Option<KeyId> {
        self.lent().map(|lent| lent.key)
    }

    pub(in crate::pool) fn is_shared(&self) -> bool {
        self.lent().is_some_and(|lent| lent.is_shared)
    }

    /// Whether a failure may be the doing of what came before, or of others.
    pub(in crate::pool) fn is_reused(&self) -> bool {
        self.was_used() || self.is_shared()
    }

    /// Waits until the connection takes a request, or says that it will not.
    pub(in crate::pool) fn poll_readiness(&mut self, cx: &mut Context<'_>) -> Poll<Readiness> {
        let Some(begun) = self.begun() else { return Poll::Ready(Readiness::Suspect) };
        let before = std::mem::replace(begun, true);
        let readiness = self.ask(cx);
        // If it has panicked it is not asked again.
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

    /// The connection, of which a request is now about to be written.
    pub(in crate::pool) fn begin(&mut self) -> Option<&mut C> {
        *self.begun()? = true;
        let was_used = self.was_used();
        let connection = self.connection()?;
        if was_used {
            connection.reused();
        }
        Some(connection)
    }

    /// The connection had better not be given requests: a shared one until it says otherwise.
    pub(in crate::pool) fn doubt(mut self) {
        self.give_up(|pool, slot| pool.suspend(slot));
    }

    /// The connection takes no more requests. The state is told before: otherwise it would be handed out again.
    pub(in crate::pool) fn retire(mut self) {
        self.give_up(|pool, slot| pool.retire(slot));
    }

    fn give_up(&mut self, tell: impl FnOnce(&Arc<Shared<C, B, K>>, SlotId)) {
        let Some(lent) = self.pooled.as_mut().and_then(|it| it.lent.as_mut()) else { return };
        match lent.is_shared {
            true => tell(&lent.pool, lent.slot),
            false => lent.begun = true,
        }
    }

    /// The answer has come to its end.
    pub(in crate::pool) fn finish(mut self) {
        if let Some(begun) = self.begun() {
            *begun = false;
        }
    }

    /// The connection speaks something else from now on. An exclusive one leaves the pool, but keeps its place until
    /// it is closed; of a shared one, a stream is gone until then.
    pub(in crate::pool) fn upgraded(mut self) -> Option<Self> {
        if self.is_shared() {
            return Some(self);
        }
        let mut pooled = self.pooled.take()?;
        let lent = pooled.lent.take()?;
        lent.pool.discard(lent.slot, CloseReason::Upgraded);
        pooled.facts.cut = None;
        None
    }

    /// The box that has the connection, for a body that holds it until its end.
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
        let Some(pooled) = self.pooled.take() else { return };
        let is_fit = pooled.lent.as_ref().is_some_and(|lent| !lent.is_shared && !lent.begun);
        if is_fit {
            return_or_discard(pooled);
        }
    }
}

/// Gives an exclusive connection back as soon as its protocol is ready again.
fn return_or_discard<C, B, K>(mut pooled: Box<Pooled<C, B, K>>)
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    let Held::Own(connection) = &mut pooled.connection else { return };
    // Asked before why it is not, which is an error with a text.
    if !connection.is_open() {
        return pooled.discard(CloseReason::ByPeer);
    }
    match connection.poll_ready(&mut Context::from_waker(Waker::noop())) {
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
    let Some(Lent { pool, slot, .. }) = &pooled.lent else { return };
    let pool = pool.clone();
    pool.returning(*slot);
    pool.clone().settings.runtime.spawn(async move {
        let Held::Own(connection) = &mut pooled.connection else { return };
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
    if let Some(Lent { pool, slot, .. }) = pooled.lent.take() {
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
