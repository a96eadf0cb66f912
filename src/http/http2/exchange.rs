//! One request on an HTTP/2 connection: it may wait for SETTINGS, is given to h2, and awaits the head of its response.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest, ext::Protocol};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use http_body::Body;

use super::{
    body::Http2Body,
    request_head::Http2Head,
    shared::ConnShared,
    stream::OpenStream,
    unanswered::TOO_MANY,
    upload::Http2Upload,
    waiting::{AwaitingHead, Http2Failure},
};
use crate::{
    body::replay,
    connection::Progress,
    error::{BoxError, Error, Kind},
    http::{
        exchange::{Extras, Failed, WireExchange},
        informational::Interim,
    },
    request_target::connect_protocol,
    timeout::{Elapsed, StallTimeout},
};

/// A request, from its start to the head of its response.
///
/// # Cancellation
///
/// Dropping it resets its stream (`CANCEL`), if it is open.
pub(in crate::http) struct Http2Exchange<B> {
    state: ExchangeState<B>,
}

enum ExchangeState<B> {
    Queued(Queued<B>),
    /// Boxed: rarely needed.
    AwaitingSettings(Box<AwaitingSettings<B>>),
    Waiting(AwaitingHead<B>),
    Over,
}

struct Queued<B> {
    request: Request<B>,
    conn: Arc<ConnShared>,
}

/// A request that first has to know the peer's SETTINGS, or a GOAWAY that may lie unread.
struct AwaitingSettings<B> {
    queued: Option<Queued<B>>,
    settled: Pin<Box<dyn Future<Output = Option<()>> + Send>>,
}

/// The limit on the wait for SETTINGS, the peer's first frame: 10 s, as for a connection.
const SETTINGS_TIME: Duration = Duration::from_secs(10);

/// The limit on the wait of a request whose body cannot be replayed, because a peer may refuse streams that it has not
/// allowed. Somewhat longer than a round trip, as some peers send nothing before the first request. Also limits the wait
/// for one read of a driver that does not run.
const UPLOAD_TIME: Duration = Duration::from_secs(1);

/// The error of a request that is polled after its end.
const OVER: &str = "the request is over";

impl<B> Http2Exchange<B> {
    pub(super) fn new(request: Request<B>, conn: Arc<ConnShared>) -> Self {
        Self { state: ExchangeState::Queued(Queued { request, conn }) }
    }
}

impl<B> Unpin for Http2Exchange<B> {}

impl<B> WireExchange for Http2Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Request = Request<B>;
    type Head = Response<RecvStream>;
    type Body = Http2Body;
    type Failure = Http2Failure;

    fn has_begun(&self) -> bool {
        matches!(self.state, ExchangeState::Waiting(_) | ExchangeState::Over)
    }

    fn poll_begin(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Failed<Request<B>>>>> {
        if matches!(self.state, ExchangeState::Queued(_)) && !self.await_settings_if_needed() {
            return Poll::Ready(self.send(extras, cx));
        }
        let ExchangeState::AwaitingSettings(awaiting) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let queued = ready!(awaiting.poll(cx));
        self.state = queued.map_or(ExchangeState::Over, ExchangeState::Queued);
        Poll::Ready(self.send_after_wait(extras, cx))
    }

    fn poll_head(
        &mut self,
        extras: &mut Extras,
        _is_first: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Http2Failure>> {
        match &mut self.state {
            ExchangeState::Waiting(waiting) => waiting.poll_head(extras, cx),
            _ => Poll::Pending,
        }
    }

    fn poll_stall(&mut self, _extras: &Extras, cx: &mut Context<'_>) -> Poll<Elapsed> {
        match &mut self.state {
            ExchangeState::Waiting(waiting) => waiting.poll_stall(cx),
            _ => Poll::Pending,
        }
    }

    fn status_and_headers(head: &Response<RecvStream>) -> (StatusCode, &HeaderMap) {
        (head.status(), head.headers())
    }

    fn respond(
        &mut self,
        head: Response<RecvStream>,
        _extras: &Extras,
    ) -> Result<Response<Http2Body>, Http2Failure> {
        match mem::replace(&mut self.state, ExchangeState::Over) {
            ExchangeState::Waiting(mut waiting) => match waiting.release() {
                Some(stream) => Ok(waiting.deliver(head, stream)),
                None => {
                    self.state = ExchangeState::Waiting(waiting);
                    Err(Http2Failure::Malformed(TOO_MANY))
                }
            },
            _ => Err(Http2Failure::Malformed(OVER)),
        }
    }

    fn discard(&mut self, _head: Response<RecvStream>, _extras: &Extras) -> Option<Request<B>> {
        match mem::replace(&mut self.state, ExchangeState::Over) {
            ExchangeState::Waiting(mut waiting) => {
                // The peer has answered: the end of this stream is no sign of its silence.
                drop(waiting.release());
                waiting.into_request()
            }
            _ => None,
        }
    }

    fn fail(&mut self, failure: Http2Failure) -> Box<Failed<Request<B>>> {
        match mem::replace(&mut self.state, ExchangeState::Over) {
            ExchangeState::Waiting(waiting) => waiting.fail(failure),
            // Only a waiting request fails.
            _ => Failed::after(Progress::Sent, Error::new(Kind::Canceled, OVER)),
        }
    }
}

impl<B> Http2Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Whether the request has to wait for SETTINGS, or for a read of what has come. If so, starts the wait.
    fn await_settings_if_needed(&mut self) -> bool {
        let ExchangeState::Queued(Queued { request, conn }) = &self.state else { return false };
        let has_settings = conn.has_settings();
        let is_extended = connect_protocol(request).is_some();
        if !is_extended
            && ((has_settings && !conn.may_have_unread()) || can_be_repeated(request.body()))
        {
            return false;
        }
        let settled: Pin<Box<dyn Future<Output = ()> + Send>> = match is_extended || !has_settings {
            true => Box::pin(conn.settings_known()),
            // An unread GOAWAY may allow every stream, followed by one that does not (RFC 9113 §6.8): the body would be
            // started in between and lost.
            false => Box::pin(conn.has_read()),
        };
        let runtime = conn.runtime().clone();
        let limit = if is_extended { SETTINGS_TIME } else { UPLOAD_TIME };
        let settled = Box::pin(async move { runtime.within(Some(limit), settled).await });
        if let ExchangeState::Queued(queued) = mem::replace(&mut self.state, ExchangeState::Over) {
            self.state = ExchangeState::AwaitingSettings(Box::new(AwaitingSettings {
                queued: Some(queued),
                settled,
            }));
        }
        true
    }

    /// Sends the request after the wait. If the peer allows no further stream now, the request goes back to the pool's
    /// queue.
    fn send_after_wait(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let ExchangeState::Queued(Queued { conn, .. }) = &self.state else { return Ok(()) };
        let state = conn.state();
        if conn.has_settings() && state.takes_requests() && !state.has_free_stream() {
            let error = conn.has_no_free_stream();
            return self.give_back(error);
        }
        self.send(extras, cx)
    }

    /// Gives the request to h2, or back to the caller.
    fn send(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let ExchangeState::Queued(Queued { request, conn }) = &self.state else { return Ok(()) };
        let mut streams = conn.streams();
        // While the driver knows of no error, h2 takes the request or refuses it without writing a byte.
        if !conn.state().takes_requests()
            && let Poll::Ready(Err(error)) = streams.poll_ready(cx)
        {
            let error = conn.failed_unsent(error);
            return self.give_back(error);
        }
        if let Some(protocol) = connect_protocol(request)
            && !streams.is_extended_connect_protocol_enabled()
        {
            let error = conn.unsupported(protocol.as_str());
            return self.give_back(error);
        }
        match Http2Head::new(request, conn.origin(), conn.info()) {
            Ok(head) => self.open(head, streams, extras),
            Err(error) => self.give_back(error),
        }
    }

    fn give_back(&mut self, error: Error) -> Result<(), Box<Failed<Request<B>>>> {
        let request = match mem::replace(&mut self.state, ExchangeState::Over) {
            ExchangeState::Queued(queued) => Some(queued.request),
            _ => None,
        };
        Err(Failed::new(error, Progress::Unsent, request))
    }

    /// Opens the stream. The head for h2 reuses the request's own parts.
    fn open(
        &mut self,
        mut plan: Http2Head,
        mut streams: SendRequest<Bytes>,
        extras: &mut Extras,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let ExchangeState::Queued(Queued { request, conn }) =
            mem::replace(&mut self.state, ExchangeState::Over)
        else {
            return Ok(());
        };
        let protocol = connect_protocol(&request).map(|it| Protocol::from(it.as_str()));
        let interim = Interim::of(&request);
        let stall = StallTimeout::new(request.extensions().get().unwrap_or(conn.timeouts()));
        let (mut head, body) = request.into_parts();
        // A body that cannot be replayed goes back with its head.
        let original = replay(&body).is_none().then(|| Box::new(head.clone()));
        let (length, kind) = (plan.length, plan.kind);
        plan.apply(&mut head);
        *extras = Extras::new(&head.extensions, interim, plan.authorization());
        // h2 stores the extensions with the stream: without this, the caller's would live as long.
        head.extensions = extensions(protocol);
        // A CONNECT stream stays open for its tunnel, even without a body.
        let is_whole = length.is_none_or(|length| length == 0) && body.is_end_stream();
        // Counted before h2 writes: the byte counts at this point decide whether anything of the request was sent.
        let mut stream = OpenStream::new(conn, stall);
        let is_end = is_whole && !kind.is_connect;
        match streams.send_request(Request::from_parts(head, ()), is_end) {
            Ok((response, sending)) => {
                extras.head_sent();
                let upload = match is_whole {
                    true => Http2Upload::None(body),
                    false => Http2Upload::new(extras.checked(body, length), extras.is_body_held()),
                };
                let parts = (stream, response, sending);
                self.state =
                    ExchangeState::Waiting(AwaitingHead::new(parts, upload, original, kind));
                Ok(())
            }
            Err(error) => {
                let error = stream.guard.refuse(error);
                let request = original.map(|head| Request::from_parts(*head, body));
                Err(Failed::new(error, Progress::Unsent, request))
            }
        }
    }
}

impl<B> AwaitingSettings<B> {
    /// Ready when the wait is over, successful or not: h2 then knows what is allowed.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Queued<B>>> {
        self.settled.as_mut().poll(cx).map(|_| self.queued.take())
    }
}

/// The extensions that h2 reads; none of the caller's.
fn extensions(protocol: Option<Protocol>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(protocol) = protocol {
        extensions.insert(protocol);
    }
    extensions
}

/// Whether the body can be replayed if this one is lost.
fn can_be_repeated<B: Body + 'static>(body: &B) -> bool {
    body.is_end_stream() || replay(body).is_some()
}

impl<B> fmt::Debug for Http2Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            ExchangeState::Queued(_) => "queued",
            ExchangeState::AwaitingSettings(_) => "awaiting SETTINGS",
            ExchangeState::Waiting(_) => "waiting",
            ExchangeState::Over => "over",
        };
        f.debug_tuple("Http2Exchange").field(&state).finish()
    }
}
