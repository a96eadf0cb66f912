//! One request on an HTTP/2 connection: what the peer allows is settled, h2 gets the request, and the head of its response is
//! awaited.

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

/// A request, from its queue to the head of its response.
///
/// # Cancellation
///
/// Dropping it resets the stream (`CANCEL`), if there is one by then.
pub(in crate::http) struct Http2Exchange<B> {
    state: State<B>,
}

enum State<B> {
    Queued(Queued<B>),
    /// Boxed: few requests need it.
    Settling(Box<Settling<B>>),
    Waiting(AwaitingHead<B>),
    Over,
}

struct Queued<B> {
    request: Request<B>,
    conn: Arc<ConnShared>,
}

/// A request that needs to know first what the peer allows, or has said meanwhile.
struct Settling<B> {
    queued: Option<Queued<B>>,
    settled: Pin<Box<dyn Future<Output = Option<()>> + Send>>,
}

/// The limit on the wait for SETTINGS: they are the first frame of a peer, and a connection is not awaited for longer than
/// 10 s either.
const SETTINGS_TIME: Duration = Duration::from_secs(10);

/// The limit on the wait of a request whose body cannot be sent twice, because a peer may refuse streams that it has not
/// allowed. It is longer than a round trip, and not much longer, because some peers say nothing before the first request.
/// It also bounds the wait for one turn of a driver that does not get it.
const UPLOAD_TIME: Duration = Duration::from_secs(1);

/// The error of a request that is polled after its end.
const OVER: &str = "the request is over";

impl<B> Http2Exchange<B> {
    pub(super) fn new(request: Request<B>, conn: Arc<ConnShared>) -> Self {
        Self { state: State::Queued(Queued { request, conn }) }
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
        matches!(self.state, State::Waiting(_) | State::Over)
    }

    fn poll_begin(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Failed<Request<B>>>>> {
        if matches!(self.state, State::Queued(_)) && !self.settle() {
            return Poll::Ready(self.send(extras, cx));
        }
        let State::Settling(settling) = &mut self.state else { return Poll::Ready(Ok(())) };
        let queued = ready!(settling.poll(cx));
        self.state = queued.map_or(State::Over, State::Queued);
        Poll::Ready(self.send_settled(extras, cx))
    }

    fn poll_head(
        &mut self,
        extras: &mut Extras,
        _is_first: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Http2Failure>> {
        match &mut self.state {
            State::Waiting(waiting) => waiting.poll_head(extras, cx),
            _ => Poll::Pending,
        }
    }

    fn poll_stall(&mut self, _extras: &Extras, cx: &mut Context<'_>) -> Poll<Elapsed> {
        match &mut self.state {
            State::Waiting(waiting) => waiting.poll_stall(cx),
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
        match mem::replace(&mut self.state, State::Over) {
            State::Waiting(mut waiting) => match waiting.release() {
                Some(stream) => Ok(waiting.deliver(head, stream)),
                None => {
                    self.state = State::Waiting(waiting);
                    Err(Http2Failure::Malformed(TOO_MANY))
                }
            },
            _ => Err(Http2Failure::Malformed(OVER)),
        }
    }

    fn discard(&mut self, _head: Response<RecvStream>, _extras: &Extras) -> Option<Request<B>> {
        match mem::replace(&mut self.state, State::Over) {
            State::Waiting(waiting) => waiting.into_request(),
            _ => None,
        }
    }

    fn fail(&mut self, failure: Http2Failure) -> Box<Failed<Request<B>>> {
        match mem::replace(&mut self.state, State::Over) {
            State::Waiting(waiting) => waiting.fail(failure),
            // Only a request that waits has a failure.
            _ => Failed::after(Progress::Sent, Error::new(Kind::Canceled, OVER)),
        }
    }
}

impl<B> Http2Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Whether the request has to wait until the peer says what it allows, or until what it has said is read. If so, the
    /// wait begins.
    fn settle(&mut self) -> bool {
        let State::Queued(Queued { request, conn }) = &self.state else { return false };
        let is_settled = conn.is_settled();
        let is_extended = connect_protocol(request).is_some();
        if !is_extended && ((is_settled && !conn.has_rested()) || can_be_repeated(request.body())) {
            return false;
        }
        let settled: Pin<Box<dyn Future<Output = ()> + Send>> = match is_extended || !is_settled {
            true => Box::pin(conn.settled()),
            // A GOAWAY may lie unread that allows every stream and is followed by one that does not (RFC 9113 §6.8): the body
            // would be begun in between, and could not be had again.
            false => Box::pin(conn.has_read()),
        };
        let runtime = conn.runtime().clone();
        let limit = if is_extended { SETTINGS_TIME } else { UPLOAD_TIME };
        let settled = Box::pin(async move { runtime.within(Some(limit), settled).await });
        if let State::Queued(queued) = mem::replace(&mut self.state, State::Over) {
            self.state = State::Settling(Box::new(Settling { queued: Some(queued), settled }));
        }
        true
    }

    /// Sends it after what the peer allows is known, or was waited for long enough. If the peer allows fewer streams
    /// than there are, the request goes back to be sent when one is free.
    fn send_settled(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let State::Queued(Queued { conn, .. }) = &self.state else { return Ok(()) };
        let state = conn.state();
        if conn.is_settled() && state.takes_requests() && !state.has_free_stream() {
            let error = conn.has_no_free_stream();
            return self.give_back(error);
        }
        self.send(extras, cx)
    }

    /// Gives the request to h2, or back.
    fn send(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let State::Queued(Queued { request, conn }) = &self.state else { return Ok(()) };
        let mut streams = conn.streams();
        // As long as the driver finds nothing amiss, h2 takes the request, or refuses it without a byte written.
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
        let request = match mem::replace(&mut self.state, State::Over) {
            State::Queued(queued) => Some(queued.request),
            _ => None,
        };
        Err(Failed::new(error, Progress::Unsent, request))
    }

    /// Opens the stream of a request that can be sent. The head that h2 gets is made of the request's own parts.
    fn open(
        &mut self,
        mut plan: Http2Head,
        mut streams: SendRequest<Bytes>,
        extras: &mut Extras,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let State::Queued(Queued { request, conn }) = mem::replace(&mut self.state, State::Over)
        else {
            return Ok(());
        };
        let protocol = connect_protocol(&request).map(|it| Protocol::from(it.as_str()));
        let interim = Interim::of(&request);
        let stall = StallTimeout::new(request.extensions().get().unwrap_or(conn.timeouts()));
        let (mut head, body) = request.into_parts();
        // The head goes back with a body that its maker could not make again.
        let original = replay(&body).is_none().then(|| Box::new(head.clone()));
        let (length, kind) = (plan.length, plan.kind);
        plan.apply(&mut head);
        *extras = Extras::new(&head.extensions, interim, plan.authorization());
        head.extensions = extensions(protocol);
        let is_whole = length.is_none_or(|length| length == 0) && body.is_end_stream();
        let mut stream = OpenStream::new(conn, stall);
        let is_end = is_whole && !kind.is_connect;
        match streams.send_request(Request::from_parts(head, ()), is_end) {
            Ok((response, sending)) => {
                extras.head_sent();
                let upload = match is_whole {
                    true => Http2Upload::None(body),
                    false => {
                        Http2Upload::new(extras.checked(body, length), extras.withholds_body())
                    }
                };
                let parts = (stream, response, sending);
                self.state = State::Waiting(AwaitingHead::new(parts, upload, original, kind));
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

impl<B> Settling<B> {
    /// Whether SETTINGS came or not, h2 knows what is allowed after this.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Queued<B>>> {
        self.settled.as_mut().poll(cx).map(|_| self.queued.take())
    }
}

/// Those that h2 reads. None of the caller's is among them.
fn extensions(protocol: Option<Protocol>) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(protocol) = protocol {
        extensions.insert(protocol);
    }
    extensions
}

/// Whether there is another body should this one be lost.
fn can_be_repeated<B: Body + 'static>(body: &B) -> bool {
    body.is_end_stream() || replay(body).is_some()
}

impl<B> fmt::Debug for Http2Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Queued(_) => "queued",
            State::Settling(_) => "settling",
            State::Waiting(_) => "waiting",
            State::Over => "done",
        };
        f.debug_tuple("Http2Exchange").field(&state).finish()
    }
}
