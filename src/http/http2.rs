//! HTTP/2 over the `h2` crate: a connection that many requests share.
//!
//! What it accepts and sends is in the docs of [`http`](crate::http#http2).

use std::{
    fmt, io,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, Version};
use http_body::Body;
use tower_service::Service;

use crate::{
    connect::ConnectInfo,
    connection::{AbortHandle, Connection, PoolSlot, Progress, SendError},
    error::{BoxError, Error, Kind},
    http::exchange::{Exchange, Extras},
    io::{Io, direct::DirectIo, metered::Metered},
    options::Timeouts,
    rt::Runtime,
    target::Target,
};

mod body;
mod config;
mod driver;
mod exchange;
mod failure;
mod frame_observer;
mod keep_alive;
mod request_head;
mod shared;
mod signals;
mod state;
mod stream;
mod tunnel;
mod unanswered;
mod upload;
mod waiting;
mod window;

#[cfg(test)]
mod tests;

pub use config::Http2Config;

pub(super) use body::Http2Body;
pub(super) use exchange::Http2Exchange;

use driver::Driver;
use frame_observer::FrameObserver;
use shared::ConnShared;
use state::ConnState;

/// A handle to an HTTP/2 connection (RFC 9113), which serves many requests at once.
///
/// The connection lives as long as a handle, a request or a body of it. After the last one it is closed with GOAWAY.
///
/// # Cancellation
///
/// Dropping the future of a request, or a body before its end, resets that stream (`CANCEL`) and no other.
pub(super) struct Http2<B> {
    conn: Arc<ConnShared>,
    request: PhantomData<fn(B)>,
}

/// Opens a connection. Writes the preface without waiting for the peer's SETTINGS.
pub(super) async fn handshake<I: Io, B>(
    io: I,
    info: ConnectInfo,
    target: &Target,
    config: &Http2Config,
    runtime: &Runtime,
) -> Result<Http2<B>, Error>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    config.check()?;
    let io = DirectIo::new(io, info.reader());
    let (io, meter) = Metered::new(io, info.write_count());
    let state = Arc::new(ConnState::new(meter, config.window(), runtime.now()));
    // h2 does not read while a write is pending: after a failed one, writes are discarded.
    let io = FrameObserver::new(io.discarding(), state.clone());
    let builder = h2::client::Builder::from(config);
    let (streams, connection) = builder.handshake(io).await.map_err(|error| {
        let failed = Error::new(Kind::Connect, format!("opening HTTP/2 with {target}"));
        match error.is_io().then(|| error.get_io().map(io::Error::kind)).flatten() {
            Some(kind) => failed.because(io::Error::new(kind, error)),
            None => failed.because(error),
        }
    })?;
    let info = info.with_version(Version::HTTP_2);
    let (mut conn, settings_pending) =
        ConnShared::new(state.clone(), streams.clone(), target, info, runtime);
    let keep_alive = config.keep_alive(runtime.clone());
    let driver =
        Driver::new(connection, streams, settings_pending, state, keep_alive, runtime.clone());
    // Before the handle is shared: `abort_handle` needs the task.
    conn.driven_by(runtime.spawn_on(&runtime.current(), driver));
    Ok(Http2 { conn: Arc::new(conn), request: PhantomData })
}

impl<B> Service<Request<B>> for Http2<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Http2Body>;
    type Error = SendError<Request<B>>;
    type Future = Exchange<Http2Exchange<B>>;

    /// The pool limits concurrent requests: excess ones wait for a stream in its queue.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.conn.state().takes_requests() {
            return Poll::Ready(Ok(()));
        }
        let error = match self.conn.streams().poll_ready(cx) {
            Poll::Ready(Err(why)) => self.conn.failed_unsent(why),
            _ => self.conn.takes_no_requests(),
        };
        Poll::Ready(Err(SendError::after(Progress::Unsent, error)))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Exchange::new(Http2Exchange::new(request, self.conn.clone()), Extras::default())
    }
}

impl<B> Connection<Request<B>> for Http2<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        self.conn.state().is_open()
    }

    fn share(&self) -> Option<Self> {
        Some(Self { conn: self.conn.clone(), request: PhantomData })
    }

    fn timeouts(&mut self, timeouts: Timeouts) {
        // Unique before the first request.
        if let Some(conn) = Arc::get_mut(&mut self.conn) {
            conn.set_timeouts(timeouts);
        }
    }

    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        self.conn.state().hold(slot)
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        Some(self.conn.abort_handle())
    }

    fn reused(&mut self) {
        self.conn.mark_used();
    }

    fn info(&self) -> Option<&ConnectInfo> {
        Some(self.conn.info())
    }

    fn may_refuse(&self) -> bool {
        self.conn.info().forwarder().is_some_and(|proxy| proxy.authenticator().can_answer())
    }
}

impl<B> fmt::Debug for Http2<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2").field("conn", &self.conn).finish()
    }
}
