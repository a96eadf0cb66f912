//! The future of one request: queues it when it is first polled, and waits for the head of its answer.

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
use h2::{client::SendRequest, ext::Protocol};
use http::{Extensions, Request, Response, Version};
use http_body::Body;

use super::{
    Http2Body,
    head::Plan,
    shared::ConnShared,
    stream::OpenStream,
    upload::Upload,
    waiting::{AwaitingHead, Original, RequestKind},
};
use crate::{
    body::replay,
    connection::{Progress, SendError},
    error::BoxError,
    events::Sent,
    http::informational::Interim,
    patience::Patience,
    request_target::connect_protocol,
};

/// The future of a request.
///
/// Nothing is sent before it is first polled.
///
/// # Cancellation
///
/// Dropping it resets the stream (`CANCEL`), if there is one by then.
pub struct Exchange<B> {
    state: State<B>,
}

enum State<B> {
    Queued(Queued<B>),
    /// Boxed: few requests need it.
    Settling(Box<Settling<B>>),
    Waiting(AwaitingHead<B>),
    Done,
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

/// So long it waits: SETTINGS are the first that a peer sends, and more than 10 s are not waited for a connection either.
const SETTINGS_TIME: Duration = Duration::from_secs(10);

/// So long a request waits whose body cannot be sent twice, because a peer may refuse streams that it has not allowed. It
/// is longer than a round trip, and not much longer, because some peers say nothing before the first request. The same
/// bounds the wait for one turn of a driver that does not get it.
const UPLOAD_TIME: Duration = Duration::from_secs(1);

impl<B> Exchange<B> {
    pub(super) fn new(request: Request<B>, conn: Arc<ConnShared>) -> Self {
        Self { state: State::Queued(Queued { request, conn }) }
    }
}

impl<B> Unpin for Exchange<B> {}

impl<B> Future for Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Http2Body>, SendError<Request<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().state;
        if matches!(state, State::Queued(_))
            && let State::Queued(queued) = mem::replace(state, State::Done)
        {
            *state = queued.begin(cx)?;
        }
        if let State::Settling(settling) = state {
            let settled = ready!(settling.poll(cx));
            *state = State::Done;
            *state = settled?;
        }
        // It was ready before.
        let State::Waiting(waiting) = state else { return Poll::Pending };
        let outcome = ready!(waiting.poll_head(cx));
        let State::Waiting(waiting) = mem::replace(state, State::Done) else {
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(response) => waiting.answered(response),
            Err(failed) => Err(waiting.fail(failed)),
        })
    }
}

impl<B> Queued<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn begin(self, cx: &mut Context<'_>) -> Result<State<B>, SendError<Request<B>>> {
        let is_settled = self.conn.is_settled();
        if connect_protocol(&self.request).is_some() {
            let settled = self.conn.settled();
            Ok(State::Settling(Box::new(Settling::new(self, settled, SETTINGS_TIME))))
        } else if (is_settled && !self.conn.has_rested()) || self.can_be_repeated() {
            self.send(cx)
        } else if is_settled {
            // A GOAWAY may lie unread that allows every stream and is followed by one that does not (RFC 9113 §6.8): the body
            // would be begun in between, and could not be had again.
            let read = self.conn.has_read();
            Ok(State::Settling(Box::new(Settling::new(self, read, UPLOAD_TIME))))
        } else {
            let settled = self.conn.settled();
            Ok(State::Settling(Box::new(Settling::new(self, settled, UPLOAD_TIME))))
        }
    }

    /// Whether there is another body should this one be lost.
    fn can_be_repeated(&self) -> bool {
        let body = self.request.body();
        body.is_end_stream() || replay(body).is_some()
    }

    /// Sends it after what the peer allows is known, or was waited for long enough. If the peer allows fewer streams
    /// than there are, the request goes back to be sent when one is free.
    fn send_settled(self, cx: &mut Context<'_>) -> Result<State<B>, SendError<Request<B>>> {
        let state = self.conn.state();
        if self.conn.is_settled() && state.takes_requests() && !state.has_free_stream() {
            let error = self.conn.has_no_free_stream();
            return Err(SendError::unsent(error, self.request));
        }
        self.send(cx)
    }

    /// Gives the request to h2, or back.
    fn send(self, cx: &mut Context<'_>) -> Result<State<B>, SendError<Request<B>>> {
        let Self { request, conn } = self;
        let mut streams = conn.streams();
        if let Poll::Ready(Err(error)) = streams.poll_ready(cx) {
            return Err(SendError::unsent(conn.failed_unsent(error), request));
        }
        if let Some(protocol) = connect_protocol(&request)
            && !streams.is_extended_connect_protocol_enabled()
        {
            return Err(SendError::unsent(conn.unsupported(protocol.as_str()), request));
        }
        match Plan::new(&request, &conn.target().origin, conn.info()) {
            Ok(plan) => open(request, plan, conn, streams),
            Err(error) => Err(SendError::unsent(error, request)),
        }
    }
}

/// Opens the stream of a request that can be sent. The head that h2 gets is made of the request's own parts.
fn open<B>(
    request: Request<B>,
    mut plan: Plan,
    conn: Arc<ConnShared>,
    mut streams: SendRequest<Bytes>,
) -> Result<State<B>, SendError<Request<B>>>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let kind = RequestKind::of(request.method());
    let protocol = connect_protocol(&request).map(|it| Protocol::from(it.as_str()));
    let interim = Interim::of(&request);
    let is_held = interim.as_ref().is_some_and(|interim| interim.holds_body());
    let patience = Patience::new(request.extensions().get().unwrap_or(conn.timeouts()));
    let (mut head, body) = request.into_parts();
    let sent = Sent::begin(&head.extensions);
    // Goes back with a body that its maker could not make again.
    let kept = replay(&body).is_none().then(|| head.clone());
    let length = plan.length;
    plan.apply(&mut head);
    head.version = Version::HTTP_2;
    head.extensions = Extensions::new();
    if let Some(protocol) = protocol {
        head.extensions.insert(protocol);
    }
    let original = Original::new(kept, plan.authorization(), interim);
    let is_whole = length.is_none_or(|length| length == 0) && body.is_end_stream();
    let mut stream = OpenStream::new(conn, patience);
    let is_end = is_whole && kind != RequestKind::Tunnel;
    match streams.send_request(Request::from_parts(head, ()), is_end) {
        Ok((response, sending)) => {
            if let Some(sent) = &sent {
                sent.head_sent();
            }
            let upload = match is_whole {
                true => Upload::None(body),
                false => Upload::new(body, length, is_held, sent.as_ref()),
            };
            let waiting = AwaitingHead::new((stream, response, sending), upload, original, kind);
            Ok(State::Waiting(waiting.told(sent)))
        }
        Err(error) => {
            let error = stream.guard.refuse(error);
            if let Some(sent) = sent {
                sent.failed(&error);
            }
            Err(SendError {
                error: error.into(),
                progress: Progress::Unsent,
                request: original.restore(Some(body)),
            })
        }
    }
}

impl<B> Settling<B> {
    fn new(
        queued: Queued<B>,
        settled: impl Future<Output = ()> + Send + 'static,
        limit: Duration,
    ) -> Self {
        let runtime = queued.conn.runtime().clone();
        let settled = Box::pin(async move { runtime.within(Some(limit), settled).await });
        Self { queued: Some(queued), settled }
    }
}

impl<B> Settling<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<State<B>, SendError<Request<B>>>> {
        // Whether they came or not, h2 knows what is allowed by now.
        ready!(self.settled.as_mut().poll(cx));
        let sent = self.queued.take().map(|queued| queued.send_settled(cx));
        Poll::Ready(sent.unwrap_or(Ok(State::Done)))
    }
}

impl<B> fmt::Debug for Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Queued(_) => "queued",
            State::Settling(_) => "settling",
            State::Waiting(_) => "waiting",
            State::Done => "done",
        };
        f.debug_tuple("Exchange").field(&state).finish()
    }
}
