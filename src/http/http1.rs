//! HTTP/1.1: an exclusive connection, one request at a time, by this crate's own engine over httparse.
//!
//! What it accepts and sends is in the docs of [`http`](crate::http#http11).

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
    http::{
        exchange::{Exchange, Extras, Failed},
        informational::Interim,
    },
    io::{Io, direct::DirectIo},
    options::Timeouts,
    request_target::{forwarded_to, http1::usual_host},
    rt::Runtime,
    target::{Origin, Scheme, Target},
    timeout::StallTimeout,
};

mod body;
mod chunked;
mod config;
mod copies;
mod exchange;
mod failure;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod head_reader;
mod request_head;
mod response;
mod shared;
mod status;
mod upload;
mod wire;

#[cfg(all(test, feature = "tokio"))]
mod tests;

pub use config::Http1Config;

pub(super) use body::Http1Body;
pub(super) use exchange::Http1Exchange;

use request_head::{Http1Head, Recipient};
use shared::{ConnPhase, ConnShared, HeldSlot};
use status::ConnStatus;

/// An HTTP/1.1 connection (RFC 9112), which serves one request at a time.
///
/// # Cancellation
///
/// HTTP/1.1 cannot cancel a request: dropping its future after the first poll closes the connection.
pub(super) struct Http1<B> {
    shared: Arc<ConnShared>,
    /// The connection's origin; behind a forward proxy, that of the last request.
    origin: Origin,
    host: HeaderValue,
    info: ConnectInfo,
    title_case: bool,
    timeouts: Timeouts,
    /// It has served a request, or was idle, so the runtime's cached readiness may be out of date.
    used: bool,
    request: PhantomData<fn(B)>,
}

/// Opens a connection. Sends nothing before the first request.
pub(super) fn handshake<I: Io, B>(
    io: I,
    info: ConnectInfo,
    target: &Target,
    config: &Http1Config,
    runtime: &Runtime,
) -> Result<Http1<B>, Error> {
    let host = usual_host(&target.origin)?;
    let (limits, count) = (config.limits(), info.write_count());
    let io = DirectIo::new(io, info.reader());
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
    type Future = Exchange<Http1Exchange<B>>;

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
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut head = match self.head_of(&request) {
            Ok(head) => head,
            Err(error) => return self.refuse(error, request),
        };
        // One lock for check, phase and head: no other request can come between.
        let mut state = self.shared.lock();
        if !state.is_idle() || !self.shared.status.takes_requests() {
            drop(state);
            return self.refuse(self.shared.closed_error(), request);
        }
        state.phase = ConnPhase::Busy;
        head.write(&request, &self.host, state.wire.output(), self.title_case);
        let (counts, previous) = (state.wire.counts, state.stall.take());
        drop(state);
        let timeouts = request.extensions().get().unwrap_or(&self.timeouts);
        let stall = StallTimeout::renewed(previous, timeouts);
        let authorization = head.hop.take().and_then(|hop| hop.authorization());
        let extras = Extras::new(request.extensions(), self.interim(&request), authorization);
        // Before the first poll, which reads before it writes.
        self.recheck();
        let shared = self.shared.clone();
        Exchange::new(Http1Exchange::new(shared, request, head, (counts, stall)), extras)
    }
}

impl<B> Http1<B> {
    fn head_of(&mut self, request: &Request<B>) -> Result<Http1Head, Error>
    where
        B: Body,
    {
        let forwarder = self.info.forwarder();
        // For a forward proxy, `forwarded_to` does this check.
        if forwarder.is_none() {
            self.info.check_request(request.uri())?;
        }
        // A proxy connection serves all origins, but the next request is usually to the same one. Schemes other than
        // `http` are checked each time, because the request decides whether they may be forwarded.
        if let Some(proxy) = forwarder
            && !(self.origin.scheme() == Scheme::Http && self.origin.is_named_by(request.uri()))
        {
            self.origin = forwarded_to(request, proxy)?;
            self.host = usual_host(&self.origin)?;
        }
        let is_http10 = self.shared.status.get() == ConnStatus::Http10;
        Http1Head::of(request, &Recipient { origin: &self.origin, forwarder, is_http10 })
    }

    fn refuse(&self, error: Error, request: Request<B>) -> Exchange<Http1Exchange<B>>
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let refused = Failed::unsent(error, request);
        Exchange::new(Http1Exchange::refused(self.shared.clone(), refused), Extras::default())
    }

    /// The request's use for 1xx, which HTTP/1.0 does not have.
    fn interim(&self, request: &Request<B>) -> Option<Box<Interim>>
    where
        B: Body,
    {
        let mut interim = Interim::of(request)?;
        if self.shared.status.get() == ConnStatus::Http10 {
            interim.skip_expectation();
        }
        Some(interim)
    }

    /// Requests a fresh read: the exchange reads before it writes, and the runtime's cached readiness may be out of date.
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
