//! One request's hold on a connection: at its end the connection is returned or discarded.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::Request;

use super::{
    cancel::Canceled,
    shared::{Key, Pooled, Shared},
    state::{Handle, Seq, SlotId},
};
use crate::{
    connect::ConnectInfo,
    connection::Connection,
    error::Error,
    events::{Closing, ConnectionId},
};

/// How long a protocol may take to be ready again after a body has ended. It is a matter of its task's next seq; only
/// a request that is still being sent takes longer, and is not waited for.
const RETURN_TIME: Duration = Duration::from_millis(100);

pub(super) struct Lease<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    slot: SlotId,
    held: Option<LeaseHandle<C>>,
    served: u64,
    seq: Seq,
    /// It was used before or has rested since it was made.
    reused: bool,
    /// A request was sent on it, so it is fit for another only when its answer has come to its end.
    begun: bool,
}

/// What the pool knows of a connection's use.
pub(super) struct Use {
    /// How many requests it has been given, with this one.
    pub(super) served: u64,
    /// It was used before or has rested since it was made.
    pub(super) reused: bool,
    /// When it was handed out, in the order of the line.
    pub(super) seq: Seq,
}

pub(super) enum LeaseHandle<C> {
    Exclusive(Pooled<C>),
    Shared(C),
    /// A stream of a shared connection, of which there is no handle yet.
    Stream(Arc<Pooled<C>>),
}

impl<C> From<Handle<Pooled<C>>> for LeaseHandle<C> {
    fn from(handle: Handle<Pooled<C>>) -> Self {
        match handle {
            Handle::Exclusive(pooled) => Self::Exclusive(pooled),
            Handle::Shared(pooled) => Self::Stream(pooled),
        }
    }
}

/// What a connection says of itself before a request is sent on it.
pub(super) enum Readiness {
    Ready,
    /// It takes requests, but had better not be given any.
    Suspect,
    Closed(Error),
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Lease<C, B, K> {
    pub(super) fn new(
        pool: Arc<Shared<C, B, K>>,
        slot: SlotId,
        held: LeaseHandle<C>,
        used: Use,
    ) -> Self {
        let Use { served, reused, seq } = used;
        Self { pool, slot, held: Some(held), served, seq, reused, begun: false }
    }

    /// Makes it one that requests can be sent on; `None` if its connection was closed since the state gave it out.
    pub(super) fn join(mut self) -> Option<Self> {
        if let Some(LeaseHandle::Stream(pooled)) = &self.held {
            let Some(handle) = pooled.connection.share() else {
                self.pool.retire(self.slot);
                return None;
            };
            self.held = Some(LeaseHandle::Shared(handle));
        }
        Some(self)
    }

    fn connection(&mut self) -> Option<&mut C> {
        match self.held.as_mut()? {
            LeaseHandle::Exclusive(pooled) => Some(&mut pooled.connection),
            LeaseHandle::Shared(handle) => Some(handle),
            LeaseHandle::Stream(_) => None,
        }
    }

    /// The connection, to be asked and not to be sent on.
    fn asked(&self) -> Option<&C> {
        match self.held.as_ref()? {
            LeaseHandle::Exclusive(pooled) => Some(&pooled.connection),
            LeaseHandle::Shared(handle) => Some(handle),
            LeaseHandle::Stream(pooled) => Some(&pooled.connection),
        }
    }

    pub(super) fn info(&self) -> Option<&ConnectInfo> {
        self.asked()?.info()
    }

    /// Whether a request on it may have to be sent once more.
    pub(super) fn is_worth_a_copy(&self) -> bool {
        self.is_reused() || self.asked().is_some_and(C::may_refuse)
    }

    pub(super) fn id(&self) -> ConnectionId {
        self.pool.connection_id(self.slot)
    }

    /// The rest of its answer is read in the background now, for as long as that is canceled.
    pub(super) fn finishing(&self, is_endless: bool) -> Canceled {
        self.pool.finishing(self.slot, is_endless)
    }

    pub(super) fn pool(&self) -> &Arc<Shared<C, B, K>> {
        &self.pool
    }

    /// How many requests the connection has been given, with this one.
    pub(super) fn served(&self) -> u64 {
        self.served
    }

    /// Whether the connection was used before or has rested since it was made.
    pub(super) fn was_used(&self) -> bool {
        self.reused
    }

    /// When it was handed out, in the order of the line.
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self.held, Some(LeaseHandle::Shared(_) | LeaseHandle::Stream(_)))
    }

    /// Whether a failure may be the doing of what came before, or of others.
    pub(super) fn is_reused(&self) -> bool {
        self.was_used() || self.is_shared()
    }

    /// Waits until the connection takes a request, or says that it will not.
    pub(super) fn poll_readiness(&mut self, cx: &mut Context<'_>) -> Poll<Readiness> {
        let begun = std::mem::replace(&mut self.begun, true);
        let readiness = self.ask(cx);
        // If it has panicked it is not asked again.
        self.begun = begun;
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
    pub(super) fn begin(&mut self) -> Option<&mut C> {
        self.begun = true;
        let was_used = self.was_used();
        let connection = self.connection()?;
        if was_used {
            connection.reused();
        }
        Some(connection)
    }

    /// The connection had better not be given requests: a shared one until it says otherwise.
    pub(super) fn doubt(mut self) {
        match self.is_shared() {
            true => self.pool.suspend(self.slot),
            false => self.begun = true,
        }
    }

    /// The connection takes no more requests. The state is told before: otherwise it would be handed out again.
    pub(super) fn retire(mut self) {
        match self.is_shared() {
            true => self.pool.retire(self.slot),
            false => self.begun = true,
        }
    }

    /// The answer has come to its end.
    pub(super) fn finish(mut self) {
        self.begun = false;
    }

    /// The connection speaks something else from now on. An exclusive one leaves the pool, but keeps its slot until
    /// it is closed; of a shared one, a stream is gone until then.
    pub(super) fn upgraded(mut self) -> Option<Self> {
        match self.held.take() {
            Some(LeaseHandle::Exclusive(pooled)) => {
                self.pool.discard(self.slot, pooled, Closing::Upgraded);
                None
            }
            held => {
                self.held = held;
                Some(self)
            }
        }
    }

    fn give_back(&self, mut pooled: Pooled<C>) {
        match pooled.connection.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) if pooled.connection.is_open() => {
                self.pool.give_back(self.slot, pooled);
            }
            Poll::Ready(_) => self.pool.discard(self.slot, pooled, Closing::ByPeer),
            Poll::Pending => self.give_back_later(pooled),
        }
    }

    fn give_back_later(&self, mut pooled: Pooled<C>) {
        let (pool, slot) = (self.pool.clone(), self.slot);
        pool.returning(slot);
        self.pool.runtime.spawn(async move {
            let ready = std::future::poll_fn(|cx| pooled.connection.poll_ready(cx));
            match pool.runtime.within(Some(RETURN_TIME), ready).await {
                Some(Ok(())) => pool.give_back(slot, pooled),
                Some(Err(_)) => pool.discard(slot, pooled, Closing::ByPeer),
                None => pool.discard(slot, pooled, Closing::Unfinished),
            }
        });
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Lease<C, B, K> {
    fn drop(&mut self) {
        match self.held.take() {
            Some(LeaseHandle::Exclusive(pooled)) if self.begun => {
                self.pool.discard(self.slot, pooled, Closing::Unfinished);
            }
            Some(LeaseHandle::Exclusive(pooled)) => self.give_back(pooled),
            Some(handle @ (LeaseHandle::Shared(_) | LeaseHandle::Stream(_))) => {
                drop(handle);
                self.pool.release(self.slot);
            }
            None => {}
        }
    }
}
