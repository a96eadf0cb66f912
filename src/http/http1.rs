//! HTTP/1.1: bytes to an exclusive connection, one request at a time.
//!
//! The engine is this crate's own, over httparse, which parses heads. It has no task and no channel: the future of a request,
//! and then the body of its response, poll the connection themselves. So a warm request costs less than with hyper's
//! client connection, and a connection can say what a pool must know:
//!
//! * **How far a failed request came**: nothing is written before the future is polled, a request of which nothing was
//!   written comes back whole, and for the others the bytes are counted.
//! * **What the kernel already knows**: before a request the stream is read, past the runtime's memory if the connection
//!   was used before, so that an answer nobody asked for is not taken for the answer of this request.
//! * **An answer to a request that the peer stopped reading** is still the answer.
//! * **Letting go**: dropping a connection that is not idle ends it at once, also if the peer reads nothing any more;
//!   an idle one is closed politely; one that was upgraded lives on.
//!
//! hyper's own client connection can be put under a pool as well: see `examples/hyper_connection.rs`. Two hooks belong to its
//! types alone and do nothing here: `hyper::upgrade::on` ([`upgrade`](crate::upgrade::upgrade) is ours) and
//! `hyper::ext::on_informational` ([`OnInformational`](crate::options::OnInformational) is ours).
//!
//! What a peer may send, where RFC 9112 leaves a choice:
//!
//! | what comes | what is made of it |
//! |---|---|
//! | heads and 1xx together longer than [`max_head_size`](Http1Config::max_head_size), trailers likewise | protocol error |
//! | a chunk size of more than 16 KiB with its zeros and blanks, or chunk extensions of more than 16 KiB in all | protocol error |
//! | `Content-Length` together with `Transfer-Encoding` (§6.3) | protocol error, the connection is closed |
//! | a transfer coding other than one `chunked` (§6.1; we ask for none) | protocol error, the connection is closed |
//! | several equal `Content-Length` (§6.3) | one |
//! | several different, signed, hexadecimal or overflowing ones | protocol error |
//! | framing fields in an answer that has no body: `HEAD`, 204, 304, tunnels (§6.3) | ignored |
//! | folded lines (§5.2) | joined by a space; a `Transfer-Encoding` with a fold, or a `Content-Length` with one between digits, is a protocol error |
//! | a space before the colon, a bare CR, NUL, a line without a colon | protocol error |
//! | a bare LF at the end of a line of a head (§2.2), no reason phrase (§4) | accepted |
//! | a bare LF in chunk framing or trailers | protocol error |
//! | a version other than 1.0 and 1.1 | protocol error |
//! | 1xx (RFC 9110 §15.2) | passed over, or told to [`OnInformational`](crate::options::OnInformational); counted as head |
//! | an answer instead of `100 Continue` (RFC 9110 §10.1.1) | the body is not sent, the connection is closed after the answer |
//! | 101 that the request did not ask for by `Upgrade` (RFC 9110 §7.8) | protocol error |
//! | 101, or 2xx to `CONNECT`, before all of the request is written (RFC 9110 §7.8) | protocol error |
//! | anything before the first byte of a request is written | the request is given back unsent, the connection is closed |
//! | an answer before the whole head of a request without a body is written | the connection is closed after the answer |
//! | a refusal of `CONNECT`, other than 407 | the connection is closed: nobody asks again |
//! | any 2xx to `CONNECT`, 204 too (RFC 9110 §9.3.6) | a tunnel |
//! | anything after the end of an answer | the connection is closed, the answer stands |
//! | HTTP/1.0 with `keep-alive` | kept, but a body of unknown length goes over another connection |
//!
//! The tests hold all of this against hyper's client: over the same bytes, however they come, the verdict is the same but for these.
//!
//! | what comes | hyper 1.12 | which is right |
//! |---|---|---|
//! | `Content-Length` together with `Transfer-Encoding` | takes the coding | both may; an attack is likelier than a mistake (RFC 9112 §6.3, §11.2) |
//! | `gzip, chunked`, `chunked` twice, an unknown coding | hands out what is still coded, or reads to the end | we are: it is not the content (RFC 9112 §6.1, §7) |
//! | 101 unasked | switches | we are (RFC 9110 §7.8) |
//! | a bare LF at the end of a trailer, or of trailers | accepts it | both may (RFC 9112 §2.2) |
//! | a refusal of `CONNECT`, other than 407 | keeps the connection | both may |
//! | a folded line | a space for each byte of the fold | both may (RFC 9112 §5.2) |
//! | 204 to `CONNECT` | no tunnel | we are (RFC 9110 §9.3.6) |
//!
//! What is sent: `Host` first, as the URL or the caller says; `Content-Length` for a body of known length, also 0 for the
//! methods that have one; `Transfer-Encoding: chunked` for any other, also with `GET`. A `Transfer-Encoding` of the caller's gets
//! `chunked` as its last coding if it has none, and is left out where the body is known to be empty. Trailers are sent if the request
//! announces them with `Trailer` (RFC 9110 §6.6.2), and are passed over if not, or if they are fields that a trailer
//! must not be (§6.5.1).

use std::{
    fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderValue, Request, Response, Version};
use http_body::Body;
use tower_service::Service;

use crate::{
    connect::ConnectInfo,
    connection::{AbortHandle, Connection, PoolSlot, Progress, SendError},
    error::{BoxError, Error, Kind},
    http::informational::Interim,
    io::Io,
    options::Timeouts,
    request_target::{forwarded_to, http1::usual_host},
    rt::Runtime,
    target::{Origin, Scheme, Target},
    timeout::StallTimeout,
};

mod body;
mod chunked;
mod config;
mod exchange;
mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod head_reader;
mod prepare;
mod response;
mod shared;
mod status;
mod upload;
mod wire;

#[cfg(all(test, feature = "tokio"))]
mod tests;

pub use config::Http1Config;

pub(crate) use body::Http1Body;
pub(crate) use exchange::Exchange;

use prepare::{Prepared, Recipient};
use shared::{ConnShared, HeldSlot, Phase};
use status::ConnStatus;

/// A connection that speaks HTTP/1.1 (RFC 9112) and serves one request at a time.
///
/// # Cancellation
///
/// HTTP/1.1 cannot take a request back: dropping the future of one that is under way costs the connection. Nothing is
/// under way before the future is polled.
pub(crate) struct Http1<B> {
    shared: Arc<ConnShared>,
    /// Behind a proxy that forwards, that of the last request.
    origin: Origin,
    host: HeaderValue,
    info: ConnectInfo,
    title_case: bool,
    timeouts: Timeouts,
    /// It has served a request, or has rested, so the runtime's view of the socket may be out of date.
    used: bool,
    request: PhantomData<fn(B)>,
}

/// Bytes to connection. Nothing is sent before the first request.
pub(crate) fn handshake<I: Io, B>(
    io: I,
    info: ConnectInfo,
    target: &Target,
    config: &Http1Config,
    runtime: &Runtime,
) -> Result<Http1<B>, Error> {
    let host = usual_host(&target.origin)?;
    let (limits, count) = (config.limits(), info.write_count());
    let shared = Arc::new(ConnShared::new(io, count, target, limits, runtime.clone()));
    shared.watch();
    Ok(Http1 {
        shared,
        origin: target.origin.clone(),
        host,
        info: info.with_version(Version::HTTP_11),
        title_case: config.is_title_case(),
        timeouts: Timeouts::default(),
        used: false,
        request: PhantomData,
    })
}

impl<B> Service<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Http1Body>;
    type Error = SendError<Request<B>>;
    type Future = Exchange<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.shared.status.takes_requests() {
            ready!(self.shared.poll_idle(cx));
        }
        let error = match self.shared.status.get() {
            ConnStatus::Open | ConnStatus::Http10 => return Poll::Ready(Ok(())),
            ConnStatus::Finished | ConnStatus::Upgraded => {
                let doing = "the connection was closed by the last answer of";
                Error::new(Kind::Canceled, self.shared.doing(doing))
            }
            ConnStatus::Closed => self.shared.closed_error(),
        };
        Poll::Ready(Err(SendError::after(Progress::Unsent, error)))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> Exchange<B> {
        let prepared = match self.prepare(&request) {
            Ok(prepared) => prepared,
            Err(error) => return self.refuse(error, request),
        };
        let mut state = self.shared.lock();
        if !state.is_idle() || !self.shared.status.takes_requests() {
            drop(state);
            return self.refuse(self.shared.closed_error(), request);
        }
        state.phase = Phase::Busy;
        prepared.write(&request, &self.host, state.wire.output(), self.title_case);
        let (counts, previous) = (state.wire.counts, state.stall.take());
        drop(state);
        let timeouts = request.extensions().get().unwrap_or(&self.timeouts);
        let stall = StallTimeout::renewed(previous, timeouts);
        let interim = self.interim(&request);
        self.recheck();
        let shared = self.shared.clone();
        Exchange::new(shared, request, prepared, interim, (counts, stall))
    }
}

impl<B> Http1<B> {
    fn prepare(&mut self, request: &Request<B>) -> Result<Prepared, Error>
    where
        B: Body,
    {
        let forwarder = self.info.forwarder();
        // `forwarded_to` checks what a proxy is given to forward.
        if forwarder.is_none() {
            self.info.check_request(request.uri())?;
        }
        // A connection to a proxy is for requests to all origins, but mostly they are to the same again. Whether what is
        // not `http` may be forwarded is asked each time: it depends on the request.
        if let Some(proxy) = forwarder
            && !(self.origin.scheme() == Scheme::Http && self.origin.is_named_by(request.uri()))
        {
            self.origin = forwarded_to(request, proxy)?;
            self.host = usual_host(&self.origin)?;
        }
        let is_http10 = self.shared.status.get() == ConnStatus::Http10;
        Prepared::of(request, &Recipient { origin: &self.origin, forwarder, is_http10 })
    }

    fn refuse(&self, error: Error, request: Request<B>) -> Exchange<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Exchange::refused(self.shared.clone(), SendError::unsent(error, request))
    }

    /// What the request wants of 1xx, which HTTP/1.0 has none of.
    fn interim(&self, request: &Request<B>) -> Option<Box<Interim>>
    where
        B: Body,
    {
        let mut interim = Interim::of(request)?;
        if self.shared.status.get() == ConnStatus::Http10 {
            interim.expects_nothing();
        }
        Some(interim)
    }

    /// The exchange reads before it writes. Whoever used the connection before may have left the runtime believing that there
    /// is nothing to read.
    fn recheck(&mut self) {
        if std::mem::replace(&mut self.used, true)
            && let Some(recheck) = self.info.recheck()
        {
            recheck.request();
        }
    }
}

impl<B> Connection<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        self.shared.status.takes_requests()
    }

    fn timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        self.shared.hold(HeldSlot::Pool(slot));
        None
    }

    fn keep_alive(&self) -> Option<Duration> {
        self.shared.status.keep_alive()
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        Some(AbortHandle::of(self.shared.clone()))
    }

    fn reused(&mut self) {
        self.used = true;
    }

    fn info(&self) -> Option<&ConnectInfo> {
        Some(&self.info)
    }

    fn gives_back(&self, request: &Request<B>) -> bool {
        request.body().is_end_stream() && !self.may_refuse()
    }

    fn may_refuse(&self) -> bool {
        self.info.forwarder().is_some_and(|proxy| proxy.authenticator().can_answer())
    }
}

impl<B> Drop for Http1<B> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<B> fmt::Debug for Http1<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("shared", &self.shared).field("info", &self.info).finish()
    }
}
