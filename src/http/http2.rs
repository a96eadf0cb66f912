//! HTTP/2: bytes to a connection that many requests share, over the `h2` crate.
//!
//! h2 frames, compresses and counts windows. What is done here is what a pool must know, and what h2 leaves to its
//! user:
//!
//! * **How many streams there may be**: what SETTINGS allow is told to the pool whenever it changes, 100 as long as
//!   the peer has said nothing, none after GOAWAY.
//! * **How far a failed request came**: never written, refused by the peer (`REFUSED_STREAM`, or above the last stream
//!   of a GOAWAY), or written and unknown. A request whose body was not begun comes back with the error.
//! * **A peer that says nothing**: when a stream is given up and nothing came while it waited, one PING is sent. If
//!   nothing comes for longer than this connection's usual round trip, or had not come for a second before, no new
//!   streams are given out until anything does; without an answer the connection is closed.
//! * **What the peer allows**, for a body that cannot be sent twice: such a request waits for the SETTINGS of a new
//!   connection, but no longer than a second. Others leave at once, and are sent again if they are refused.
//! * **What came while the connection rested**: before a body that cannot be sent twice goes over a connection with no
//!   active stream, the connection reads once. After a GOAWAY or the end, the request comes back unsent.
//! * **Unread answers**: each is bounded by the window of its own stream, and holds up no other. While a smaller
//!   [`connection_window`](Http2Config::connection_window) is filled by them, the peer is not called silent.
//! * **Few writes**: the connection lets requests that are ready queue theirs, and writes once.
//! * **An early answer** is delivered while the rest of the request is still being sent.
//!
//! What a peer may send, where RFC 9113 leaves a choice or h2 another than ours:
//!
//! | what comes | what is made of it |
//! |---|---|
//! | connection-specific fields, pseudo-fields after others, no or two `:status` (§8.2.2, §8.3) | stream error |
//! | two different `content-length`, or one that the DATA does not have (§8.1.1) | stream error |
//! | names in upper case, unknown pseudo-fields (§8.2.1, §8.3) | connection error: h2 does not tell them from bad HPACK |
//! | `:path` and the like in an answer, pseudo-fields in trailers (§8.1, §8.3) | ignored: h2 does not show them |
//! | a head longer than [`max_header_list_size`](Http2Config::max_header_list_size) | stream error |
//! | 1xx (RFC 9110 §15.2) | passed over, or told to [`OnInformational`](crate::options::OnInformational); more than 64 are a stream error, whether or not the request is polled |
//! | an answer instead of `100` (RFC 9110 §10.1.1) | the body is not sent, the stream is reset (`NO_ERROR`) after the answer |
//! | SETTINGS without `ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3) | an extended `CONNECT` is not sent |
//! | 101 (§8.6) | stream error |
//! | `RST_STREAM(NO_ERROR)` before the end of the answer (§8.1) | an error: the answer is truncated |
//! | `RST_STREAM(NO_ERROR)` after it | the rest of the request is not sent |
//! | PUSH_PROMISE (§8.4) | connection error: we do not allow it |
//! | a `content-length` in a 2xx to `CONNECT` | counted like any other: h2 does not let it be ignored |
//!
//! A request with `Upgrade` is refused before it is sent: HTTP/2 has no such (§8.6), and without the field it would ask for
//! something else.
//!
//! What is sent: `:authority` instead of `Host`, as the URL or the caller says; `content-length` for a body of known
//! length, also 0 for the methods that have one; no connection-specific fields, `te` only as `trailers`. A `Transfer-Encoding`
//! with more than `chunked` is refused: without the field, the body would be taken for what it is not.

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
    io::{Io, metered::Metered},
    options::Timeouts,
    rt::Runtime,
    target::Target,
};

mod body;
mod config;
mod driver;
mod exchange;
mod failure;
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
mod wire;

#[cfg(test)]
mod tests;

pub use config::Http2Config;

pub(super) use body::Http2Body;
pub(super) use exchange::Http2Exchange;

use driver::Driver;
use shared::ConnShared;
use state::ConnState;
use wire::Wire;

/// A handle to a connection that speaks HTTP/2 (RFC 9113) and serves many requests at once.
///
/// The connection lives as long as a handle, a request or a body of it does. It is closed politely after the last.
///
/// # Cancellation
///
/// Dropping the future of a request, or a body before its end, resets that stream (`CANCEL`) and no other.
pub(super) struct Http2<B> {
    conn: Arc<ConnShared>,
    request: PhantomData<fn(B)>,
}

/// Bytes to connection. The preface is written; what the peer answers to it is not waited for.
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
    let (io, meter) = Metered::new(io, info.write_count());
    let state = Arc::new(ConnState::new(meter, config.window(), runtime.now()));
    let io = Wire::new(io.discarding(), state.clone());
    let builder = h2::client::Builder::from(config);
    let (streams, connection) = builder.handshake(io).await.map_err(|error| {
        let failed = Error::new(Kind::Connect, format!("opening HTTP/2 with {target}"));
        match error.is_io().then(|| error.get_io().map(io::Error::kind)).flatten() {
            Some(kind) => failed.because(io::Error::new(kind, error)),
            None => failed.because(error),
        }
    })?;
    let info = info.with_version(Version::HTTP_2);
    let (mut conn, unsettled) =
        ConnShared::new(state.clone(), streams.clone(), target, info, runtime);
    let keep_alive = config.keep_alive(runtime.clone());
    let driver = Driver::new(connection, streams, unsettled, state, keep_alive, runtime.clone());
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

    /// How many requests there may be at once is the pool's to keep: those too many wait for a stream.
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
        // Before the first request, nobody else has the conn.
        if let Some(conn) = Arc::get_mut(&mut self.conn) {
            conn.set_timeouts(timeouts);
        }
    }

    fn hold(&self, place: PoolSlot) -> Option<PoolSlot> {
        self.conn.state().hold(place)
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
