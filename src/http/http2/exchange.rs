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
use http::{Extensions, Request, Response};
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
    error::{BoxError, Error},
    events::Sent,
    http::informational::Interim,
    request_target::connect_protocol,
    timeout::StallTimeout,
};

/// The future of a request.
///
/// Nothing is sent before it is first polled.
///
/// # Cancellation
///
/// Dropping it resets the stream (`CANCEL`), if there is one by then.
pub(crate) struct Exchange<B> {
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
        let this = self.get_mut();
        if matches!(this.state, State::Queued(_)) {
            this.begin(cx)?;
        }
        if let State::Settling(settling) = &mut this.state {
            let queued = ready!(settling.poll(cx));
            this.state = queued.map_or(State::Done, State::Queued);
            this.send_settled(cx)?;
        }
        // It was ready before.
        let State::Waiting(waiting) = &mut this.state else { return Poll::Pending };
        let outcome = ready!(waiting.poll_head(cx));
        let State::Waiting(waiting) = mem::replace(&mut this.state, State::Done) else {
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(response) => waiting.answered(response),
            Err(failed) => Err(waiting.fail(failed)),
        })
    }
}

impl<B> Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), SendError<Request<B>>> {
        let State::Queued(Queued { request, conn }) = &self.state else { return Ok(()) };
        let is_settled = conn.is_settled();
        let is_extended = connect_protocol(request).is_some();
        if !is_extended && ((is_settled && !conn.has_rested()) || can_be_repeated(request.body())) {
            return self.send(cx);
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
        if let State::Queued(queued) = mem::replace(&mut self.state, State::Done) {
            self.state = State::Settling(Box::new(Settling { queued: Some(queued), settled }));
        }
        Ok(())
    }

    /// Sends it after what the peer allows is known, or was waited for long enough. If the peer allows fewer streams
    /// than there are, the request goes back to be sent when one is free.
    fn send_settled(&mut self, cx: &mut Context<'_>) -> Result<(), SendError<Request<B>>> {
        let State::Queued(Queued { conn, .. }) = &self.state else { return Ok(()) };
        let state = conn.state();
        if conn.is_settled() && state.takes_requests() && !state.has_free_stream() {
            let error = conn.has_no_free_stream();
            return self.give_back(error);
        }
        self.send(cx)
    }

    /// Gives the request to h2, or back.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), SendError<Request<B>>> {
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
        match Plan::new(request, conn.origin(), conn.info()) {
            Ok(plan) => self.open(plan, streams),
            Err(error) => self.give_back(error),
        }
    }

    fn give_back(&mut self, error: Error) -> Result<(), SendError<Request<B>>> {
        match mem::replace(&mut self.state, State::Done) {
            State::Queued(queued) => Err(SendError::unsent(error, queued.request)),
            _ => Err(SendError::after(Progress::Unsent, error)),
        }
    }

    /// Opens the stream of a request that can be sent. The head that h2 gets is made of the request's own parts.
    fn open(
        &mut self,
        mut plan: Plan,
        mut streams: SendRequest<Bytes>,
    ) -> Result<(), SendError<Request<B>>> {
        let State::Queued(Queued { request, conn }) = mem::replace(&mut self.state, State::Done)
        else {
            return Ok(());
        };
        let kind = RequestKind::of(request.method());
        let protocol = connect_protocol(&request).map(|it| Protocol::from(it.as_str()));
        let interim = Interim::of(&request);
        let is_held = interim.as_ref().is_some_and(|interim| interim.holds_body());
        let stall = StallTimeout::new(request.extensions().get().unwrap_or(conn.timeouts()));
        let (mut head, body) = request.into_parts();
        let sent = Sent::begin(&head.extensions);
        // The head goes back with a body that its maker could not make again.
        let keeps = replay(&body).is_none();
        let mut original = Original::new(keeps.then_some(&head), interim);
        let length = plan.length;
        plan.apply(&mut head);
        original.set_authorization(plan.authorization());
        head.extensions = extensions(protocol);
        let is_whole = length.is_none_or(|length| length == 0) && body.is_end_stream();
        let mut stream = OpenStream::new(conn, stall);
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
                let waiting =
                    AwaitingHead::new((stream, response, sending), upload, original, kind);
                self.state = State::Waiting(waiting.told(sent));
                Ok(())
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
