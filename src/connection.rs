//! A connection that speaks HTTP, as whoever keeps it sees it.

use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use tower_service::Service;

use crate::{
    connect_info::ConnectInfo,
    error::{BoxError, Error, ForeignError, find},
    options::Timeouts,
};

/// What a pool asks of a connection, over being a [`Service`] of requests.
///
/// HTTP/1.1 and HTTP/2 connections of this crate are ones; yours can be, with no hyper in it: see
/// `examples/own_connection.rs`. A connection is either *exclusive*, one request at a time, or *shared*, many at once
/// by as many handles.
///
/// The service is called only after its `poll_ready` said so, and `poll_ready` says so again only when the next
/// request may be sent: after an exclusive connection's answer has been read to the end.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection that takes a `{Req}`",
    label = "this is not a connection of a pool",
    note = "if these are bytes (`Connected`), a `NegotiateLayer` is missing below the `PoolLayer`: it turns bytes into connections",
    note = "all layers of one stack are for the same body of requests: `PoolLayer::<B>` and `NegotiateLayer::<B>`"
)]
pub trait Connection<Req>:
    Service<Req, Error = SendError<Req>, Future: Send> + Sized + Send + Sync + 'static
{
    /// Whether a request may still be sent, as far as can be told without sending one.
    fn is_open(&self) -> bool;

    /// How long requests may wait that say nothing themselves: a pool tells it once, before the first request and before
    /// there is a second handle. A request may have other [`Timeouts`] among its extensions.
    ///
    /// A connection that waits for its peer keeps to [`read`](Timeouts::read), [`write`](Timeouts::write) and
    /// [`min_throughput`](Timeouts::min_throughput) by itself; by default nothing does. The pool keeps to the others.
    fn timeouts(&mut self, _timeouts: Timeouts) {}

    /// One more handle to a shared connection; `None` if it is exclusive, which is the default.
    fn share(&self) -> Option<Self> {
        None
    }

    /// Takes its slot in the pool, to hold it for as long as the transport below is open.
    ///
    /// An upgraded connection, for one, leaves the pool and yet is a connection: it holds its slot until it is closed. By
    /// default the slot is given back, and ends when the pool lets go of the connection.
    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        Some(slot)
    }

    /// How long the peer said it keeps the connection without a request.
    fn keep_alive(&self) -> Option<Duration> {
        None
    }

    /// Ends the connection at once, whatever it is doing. Without a handle, the default, a pool that is closed can only
    /// wait for it.
    fn abort_handle(&self) -> Option<AbortHandle> {
        None
    }

    /// Whether it may refuse a request for a reason that is mended when it is sent again, so that a copy of it is worth
    /// keeping: by default not.
    fn may_refuse(&self) -> bool {
        false
    }

    /// Whether this request, if it fails after some of it was sent and before an answer has begun, comes back with its
    /// [`SendError`]: then a pool keeps no copy of it. By default not.
    fn gives_back(&self, _request: &Req) -> bool {
        false
    }

    /// The next request finds a connection that was used before, or that was idle since it was made: what is known
    /// about it may be out of date, so it is looked at once more before anything is written. A pool says so before such
    /// a request. By default nothing is done.
    fn reused(&mut self) {}

    /// What is known about the way to the peer.
    fn info(&self) -> Option<&ConnectInfo> {
        None
    }

    /// The id of the stream that a response of such a connection came on, where its protocol has streams: a pool tells it by
    /// [`ConnectInfo::stream_id`]. By default there is none.
    fn stream_id(_response: &Self::Response) -> Option<u32> {
        None
    }
}

/// Ends a connection at once.
#[derive(Clone)]
pub struct AbortHandle(Arc<dyn Abort>);

/// What can be ended at once, and may have ended already.
pub(crate) trait Abort: Send + Sync {
    fn abort(&self);
}

struct AbortBy<F>(F);

impl<F: Fn() + Send + Sync> Abort for AbortBy<F> {
    fn abort(&self) {
        (self.0)();
    }
}

/// Why a request has no answer, and how far it came.
pub struct SendError<Req> {
    /// What happened.
    pub error: BoxError,
    /// How far it came: what may be done about it depends on nothing else.
    pub progress: Progress,
    /// The request itself, if it was never begun, or if the connection [gives it back](Connection::gives_back).
    pub request: Option<Req>,
}

/// Says, as the error of a [`SendError`] or as the source of it, that nothing is wrong with a shared connection, but that
/// its peer allows no further request at present: a pool keeps the connection and puts the request in line again.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFreeStream;

/// How far a request came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Certainly not a byte of it went out: neither was one written, nor may a write that failed have taken one.
    Unsent,
    /// Some of it went out, but the peer says that it did not act on it (RFC 9113 §8.7).
    Refused,
    /// Some of it went out, or may have, and nothing is known.
    Sent,
    /// Some of an answer came.
    Answered,
}

/// The slot that a connection takes up in a pool. Dropping it says that the connection is closed.
pub struct PoolSlot {
    pool: Weak<dyn SlotOwner>,
    slot: SlotId,
}

/// Which of the slots of a pool, by a number that no other had, and where the pool has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId {
    pub(crate) seq: u64,
    pub(crate) index: u32,
}

impl SlotId {
    /// Later than any other.
    pub(crate) const MAX: Self = Self { seq: u64::MAX, index: u32::MAX };
}

/// The pool, as a slot knows it.
pub(crate) trait SlotOwner: Send + Sync {
    /// So many requests may be on the connection at once from now on; `None` while it takes no new ones.
    fn streams(&self, slot: SlotId, streams: Option<usize>);

    /// The connection takes no new requests ever again.
    fn retired(&self, slot: SlotId);

    /// The connection is closed.
    fn closed(&self, slot: SlotId);
}

impl AbortHandle {
    /// Calls `end` to end the connection, which may have ended already.
    pub fn new(end: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(AbortBy(end)))
    }

    /// Ends this, and needs no allocation for it.
    #[cfg(feature = "http1")]
    pub(crate) fn of(shared: Arc<impl Abort + 'static>) -> Self {
        Self(shared)
    }

    pub(crate) fn abort(&self) {
        self.0.abort();
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").finish_non_exhaustive()
    }
}

impl<Req> SendError<Req> {
    /// The request was never begun, and here it is: a pool tries it elsewhere. For a request that would fare no better
    /// there, answer [`after`](Self::after) it was [`Answered`](Progress::Answered).
    pub fn unsent(error: impl Into<BoxError>, request: Req) -> Self {
        Self { error: error.into(), progress: Progress::Unsent, request: Some(request) }
    }

    /// It failed after it had come so far.
    pub fn after(progress: Progress, error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), progress, request: None }
    }

    /// Whether no connection would have done better: the request itself cannot be sent.
    pub(crate) fn is_the_requests_fault(&self) -> bool {
        let ours = find::<Error>(&*self.error);
        let is_its_fault = |error: &Error| error.is_builder() || error.is_unsupported();
        self.progress == Progress::Unsent && ours.is_some_and(is_its_fault)
    }

    /// Whether the connection is as good as before: only a stream was lacking.
    pub(crate) fn lacks_only_a_stream(&self) -> bool {
        let is_lack = self.error.is::<NoFreeStream>()
            || self.error.source().is_some_and(|cause| cause.is::<NoFreeStream>());
        self.progress == Progress::Unsent && is_lack
    }

    /// Whether the time for it is over, so that it is not for another connection to try.
    pub(crate) fn is_too_late(&self) -> bool {
        find(&*self.error).is_some_and(Error::is_timeout)
    }

    /// The error that a caller is shown.
    pub(crate) fn into_error(self) -> Error {
        let sent = self.progress > Progress::Unsent;
        Error::adopt_with(self.error, ForeignError::LAYER, |error| {
            format!("sending the request: {error}").into()
        })
        .sent(sent)
    }
}

impl fmt::Display for NoFreeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer allows no further stream at present")
    }
}

impl std::error::Error for NoFreeStream {}

impl<Req> fmt::Debug for SendError<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("SendError");
        out.field("error", &self.error).field("progress", &self.progress);
        out.field("has_request", &self.request.is_some()).finish()
    }
}

impl<Req> fmt::Display for SendError<Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request has no answer")
    }
}

impl<Req> std::error::Error for SendError<Req> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.error)
    }
}

impl PoolSlot {
    pub(crate) fn new(pool: Weak<dyn SlotOwner>, slot: SlotId) -> Self {
        Self { pool, slot }
    }

    /// Says how many requests the peer allows on a shared connection at once from now on: 100 until this is called.
    /// Those under way are not touched.
    pub fn streams(&self, streams: usize) {
        self.say(Some(streams));
    }

    /// Says that the connection takes no new requests, because it is in doubt or being closed, until
    /// [`streams`](Self::streams) is called again.
    pub fn suspend(&self) {
        self.say(None);
    }

    /// Says that the connection takes no new requests ever again: it finishes those under way, and is closed. The pool
    /// need not wait for that before it dials another, as it has to while one is only [suspended](Self::suspend).
    pub fn retire(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.retired(self.slot);
        }
    }

    fn say(&self, streams: Option<usize>) {
        if let Some(pool) = self.pool.upgrade() {
            pool.streams(self.slot, streams);
        }
    }
}

impl Drop for PoolSlot {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.closed(self.slot);
        }
    }
}

impl fmt::Debug for PoolSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolSlot").field(&self.slot.seq).finish()
    }
}
