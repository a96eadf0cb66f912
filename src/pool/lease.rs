//! One request's hold on a connection: at its end the connection is returned or discarded.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::Request;

use super::{
    book::{Handle, PlaceId, Turn},
    shared::{Kept, Key, Shared},
    want::Wanted,
};
use crate::{
    connect::ConnectInfo,
    connection::Connection,
    error::Error,
    events::{Closing, ConnectionId},
};

/// How long a protocol may take to be ready again after a body has ended. It is a matter of its task's next turn; only
/// a request that is still being sent takes longer, and is not waited for.
const RETURN_TIME: Duration = Duration::from_millis(100);

pub(super) struct Lease<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    place: PlaceId,
    held: Option<Held<C>>,
    served: u64,
    turn: Turn,
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
    pub(super) turn: Turn,
}

pub(super) enum Held<C> {
    Exclusive(Kept<C>),
    Shared(C),
    /// A stream of a shared connection, of which there is no handle yet.
    Stream(Arc<Kept<C>>),
}

impl<C> From<Handle<Kept<C>>> for Held<C> {
    fn from(handle: Handle<Kept<C>>) -> Self {
        match handle {
            Handle::Exclusive(kept) => Self::Exclusive(kept),
            Handle::Shared(kept) => Self::Stream(kept),
        }
    }
}

/// What a connection says of itself before a request is sent on it.
pub(super) enum Fitness {
    Fit,
    /// It takes requests, but had better not be given any.
    InDoubt,
    Closed(Error),
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Lease<C, B, K> {
    pub(super) fn new(
        pool: Arc<Shared<C, B, K>>,
        place: PlaceId,
        held: Held<C>,
        used: Use,
    ) -> Self {
        let Use { served, reused, turn } = used;
        Self { pool, place, held: Some(held), served, turn, reused, begun: false }
    }

    /// Makes it one that requests can be sent on; `None` if its connection was closed since the book gave it out.
    pub(super) fn join(mut self) -> Option<Self> {
        if let Some(Held::Stream(kept)) = &self.held {
            let Some(handle) = kept.connection.share() else {
                self.pool.retire(self.place);
                return None;
            };
            self.held = Some(Held::Shared(handle));
        }
        Some(self)
    }

    fn connection(&mut self) -> Option<&mut C> {
        match self.held.as_mut()? {
            Held::Exclusive(kept) => Some(&mut kept.connection),
            Held::Shared(handle) => Some(handle),
            Held::Stream(_) => None,
        }
    }

    /// The connection, to be asked and not to be sent on.
    fn asked(&self) -> Option<&C> {
        match self.held.as_ref()? {
            Held::Exclusive(kept) => Some(&kept.connection),
            Held::Shared(handle) => Some(handle),
            Held::Stream(kept) => Some(&kept.connection),
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
        self.pool.connection_id(self.place)
    }

    /// The rest of its answer is read in the background now, for as long as that is wanted.
    pub(super) fn finishing(&self, is_endless: bool) -> Wanted {
        self.pool.finishing(self.place, is_endless)
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
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }

    pub(super) fn is_shared(&self) -> bool {
        matches!(self.held, Some(Held::Shared(_) | Held::Stream(_)))
    }

    /// Whether a failure may be the doing of what came before, or of others.
    pub(super) fn is_reused(&self) -> bool {
        self.was_used() || self.is_shared()
    }

    /// Waits until the connection takes a request, or says that it will not.
    pub(super) fn poll_fit(&mut self, cx: &mut Context<'_>) -> Poll<Fitness> {
        let begun = std::mem::replace(&mut self.begun, true);
        let fitness = self.ask(cx);
        // If it has panicked it is not asked again.
        self.begun = begun;
        fitness
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Fitness> {
        let Some(connection) = self.connection() else { return Poll::Ready(Fitness::InDoubt) };
        Poll::Ready(match ready!(connection.poll_ready(cx)) {
            Ok(()) if connection.is_open() => Fitness::Fit,
            Ok(()) => Fitness::InDoubt,
            Err(closed) => Fitness::Closed(closed.into_error()),
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
            true => self.pool.suspend(self.place),
            false => self.begun = true,
        }
    }

    /// The connection takes no more requests. The book is told before: otherwise it would be handed out again.
    pub(super) fn retire(mut self) {
        match self.is_shared() {
            true => self.pool.retire(self.place),
            false => self.begun = true,
        }
    }

    /// The answer has come to its end.
    pub(super) fn finish(mut self) {
        self.begun = false;
    }

    /// The connection speaks something else from now on. An exclusive one leaves the pool, but keeps its place until
    /// it is closed; of a shared one, a stream is gone until then.
    pub(super) fn upgraded(mut self) -> Option<Self> {
        match self.held.take() {
            Some(Held::Exclusive(kept)) => {
                self.pool.discard(self.place, kept, Closing::Upgraded);
                None
            }
            held => {
                self.held = held;
                Some(self)
            }
        }
    }

    fn give_back(&self, mut kept: Kept<C>) {
        match kept.connection.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) if kept.connection.is_open() => {
                self.pool.give_back(self.place, kept);
            }
            Poll::Ready(_) => self.pool.discard(self.place, kept, Closing::ByPeer),
            Poll::Pending => self.give_back_later(kept),
        }
    }

    fn give_back_later(&self, mut kept: Kept<C>) {
        let (pool, place) = (self.pool.clone(), self.place);
        pool.returning(place);
        self.pool.runtime.spawn(async move {
            let ready = std::future::poll_fn(|cx| kept.connection.poll_ready(cx));
            match pool.runtime.within(Some(RETURN_TIME), ready).await {
                Some(Ok(())) => pool.give_back(place, kept),
                Some(Err(_)) => pool.discard(place, kept, Closing::ByPeer),
                None => pool.discard(place, kept, Closing::Unfinished),
            }
        });
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Lease<C, B, K> {
    fn drop(&mut self) {
        match self.held.take() {
            Some(Held::Exclusive(kept)) if self.begun => {
                self.pool.discard(self.place, kept, Closing::Unfinished);
            }
            Some(Held::Exclusive(kept)) => self.give_back(kept),
            Some(handle @ (Held::Shared(_) | Held::Stream(_))) => {
                drop(handle);
                self.pool.release(self.place);
            }
            None => {}
        }
    }
}
