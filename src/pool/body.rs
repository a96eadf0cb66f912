//! The body of a pooled response. It holds the connection and returns it at its end.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};

use super::{
    request_trace::ReadingTrace,
    shared::{Key, Lease, Pooled},
};
use crate::{
    body::ResponseFrames,
    connect::{ConnectInfo, HasConnectInfo},
    connection::Connection,
    error::{BoxError, Error, ForeignError},
    rt::Task,
    timeout::Total,
};

/// Limits for draining a dropped body: beyond them a new connection is cheaper.
const DRAIN_BYTES: u64 = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The body of a pooled response: it holds the connection until its end, or until the [total](crate::options::Timeouts::total)
/// time is over.
///
/// # Cancellation
///
/// Dropped before its end, it gives a shared connection back at once. An exclusive one is given back after the rest
/// was drained in the background, if that is not more than 1 MiB and comes within 2 s; else it is closed.
pub struct PoolBody<RB: Body + Unpin + Send + 'static> {
    body: Option<RB>,
    /// `None` without listeners.
    trace: Option<Box<ReadingTrace>>,
    lease: Option<Box<dyn Hold<RB>>>,
    total: Option<Box<Total>>,
    info: Option<ConnectInfo>,
}

/// The type-erased box of a connection. Dropping it discards the connection.
trait Hold<RB>: Send + Sync {
    fn finish(self: Box<Self>);
    fn abandon(self: Box<Self>, rest: RB);
}

impl<C, B, K, RB> Hold<RB> for Pooled<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    fn finish(self: Box<Self>) {
        Lease::from(self).finish();
    }

    fn abandon(self: Box<Self>, rest: RB) {
        let lease = Lease::from(self);
        let upper = rest.size_hint().upper();
        let is_too_long = upper.is_some_and(|upper| upper > DRAIN_BYTES);
        // The proxy's refusal has been waited for already: its connection is not drained again.
        let Some(pool) = lease.pool().cloned() else { return };
        if lease.is_shared() || is_too_long || pool.is_beneath_another() {
            // Drop the stream first: only then may the lease report it free.
            drop(rest);
            return;
        }
        let Some(canceled) = lease.finishing(upper.is_none()) else { return };
        let runtime = pool.settings.runtime.clone();
        let (here, cell) = (runtime.current(), canceled.cell());
        let task = Task::new(async move {
            let drained = canceled.run_until_canceled(drain(rest));
            // In time, not canceled, and read to its end; else the drop of `lease` discards it.
            if runtime.within(Some(DRAIN_TIME), drained).await == Some(Some(true)) {
                lease.finish();
            }
        });
        pool.settings.runtime.spawn_in(&cell, &here, task);
    }
}

impl<RB: Body + Unpin + Send + 'static> PoolBody<RB> {
    /// Holds the connection for the rest of the total time, and traces how the body is read.
    pub(super) fn new<C, B, K>(
        body: RB,
        lease: Lease<C, B, K>,
        total: Option<Box<Total>>,
        trace: Option<Box<ReadingTrace>>,
    ) -> Self
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        if body.is_end_stream() {
            if let Some(trace) = trace {
                trace.ended();
            }
            lease.finish();
            return Self::free(body);
        }
        let trace = trace.map(|trace| trace.begin(body.size_hint().exact()));
        let lease = lease.into_pooled().map(|pooled| pooled as Box<dyn Hold<RB>>);
        Self { body: Some(body), trace, lease, total, info: None }
    }

    /// A body that holds no connection.
    pub(super) fn free(body: RB) -> Self {
        Self { body: Some(body), trace: None, lease: None, total: None, info: None }
    }

    /// Attaches the facts of its connection.
    pub(super) fn with_info(mut self, info: Option<ConnectInfo>) -> Self {
        self.info = info;
        self
    }

    /// Ready with an error once the total time is over. The stream is dropped before its slot is freed.
    fn poll_total(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(total) = &mut self.total else { return Poll::Pending };
        let error = ready!(total.poll("reading the response body from", cx)).sent(true);
        if let Some(trace) = self.trace.take() {
            trace.failed(&error);
        }
        // The order matters: the body's stream ends before its slot is freed.
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
        if self.total.is_some()
            && let Poll::Ready(error) = self.poll_total(cx)
        {
            return Poll::Ready(Some(Err(error)));
        }
        let this = &mut *self;
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        let (frame, at_end) = (frame.map(|frame| frame.map_err(failed)), body.is_end_stream());
        if let Some(trace) = this.trace.take() {
            this.trace = trace.read(&frame, at_end);
        }
        match &frame {
            Some(Err(_)) => {
                // The connection failed: dropping the lease discards it.
                this.total = None;
                drop(this.lease.take());
            }
            Some(Ok(_)) if !at_end => {}
            _ => {
                // Return the connection now, not on drop: the caller may keep the finished body for long.
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

impl<RB: Body + Unpin + Send + 'static> HasConnectInfo for PoolBody<RB> {
    fn connect_info(&self) -> Option<&ConnectInfo> {
        self.info.as_ref()
    }
}

impl<RB> ResponseFrames for PoolBody<RB>
where
    RB: Body<Data = Bytes, Error: Into<BoxError>> + Unpin + Send + Sync + 'static,
{
    fn known(&self) -> Option<&dyn Any> {
        self.info.as_ref().map(|info| info as &dyn Any)
    }
}

impl<RB: Body + Unpin + Send + 'static> Drop for PoolBody<RB> {
    fn drop(&mut self) {
        drop(self.trace.take());
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

/// Passes our own errors on and wraps those of foreign connections.
fn failed(error: impl Into<BoxError>) -> Error {
    Error::adopt(error.into(), ForeignError::LAYER, "reading the response body").sent(true)
}

/// Reads the rest of a body; `false` if it fails or exceeds `DRAIN_BYTES`.
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
