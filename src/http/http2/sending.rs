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

use h2::ext::Protocol;
use http::{Request, Response, Version, request::Parts};
use http_body::Body;

use super::{
    Http2Body,
    exchange::{Asked, Before, Exchange},
    head::Plan,
    shared::ConnShared,
    stream::StreamGuard,
    upload::Upload,
};
use crate::{
    body::{Measured, replay},
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
pub struct Sending<B> {
    state: State<B>,
}

enum State<B> {
    Queued(Queued<B>),
    /// Seldom, so the room that it takes is not everyone's.
    Settling(Box<Settling<B>>),
    Waiting(Exchange<B>),
    Failed(SendError<Request<B>>),
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

impl<B> Sending<B> {
    pub(super) fn new(request: Request<B>, conn: Arc<ConnShared>) -> Self {
        Self { state: State::Queued(Queued { request, conn }) }
    }
}

impl<B> Unpin for Sending<B> {}

impl<B> Future for Sending<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Http2Body>, SendError<Request<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = &mut self.get_mut().state;
        if matches!(state, State::Queued(_))
            && let State::Queued(queued) = mem::replace(state, State::Done)
        {
            *state = queued.begin(cx);
        }
        if let State::Settling(settling) = state {
            *state = ready!(settling.poll(cx));
        }
        let outcome = match state {
            State::Waiting(exchange) => Some(ready!(exchange.poll_head(cx))),
            _ => None,
        };
        match (mem::replace(state, State::Done), outcome) {
            (State::Waiting(exchange), Some(Ok(answer))) => Poll::Ready(exchange.answered(answer)),
            (State::Waiting(exchange), Some(Err(failed))) => {
                Poll::Ready(Err(exchange.fail(failed)))
            }
            (State::Failed(error), _) => Poll::Ready(Err(error)),
            // It was ready before.
            _ => Poll::Pending,
        }
    }
}

impl<B> Queued<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn begin(self, cx: &mut Context<'_>) -> State<B> {
        let is_settled = self.conn.is_settled();
        if connect_protocol(&self.request).is_some() {
            let settled = self.conn.settled();
            State::Settling(Box::new(Settling::new(self, settled, SETTINGS_TIME)))
        } else if (is_settled && !self.conn.has_rested()) || self.can_be_repeated() {
            self.send(cx)
        } else if is_settled {
            // A GOAWAY may lie unread that allows every stream and is followed by one that does not (RFC 9113 §6.8): the body
            // would be begun in between, and could not be had again.
            let read = self.conn.has_read();
            State::Settling(Box::new(Settling::new(self, read, UPLOAD_TIME)))
        } else {
            let settled = self.conn.settled();
            State::Settling(Box::new(Settling::new(self, settled, UPLOAD_TIME)))
        }
    }

    /// Whether there is another body should this one be lost.
    fn can_be_repeated(&self) -> bool {
        let body = self.request.body();
        body.is_end_stream() || replay(body).is_some()
    }

    /// Sends it after what the peer allows is known, or was waited for long enough. If the peer allows fewer streams
    /// than there are, the request goes back to be sent when one is free.
    fn send_settled(self, cx: &mut Context<'_>) -> State<B> {
        let state = self.conn.state();
        if self.conn.is_settled() && state.takes_requests() && !state.has_free_stream() {
            let error = self.conn.has_no_free_stream();
            return State::Failed(SendError::unsent(error, self.request));
        }
        self.send(cx)
    }

    /// Gives the request to h2, or back.
    fn send(self, cx: &mut Context<'_>) -> State<B> {
        if let Poll::Ready(Err(error)) = self.conn.streams().poll_ready(cx) {
            let error = self.conn.failed_unsent(error);
            return State::Failed(SendError::unsent(error, self.request));
        }
        if let Some(protocol) = connect_protocol(&self.request)
            && !self.conn.streams().is_extended_connect_protocol_enabled()
        {
            let error = self.conn.unsupported(protocol.as_str());
            return State::Failed(SendError::unsent(error, self.request));
        }
        match Plan::new(&self.request, &self.conn.target().origin, self.conn.info()) {
            Ok(plan) => self.open(plan),
            Err(error) => State::Failed(SendError::unsent(error, self.request)),
        }
    }

    fn open(self, plan: Plan) -> State<B> {
        let asked = Asked::by(self.request.method());
        let protocol = connect_protocol(&self.request).map(|it| Protocol::from(it.as_str()));
        let interim = Interim::of(&self.request);
        let is_held = interim.as_ref().is_some_and(|interim| interim.holds_body());
        let timeouts = self.request.extensions().get().unwrap_or(self.conn.timeouts());
        let patience = Patience::new(timeouts);
        let (parts, body) = self.request.into_parts();
        let (length, told) = (plan.length, Sent::begin(&parts.extensions));
        let (mut head, before) = split(parts, plan, interim, replay(&body).is_none());
        if let Some(protocol) = protocol {
            head.extensions_mut().insert(protocol);
        }
        let mut body = Measured::new(body, length);
        let is_whole = body.is_end_stream();
        let mut guard = StreamGuard::new(self.conn);
        let is_end = is_whole && asked != Asked::Tunnel;
        let sent = guard.conn().streams().send_request(head, is_end);
        match sent {
            Ok((response, stream)) => {
                if let Some(told) = &told {
                    told.head_sent();
                    body.tell(told.upload());
                }
                let upload = Upload::of(body, is_whole, is_held);
                let waits = (asked, patience);
                let exchange = Exchange::new(guard, response, stream, upload, before, waits);
                State::Waiting(exchange.told(told))
            }
            Err(error) => {
                let error = guard.refuse(error);
                if let Some(told) = told {
                    told.failed(&error);
                }
                State::Failed(SendError {
                    error: error.into(),
                    progress: Progress::Unsent,
                    request: before.restore(Some(body.into_inner())),
                })
            }
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
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<State<B>> {
        // Whether they came or not, h2 knows what is allowed by now.
        ready!(self.settled.as_mut().poll(cx));
        let sent = self.queued.take().map(|queued| queued.send_settled(cx));
        Poll::Ready(sent.unwrap_or(State::Done))
    }
}

/// The head that h2 gets, and the one that goes back with a body that nobody else can make again.
fn split(
    mut parts: Parts,
    mut plan: Plan,
    interim: Option<Box<Interim>>,
    keeps: bool,
) -> (Request<()>, Before) {
    let mut head = Request::new(());
    *head.headers_mut() = if keeps { parts.headers.clone() } else { mem::take(&mut parts.headers) };
    *head.method_mut() = parts.method.clone();
    *head.version_mut() = Version::HTTP_2;
    plan.apply(head.headers_mut());
    *head.uri_mut() = mem::take(&mut plan.target);
    (head, Before::new(keeps.then_some(parts), plan.authorization(), interim))
}

impl<B> fmt::Debug for Sending<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Queued(_) => "queued",
            State::Settling(_) => "settling",
            State::Waiting(_) => "waiting",
            State::Failed(_) => "failed",
            State::Done => "done",
        };
        f.debug_tuple("Sending").field(&state).finish()
    }
}
