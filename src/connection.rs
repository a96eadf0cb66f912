//! The interface between a pool and its connections.

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

/// A connection for a pool: a [`Service`] of requests with additional facts.
///
/// The HTTP/1.1 and HTTP/2 connections of this crate implement it; yours can, without hyper: see
/// `examples/own_connection.rs`. A connection is either *exclusive*, one request at a time, or *shared*, many at once
/// by as many handles.
///
/// The service is called only after `poll_ready` was ready. An exclusive connection is ready again only after its response
/// has been read to the end.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connection that takes a `{Req}`",
    label = "this is not a connection of a pool",
    note = "if these are bytes (`Connected`), a `NegotiateLayer` is missing below the `PoolLayer`: it turns bytes into connections",
    note = "all layers of one stack are for the same body of requests: `PoolLayer::<B>` and `NegotiateLayer::<B>`"
)]
pub trait Connection<Req>:
    Service<Req, Error = SendError<Req>, Future: Send> + Sized + Send + Sync + 'static
{
    /// Whether a request may still be sent, as far as known without sending one.
    fn is_open(&self) -> bool;

    /// Sets the timeouts of requests without their own: called once, before the first request and before there is a second
    /// handle. A request may have other [`Timeouts`] among its extensions.
    ///
    /// The connection itself enforces [`read`](Timeouts::read), [`write`](Timeouts::write) and
    /// [`min_throughput`](Timeouts::min_throughput) while it waits for its peer; by default nothing does. The pool enforces
    /// the others.
    fn timeouts(&mut self, _timeouts: Timeouts) {}

    /// Another handle to a shared connection; `None`, the default, if it is exclusive.
    fn share(&self) -> Option<Self> {
        None
    }

    /// Takes its slot in the pool, to hold it while the transport below is open.
    ///
    /// An upgraded connection, for one, leaves the pool but stays open: it holds its slot until it is closed. By default the
    /// slot is returned, and ends when the pool drops the connection.
    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        Some(slot)
    }

    /// The peer's limit on idling (`Keep-Alive: timeout`), if it sent one.
    fn keep_alive(&self) -> Option<Duration> {
        None
    }

    /// Aborts the connection at once, whatever it is doing. Without a handle, the default, closing a pool can only wait for
    /// it.
    fn abort_handle(&self) -> Option<AbortHandle> {
        None
    }

    /// Whether it may refuse a request that would succeed when sent again, so that a copy of it is worth keeping: by default
    /// not.
    fn may_refuse(&self) -> bool {
        false
    }

    /// Whether this request comes back with its [`SendError`] if it fails after it was partly sent and before a response has
    /// begun: then the pool makes no copy. By default not.
    fn gives_back(&self, _request: &Req) -> bool {
        false
    }

    /// Announces that the next request reuses the connection, or follows an idle time: facts about it may be out of date,
    /// so they should be rechecked before anything is written. By default a no-op.
    fn reused(&mut self) {}

    /// Facts about the connection.
    fn info(&self) -> Option<&ConnectInfo> {
        None
    }

    /// The stream id of a response, for [`ConnectInfo::stream_id`]. By default none.
    fn stream_id(_response: &Self::Response) -> Option<u32> {
        None
    }
}

/// Aborts a connection.
#[derive(Clone)]
pub struct AbortHandle(Arc<dyn Abort>);

/// Can be aborted at any time, even after its end.
pub(crate) trait Abort: Send + Sync {
    fn abort(&self);
}

struct AbortBy<F>(F);

impl<F: Fn() + Send + Sync> Abort for AbortBy<F> {
    fn abort(&self) {
        (self.0)();
    }
}

/// Why a request has no response, and how far it came.
pub struct SendError<Req> {
    /// The cause.
    pub error: BoxError,
    /// How far the request came: this alone decides whether it may be retried.
    pub progress: Progress,
    /// The request, if it was never started, or if the connection [gives it back](Connection::gives_back).
    pub request: Option<Req>,
}

/// The error, or the source of the error, of a [`SendError`] if a shared connection is healthy but its peer allows no
/// further request now: the pool keeps the connection and queues the request again.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFreeStream;

/// How far a request came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Certainly no byte of it was sent: none was written, and no failed write can have taken one.
    Unsent,
    /// Some of it was sent, but the peer did not act on it (RFC 9113 §8.7).
    Refused,
    /// Some of it was sent, or may have been; its effect is unknown.
    Sent,
    /// Some of a response was received.
    Answered,
}

/// The slot of a connection in a pool. Dropping it reports that the connection is closed.
pub struct PoolSlot {
    pool: Weak<dyn SlotOwner>,
    slot: SlotId,
}

/// Identifies a slot: by a unique number, and its index in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId {
    pub(crate) seq: u64,
    pub(crate) index: u32,
}

impl SlotId {
    /// Sorts after any other.
    pub(crate) const MAX: Self = Self { seq: u64::MAX, index: u32::MAX };
}

/// The pool as its slots see it.
pub(crate) trait SlotOwner: Send + Sync {
    /// Sets how many requests the connection may carry at once; `None` while it takes no new ones.
    fn streams(&self, slot: SlotId, streams: Option<usize>);

    /// The connection takes no new requests ever again.
    fn retired(&self, slot: SlotId);

    /// The connection is closed.
    fn closed(&self, slot: SlotId);
}

impl AbortHandle {
    /// Calls `end` to abort the connection, which may have ended already.
    pub fn new(end: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(AbortBy(end)))
    }

    /// Aborts this value, without an allocation.
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
    /// The request was never started and comes back: a pool tries it elsewhere. For a request that would fail there too,
    /// use [`after`](Self::after) with [`Answered`](Progress::Answered).
    pub fn unsent(error: impl Into<BoxError>, request: Req) -> Self {
        Self { error: error.into(), progress: Progress::Unsent, request: Some(request) }
    }

    /// The request failed at this progress.
    pub fn after(progress: Progress, error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), progress, request: None }
    }

    /// Whether the request itself cannot be sent, on any connection.
    pub(crate) fn is_the_requests_fault(&self) -> bool {
        let ours = find::<Error>(&*self.error);
        let is_its_fault = |error: &Error| error.is_builder() || error.is_unsupported();
        self.progress == Progress::Unsent && ours.is_some_and(is_its_fault)
    }

    /// Whether the caller's body failed: it would fail again, on any connection.
    pub(crate) fn is_the_bodys_fault(&self) -> bool {
        find::<Error>(&*self.error).is_some_and(Error::is_body)
    }

    /// Whether only a free stream was missing, and the connection is healthy.
    pub(crate) fn lacks_only_a_stream(&self) -> bool {
        let is_lack = self.error.is::<NoFreeStream>()
            || self.error.source().is_some_and(|cause| cause.is::<NoFreeStream>());
        self.progress == Progress::Unsent && is_lack
    }

    /// Whether a timeout elapsed, so that no other connection should try it.
    pub(crate) fn is_too_late(&self) -> bool {
        find(&*self.error).is_some_and(Error::is_timeout)
    }

    /// The error for the caller.
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

    /// Sets how many requests the peer allows at once on a shared connection: 100 until this is called. Running requests
    /// are not affected.
    pub fn streams(&self, streams: usize) {
        self.report_streams(Some(streams));
    }

    /// Reports that the connection takes no new requests, because it is suspect or closing, until
    /// [`streams`](Self::streams) is called again.
    pub fn suspend(&self) {
        self.report_streams(None);
    }

    /// Reports that the connection takes no new requests ever again: it finishes the running ones, and is closed. The pool
    /// may dial another at once, unlike for a [suspended](Self::suspend) one.
    pub fn retire(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.retired(self.slot);
        }
    }

    fn report_streams(&self, streams: Option<usize>) {
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

#[cfg(test)]
mod tests {
    use std::error::Error as StdError;

    use super::*;

    #[test]
    fn the_error_of_a_connection_has_the_reason_as_its_cause() {
        let error = SendError::unsent(NoFreeStream, ());
        assert_eq!(error.to_string(), "the request has no answer");
        let cause = error.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("the peer allows no further stream at present"));
    }
}
