//! One request's hold on a connection, until the end of the response's body: then it is returned or discarded.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use http::Request;
use http_body::{Body, Frame, SizeHint};

use super::{
    book::{Handle, PlaceId, Turn},
    shared::{Kept, Key, Shared},
    told::Reading,
};
use crate::{
    connect::ConnectInfo,
    connection::Connection,
    error::{BoxError, Error, Kind},
    events::{Closing, ConnectionId},
    patience::Total,
};

/// A rest of a body that is not worth a new connection is read away: so much of it, and for so long.
const DRAIN_BYTES: u64 = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How long a protocol may take to be ready again after a body has ended. It is a matter of its task's next turn; only
/// a request that is still being sent takes longer, and is not waited for.
const RETURN_TIME: Duration = Duration::from_millis(100);

pub(super) struct Lease<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    place: PlaceId,
    held: Option<Held<C>>,
    served: u64,
    turn: Turn,
    /// A request was sent on it, so it is fit for another only when its answer has come to its end.
    begun: bool,
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
        served: u64,
        turn: Turn,
    ) -> Self {
        Self { pool, place, held: Some(held), served, turn, begun: false }
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

    /// How many requests the connection has been given, with this one.
    pub(super) fn served(&self) -> u64 {
        self.served
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
        self.served > 1 || self.is_shared()
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
        self.connection()
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

/// The body of a pooled response: it holds the connection until its end, or until the [total](crate::options::Timeouts::total)
/// time is over.
///
/// # Cancellation
///
/// Dropped before its end, it gives a shared connection back at once. An exclusive one is given back after the rest
/// was read away in the background, if that is not more than 1 MiB and comes within 2 s; else it is closed.
pub struct PoolBody<RB: Body + Unpin + Send + 'static> {
    body: Option<RB>,
    /// If anybody is told.
    told: Option<Box<Reading>>,
    lease: Option<Box<dyn Hold<RB>>>,
    total: Option<Box<Total>>,
}

/// A lease without its types.
trait Hold<RB>: Send + Sync {
    fn finish(self: Box<Self>);
    fn abandon(self: Box<Self>, rest: RB);
}

impl<C, B, K, RB> Hold<RB> for Lease<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    fn finish(self: Box<Self>) {
        Self::finish(*self);
    }

    fn abandon(self: Box<Self>, rest: RB) {
        let upper = rest.size_hint().upper();
        if self.is_shared() || upper.is_some_and(|upper| upper > DRAIN_BYTES) {
            return;
        }
        let pool = self.pool.clone();
        pool.clone().runtime.spawn(async move {
            if pool.runtime.within(Some(DRAIN_TIME), drain(rest)).await == Some(true) {
                Self::finish(*self);
            }
        });
    }
}

impl<RB: Body + Unpin + Send + 'static> PoolBody<RB> {
    /// A body that holds the connection, for what is left of this time, and tells how it is read.
    pub(super) fn new<C, B, K>(
        body: RB,
        lease: Lease<C, B, K>,
        total: Option<Box<Total>>,
        told: Option<Box<Reading>>,
    ) -> Self
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        if body.is_end_stream() {
            if let Some(told) = told {
                told.ended();
            }
            lease.finish();
            return Self::free(body);
        }
        let told = told.map(Reading::begin);
        Self { body: Some(body), told, lease: Some(Box::new(lease)), total }
    }

    /// A body that holds nothing.
    pub(super) fn free(body: RB) -> Self {
        Self { body: Some(body), told: None, lease: None, total: None }
    }

    /// An error when all has taken too long. The stream is given up before its place is.
    fn poll_total(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(total) = &mut self.total else { return Poll::Pending };
        let error = ready!(total.poll("reading the response body from", cx)).sent(true);
        if let Some(told) = self.told.take() {
            told.failed(&error);
        }
        self.total = None;
        self.body = None;
        self.lease = None;
        Poll::Ready(error)
    }
}

impl<RB> Body for PoolBody<RB>
where
    RB: Body<Error: Into<BoxError>> + Unpin + Send + 'static,
{
    type Data = RB::Data;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<RB::Data>, Error>>> {
        if let Poll::Ready(error) = self.poll_total(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let (frame, at_end) = (frame.map(|frame| frame.map_err(failed)), body.is_end_stream());
        if let Some(told) = this.told.take() {
            this.told = told.read(&frame, at_end);
        }
        match &frame {
            Some(Err(_)) => {
                this.total = None;
                drop(this.lease.take());
            }
            Some(Ok(_)) if !at_end => {}
            _ => {
                // Now, and not when the body is dropped: the caller may keep it for long.
                this.total = None;
                if let Some(lease) = this.lease.take() {
                    lease.finish();
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl<RB: Body + Unpin + Send + 'static> Drop for PoolBody<RB> {
    fn drop(&mut self) {
        drop(self.told.take());
        if let (Some(rest), Some(lease)) = (self.body.take(), self.lease.take()) {
            lease.abandon(rest);
        }
    }
}

impl<RB: Body + Unpin + Send + 'static> fmt::Debug for PoolBody<RB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBody").field("holds_connection", &self.lease.is_some()).finish()
    }
}

/// Our own error, or that of a connection that is not ours.
fn failed(error: impl Into<BoxError>) -> Error {
    match error.into().downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) => Error::new(Kind::Io, "reading the response body").because(other).sent(true),
    }
}

/// Reads a rest away; `false` if it is longer than it is worth, or fails.
async fn drain<RB: Body + Unpin>(mut rest: RB) -> bool {
    use bytes::Buf;
    let mut read = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
        match frame.as_ref().map(Frame::data_ref) {
            Ok(data) => read += data.map_or(0, |data| data.remaining() as u64),
            Err(_) => return false,
        }
        if read > DRAIN_BYTES {
            return false;
        }
    }
    true
}
