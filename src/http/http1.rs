//! HTTP/1.1: bytes to an exclusive connection, one request at a time, over hyper.
//!
//! hyper parses and frames. What is done here is what a pool must know, and what hyper leaves open:
//!
//! * **How far a failed request came**: hyper returns a request that it never began; for the others the bytes are
//!   counted.
//! * **What the kernel already knows**: before a request on a connection that has served one, the socket is asked past
//!   the runtime's memory, so that an answer nobody asked for is not taken for the answer of this request.
//! * **A request that is given just as the connection ends** comes back; hyper alone may leave it unanswered for ever.
//! * **An answer to a request that the peer stopped reading** is still the answer.
//! * **Letting go**: dropping a connection that is not idle ends it at once, also if the peer reads nothing any more;
//!   an idle one is closed politely; one that was upgraded lives on.
//!
//! What a peer may send, where RFC 9112 leaves a choice or hyper another than ours:
//!
//! | what comes | what is made of it |
//! |---|---|
//! | heads and 1xx together longer than [`max_head_size`](Http1Config::max_head_size), trailers likewise | protocol error |
//! | chunk sizes with endless zeros or spaces: more than 2 MiB, or four times `max_head_size`, without content | protocol error |
//! | `Content-Length` together with `Transfer-Encoding` (§6.3) | protocol error, the connection is closed |
//! | a transfer coding other than one `chunked` (§6.1; we ask for none) | protocol error, the connection is closed |
//! | several equal `Content-Length` (§6.3) | one |
//! | several different, signed, hexadecimal or overflowing ones | protocol error |
//! | framing fields in an answer that has no body: `HEAD`, 204, 304, tunnels (§6.3) | ignored |
//! | folded lines (§5.2) | joined by a space |
//! | a space before the colon, a bare CR, NUL, a line without a colon | protocol error |
//! | a bare LF at the end of a line (§2.2), no reason phrase (§4) | accepted |
//! | a version other than 1.0 and 1.1 | protocol error |
//! | 1xx (RFC 9110 §15.2) | passed over, or told to [`OnInformational`](crate::options::OnInformational); counted as head |
//! | an answer instead of `100 Continue` (RFC 9110 §10.1.1) | the body is not sent, the connection is closed after the answer |
//! | 101 that the request did not ask for by `Upgrade` (RFC 9110 §7.8) | protocol error |
//! | a refusal of `CONNECT`, other than 407 | the connection is closed: nobody asks again |
//! | 204 to `CONNECT` (RFC 9110 §9.3.6) | a tunnel as any 2xx; shown as 200, because hyper would take it for a message |
//! | anything after the end of an answer | the connection is closed, the answer stands |
//! | HTTP/1.0 with `keep-alive` | kept, but a body of unknown length goes over another connection |
//!
//! What is sent: `Host` first, as the URL or the caller says; `Content-Length` for a body of known length, also 0 for the
//! methods that have one; `Transfer-Encoding: chunked` for any other, also with `GET`. A `Transfer-Encoding` of the caller's gets
//! `chunked` as its last coding if it has none, and is left out where the body is known to be empty. Trailers are sent if the request
//! announces them with `Trailer` (RFC 9110 §6.6.2), and are passed over if not.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Method, Request, Response, Version};
use http_body::Body;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use crate::{
    connect::ConnectInfo,
    connection::{Connection, Cut, Place, Progress, SendError},
    error::{BoxError, Error},
    events::Sent,
    http::informational::Interim,
    io::{Io, metered::Metered},
    options::Timeouts,
    patience::Patience,
    request_target::{forwarded_to, http1::usual_host},
    rt::Runtime,
    target::{Origin, Scheme, Target},
};

mod answer;
mod body;
mod config;
mod failure;
mod line;
mod listening;
mod outgoing;
mod sender;
mod sending;
mod watched;

#[cfg(all(test, feature = "tokio"))]
mod tests;

pub use body::Http1Body;
pub use config::Http1Config;
pub use sending::Sending;

use line::Line;
use listening::Listening;
use outgoing::{Plan, Reader};
use sender::Sender;
use watched::Watched;

/// A connection that speaks HTTP/1.1 (RFC 9112) and serves one request at a time.
///
/// # Cancellation
///
/// HTTP/1.1 cannot take a request back: dropping the future of one that is under way costs the connection.
pub struct Http1<B> {
    sender: Sender<B>,
    line: Arc<Line>,
    /// Behind a proxy that forwards, that of the last request.
    origin: Origin,
    host: HeaderValue,
    info: ConnectInfo,
    reading_limit: u64,
    timeouts: Timeouts,
    /// It has served a request, or has rested, so the runtime's view of the socket may be out of date.
    used: bool,
}

/// Bytes to connection. Nothing is sent before the first request.
pub(crate) async fn handshake<I: Io, B>(
    io: I,
    info: ConnectInfo,
    target: &Target,
    config: &Http1Config,
    runtime: &Runtime,
) -> Result<Http1<B>, Error>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (io, meter) = Metered::new(io, info.write_count());
    let (mut line, switch) = Line::new(target, meter, config.framing_limit(), runtime.clone());
    let (sender, connection) = Builder::from(config)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| failure::described(error, line.doing("opening HTTP/1.1 with")))?;
    let (sender, task_end) = Sender::new(sender, line.task_dropped_flag());
    let driven = task_end.of(switch.unless_cut(connection.with_upgrades()));
    line.driven_by(runtime.spawn_on(&runtime.current(), driven));
    Ok(Http1 {
        sender,
        line: Arc::new(line),
        origin: target.origin.clone(),
        host: usual_host(&target.origin)?,
        info: info.with_version(Version::HTTP_11),
        reading_limit: config.reading_limit(),
        timeouts: Timeouts::default(),
        used: false,
    })
}

impl<B> Service<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Http1Body>;
    type Error = SendError<Request<B>>;
    type Future = Sending<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Ok(ready) = self.sender.lend(cx, SendRequest::poll_ready) else {
            return Poll::Ready(Err(SendError::after(Progress::Unsent, self.line.over())));
        };
        let takes_requests = self.line.takes_requests();
        match ready {
            Poll::Ready(Err(_closed)) => {
                Poll::Ready(Err(SendError::after(Progress::Unsent, self.line.over())))
            }
            Poll::Ready(Ok(())) | Poll::Pending if !takes_requests => {
                let message = self.line.doing("the connection was closed by the last answer of");
                Poll::Ready(Err(SendError::after(Progress::Unsent, failure::closed(message))))
            }
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<B>) -> Sending<B> {
        let plan = match self.plan(&request) {
            Ok(plan) => plan,
            Err(error) => return Sending::refused(SendError::unsent(error, request)),
        };
        let patience = Patience::new(request.extensions().get().unwrap_or(&self.timeouts));
        let (told, interim) = (Sent::begin(request.extensions()), self.interim(&request));
        let must_be_empty = plan.must_be_empty();
        let (mut request, before) = plan.carry_out(request);
        if let Some(told) = &told {
            request.body_mut().tell(told.upload());
        }
        let (listening, gate) = interim.map(|interim| Listening::to(&mut request, interim)).unzip();
        let (mut not_empty, gate) = (None, gate.flatten());
        let request = request.map(|body| match must_be_empty {
            true => {
                not_empty = Some(Box::pin(watched::not_empty(body)) as sending::NotEmpty);
                Watched::empty(gate)
            }
            false => Watched::new(body, &self.line, gate),
        });
        self.look_at_the_socket();
        self.line.meter().limit_reading(Some(self.reading_limit));
        if request.method() == Method::CONNECT {
            self.line.meter().expect_tunnel();
        }
        let asked = answer::Asked::by(&request);
        let exchange =
            sending::Exchange::new(before, (asked, patience), listening, self.line.clone())
                .told(told);
        match self.sender.lend(request, SendRequest::try_send_request) {
            Ok(answer) => Sending::new(answer, exchange, not_empty),
            Err(request) => Sending::refused(exchange.refused(request)),
        }
    }
}

impl<B> Http1<B> {
    fn plan(&mut self, request: &Request<B>) -> Result<Plan, Error>
    where
        B: Body,
    {
        let (forwarder, is_old) = (self.info.forwarder(), self.line.peer_is_old());
        // `forwarded_to` checks what a proxy is given to forward.
        if forwarder.is_none() {
            self.info.check_request(request.uri())?;
        }
        // A connection to a proxy is for requests to all origins, but mostly they are to the same again. Whether what is
        // not `http` may be forwarded is asked each time: it depends on the request.
        let is_the_same =
            self.origin.scheme() == Scheme::Http && self.origin.is_named_by(request.uri());
        if let Some(proxy) = forwarder.filter(|_| !is_the_same) {
            self.origin = forwarded_to(request, proxy)?;
            self.host = usual_host(&self.origin)?;
        }
        Plan::of(request, &Reader { origin: &self.origin, host: &self.host, forwarder, is_old })
    }

    /// What the request wants of 1xx, which HTTP/1.0 has none of.
    fn interim(&self, request: &Request<B>) -> Option<Box<Interim>>
    where
        B: Body,
    {
        let mut interim = Interim::of(request)?;
        if self.line.peer_is_old() {
            interim.expects_nothing();
        }
        Some(interim)
    }

    /// Whoever used the connection before may have left the runtime believing that there is nothing to read. hyper
    /// reads before it writes, and takes no request when there is something.
    fn look_at_the_socket(&mut self) {
        if std::mem::replace(&mut self.used, true)
            && let Some(recheck) = self.info.recheck()
        {
            recheck.request_before_writing();
        }
    }
}

impl<B> Connection<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        !self.sender.is_closed() && self.line.takes_requests()
    }

    fn timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    fn hold(&self, place: Place) -> Option<Place> {
        self.line.meter().hold(place);
        None
    }

    fn keep_alive(&self) -> Option<Duration> {
        self.line.keep_alive()
    }

    fn cut(&self) -> Option<Cut> {
        let line = self.line.clone();
        Some(Cut::new(move || line.cut()))
    }

    fn reused(&mut self) {
        self.used = true;
    }

    fn info(&self) -> Option<&ConnectInfo> {
        Some(&self.info)
    }

    fn may_refuse(&self) -> bool {
        self.info.forwarder().is_some_and(|proxy| proxy.authenticator().can_answer())
    }
}

impl<B> Drop for Http1<B> {
    fn drop(&mut self) {
        if !self.sender.is_ready() {
            self.line.cut();
        }
    }
}

impl<B> fmt::Debug for Http1<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("line", &self.line).field("info", &self.info).finish()
    }
}
