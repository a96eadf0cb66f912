//! The body of a pooled response, which holds the box of its connection: read to its end it gives that back.

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
    request_trace::Reading,
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

/// A rest of a body that is not worth a new connection is read away: so much of it, and for so long.
const DRAIN_BYTES: u64 = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

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
    info: Option<ConnectInfo>,
}

/// The box of a connection, without its types: dropped, it discards the connection.
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
        // Who gives up a refusal by a proxy has waited for the rest of it already.
        let Some(pool) = lease.pool().cloned() else { return };
        if lease.is_shared() || is_too_long || pool.is_beneath_another() {
            // The stream is given up before the lease says that it is free.
            drop(rest);
            return;
        }
        let Some(canceled) = lease.finishing(upper.is_none()) else { return };
        let runtime = pool.settings.runtime.clone();
        let (here, cell) = (runtime.current(), canceled.cell());
        let task = Task::new(async move {
            let drained = canceled.make_if_ready(drain(rest));
            if runtime.within(Some(DRAIN_TIME), drained).await == Some(Some(true)) {
                lease.finish();
            }
        });
        pool.settings.runtime.spawn_in(&cell, &here, task);
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
        let lease = lease.into_pooled().map(|pooled| pooled as Box<dyn Hold<RB>>);
        Self { body: Some(body), told, lease, total, info: None }
    }

    /// A body that holds nothing.
    pub(super) fn free(body: RB) -> Self {
        Self { body: Some(body), told: None, lease: None, total: None, info: None }
    }

    /// Says what is known of its connection.
    pub(super) fn with_info(mut self, info: Option<ConnectInfo>) -> Self {
        self.info = info;
        self
    }

    /// An error when all has taken too long. The stream is given up before its slot is.
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
        if self.total.is_some()
            && let Poll::Ready(error) = self.poll_total(cx)
        {
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
    Error::adopt(error.into(), ForeignError::LAYER, "reading the response body").sent(true)
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
