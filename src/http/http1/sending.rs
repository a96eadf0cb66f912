//! One request under way: from the first byte of it to the head of its answer.

use std::{
    error::Error as _,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Version};
use hyper::{body::Incoming, client::conn::TrySendError, upgrade::OnUpgrade};

use super::{
    Http1Body,
    answer::{Answer, Asked, keep_alive_seconds},
    failure,
    line::{Line, Upload},
    listening::Listening,
    outgoing::Before,
    watched::Watched,
};
use crate::{
    connection::{Progress, SendError},
    error::{Error, Kind, Phase},
    events::Sent,
    io::Io,
    patience::{Awaited, Impatience, Patience},
    rt::TaskDropped,
    upgrade::Pending,
};

/// The future of a request on an HTTP/1.1 connection.
///
/// # Cancellation
///
/// Dropping it closes the connection, unless nothing of the request was written.
pub struct Sending<B> {
    state: State<B>,
}

enum State<B> {
    /// Seldom, so the room that it takes is not everyone's.
    Refused(Box<SendError<Request<B>>>),
    Sent {
        answer: HyperAnswer<B>,
        exchange: Exchange,
        not_empty: Option<NotEmpty>,
    },
    Done,
}

type HyperResult<B> = Result<Response<Incoming>, TrySendError<Request<Watched<B>>>>;

/// hyper's future has no name, hence the box.
type HyperAnswer<B> = Pin<Box<dyn Future<Output = HyperResult<B>> + Send>>;

/// A body that must be empty. Ready if it is not.
pub(super) type NotEmpty = Pin<Box<dyn Future<Output = Error> + Send>>;

/// What must be known of a request to judge its answer, or the lack of one.
pub(super) struct Exchange {
    before: Before,
    asked: Asked,
    /// Seldom, so the room that it takes is not everyone's.
    listening: Option<Box<Listening>>,
    line: Arc<Line>,
    patience: Patience,
    told: Option<Sent>,
    read: u64,
    written: u64,
}

impl<B> Sending<B> {
    pub(super) fn refused(error: SendError<Request<B>>) -> Self {
        Self { state: State::Refused(Box::new(error)) }
    }

    pub(super) fn new(
        answer: impl Future<Output = HyperResult<B>> + Send + 'static,
        exchange: Exchange,
        not_empty: Option<NotEmpty>,
    ) -> Self {
        Self { state: State::Sent { answer: Box::pin(answer), exchange, not_empty } }
    }
}

impl<B> Future for Sending<B> {
    type Output = Result<Response<Http1Body>, SendError<Request<B>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Sent { not_empty: Some(not_empty), .. } = &mut self.state
            && let Poll::Ready(why) = not_empty.as_mut().poll(cx)
            && let State::Sent { exchange, .. } = std::mem::replace(&mut self.state, State::Done)
        {
            return Poll::Ready(Err(exchange.body_failed(why)));
        }
        let answer = match &mut self.state {
            State::Sent { answer, exchange, .. } => {
                let answer = answer.as_mut().poll(cx);
                exchange.listen(answer.is_ready(), cx);
                Some(match answer {
                    Poll::Ready(answer) => Ok(answer),
                    Poll::Pending => Err(ready!(exchange.poll_patience(cx))),
                })
            }
            State::Refused(_) | State::Done => None,
        };
        match (std::mem::replace(&mut self.state, State::Done), answer) {
            (State::Sent { exchange, .. }, Some(Ok(Ok(response)))) => {
                Poll::Ready(exchange.answered(response))
            }
            (State::Sent { exchange, .. }, Some(Ok(Err(error)))) => {
                Poll::Ready(Err(exchange.failed(error)))
            }
            (State::Sent { exchange, .. }, Some(Err(impatience))) => {
                Poll::Ready(Err(exchange.timed_out(impatience)))
            }
            (State::Refused(error), _) => Poll::Ready(Err(*error)),
            _ => Poll::Pending,
        }
    }
}

/// hyper's future is never looked into before it is pinned in its box, and nothing else here cares.
impl<B> Unpin for Sending<B> {}

impl Exchange {
    pub(super) fn new(
        before: Before,
        (asked, patience): (Asked, Patience),
        listening: Option<Listening>,
        line: Arc<Line>,
    ) -> Self {
        let (read, written) = (line.meter().read(), line.meter().written());
        let listening = listening.map(Box::new);
        Self { before, asked, listening, line, patience, told: None, read, written }
    }

    /// Tells how it goes on.
    pub(super) fn told(self, told: Option<Sent>) -> Self {
        Self { told, ..self }
    }

    /// What came before the answer is heard before it.
    fn listen(&mut self, is_answered: bool, cx: &mut Context<'_>) {
        if let Some(listening) = &mut self.listening {
            listening.poll(is_answered, self.line.runtime(), cx);
        }
    }

    /// The connection was over before the request could be given to it.
    pub(super) fn refused<B>(self, request: Request<Watched<B>>) -> SendError<Request<B>> {
        self.before.unsent(self.line.over(), request)
    }

    /// What was sent of the request says that it has no body, and that is wrong.
    fn body_failed<B>(mut self, why: Error) -> SendError<Request<B>> {
        self.line.cut();
        let doing = self.line.doing("sending a request to");
        let error = Error::new(Kind::Body, doing).because(why);
        self.tell(|told| told.failed(&error));
        SendError::after(self.progress(), error)
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Impatience> {
        let (line, meter) = (&self.line, self.line.meter());
        let awaited = match line.upload() {
            _ if meter.is_full() => Awaited::Taking,
            Upload::Going => Awaited::Taking,
            Upload::Lacking => Awaited::Caller,
            Upload::Over if meter.read() > self.read => Awaited::Rest,
            Upload::Over => Awaited::Answer,
        };
        // What was still to be written of a request that is over has been since, and says nothing of the peer.
        let moved = if awaited == Awaited::Taking { meter.moved() } else { meter.read() };
        self.patience.poll(awaited, moved, line.runtime(), cx)
    }

    fn timed_out<B>(mut self, impatience: Impatience) -> SendError<Request<B>> {
        let doing = match impatience.phase() {
            Phase::Write => "sending a request to",
            _ => "waiting for the answer of",
        };
        self.line.cut();
        let error = impatience.into_error(self.line.doing(doing));
        self.tell(|told| told.failed(&error));
        SendError::after(self.progress(), error)
    }

    fn answered<B>(
        mut self,
        mut response: Response<Incoming>,
    ) -> Result<Response<Http1Body>, SendError<Request<B>>> {
        self.line.renew_body_limit();
        match self.asked.check(&response) {
            Ok(Answer::Message) => self.note(&response),
            Ok(Answer::Switched) => self.hand_over(&mut response),
            Err(why) => {
                let error = self.refuse(why);
                self.tell(|told| told.failed(&error));
                return Err(SendError::after(Progress::Answered, error));
            }
        }
        self.tell(|told| told.answered(response.status()));
        let response = response.map(|body| Http1Body::new(body, self.line, self.patience));
        let Some(authorization) = self.before.authorization() else { return Ok(response) };
        match authorization.check(&response) {
            Ok(()) => Ok(response),
            Err(error) => {
                response.into_body().read_away();
                Err(SendError::after(Progress::Refused, error))
            }
        }
    }

    /// What the answer says about the connection.
    fn note<B>(&self, response: &Response<B>) {
        if response.version() == Version::HTTP_10 {
            self.line.grows_old();
        }
        if let Some(seconds) = keep_alive_seconds(response.headers()) {
            self.line.keeps_alive_for(seconds);
        }
        let withholds_body = self.listening.as_ref().is_some_and(|it| it.withholds_body());
        if withholds_body || self.asked.is_refused_tunnel(response.status()) {
            self.line.finishes();
        }
    }

    /// The bytes go with the answer, for hyper's `upgrade::on` as for ours: the first to ask has them.
    fn hand_over<B>(&self, response: &mut Response<B>) {
        self.line.meter().limit_reading(None);
        self.line.switches();
        let Some(upgrade) = response.extensions().get::<OnUpgrade>().cloned() else { return };
        let doing = self.line.doing("taking over the connection to");
        response.extensions_mut().insert(Pending::new(async move {
            match upgrade.await {
                Ok(upgraded) => Ok(Box::new(upgraded) as Box<dyn Io>),
                Err(error) => Err(failure::described(error, doing).sent(true)),
            }
        }));
    }

    /// The answer cannot be trusted, so neither can what follows it.
    fn refuse(&self, why: &'static str) -> Error {
        self.line.cut();
        let message = self.line.doing("reading the answer of");
        Error::new(Kind::Protocol, format!("{message}: {why}"))
    }

    fn failed<B>(mut self, mut error: TrySendError<Request<Watched<B>>>) -> SendError<Request<B>> {
        let unsent = error.take_message();
        let progress = if unsent.is_some() { Progress::Unsent } else { self.progress() };
        let error = self.describe(error.into_error(), progress);
        self.tell(|told| told.failed(&error));
        match unsent {
            Some(request) => self.before.unsent(error, request),
            None => SendError::after(progress, error),
        }
    }

    /// The last that there is to tell.
    fn tell(&mut self, tell: impl FnOnce(Sent)) {
        self.told.take().map(tell);
    }

    /// How far a request came whose connection has failed, or was cut.
    fn progress(&self) -> Progress {
        let meter = self.line.meter();
        if meter.stops_unwritten(self.written) {
            return Progress::Unsent;
        }
        if meter.read() > self.read { Progress::Answered } else { Progress::Sent }
    }

    fn describe(&self, error: hyper::Error, progress: Progress) -> Error {
        if failure::is_endless_head(&error) {
            let doing = self.line.doing("reading the answer of");
            let message = format!("{doing}: its head is longer than allowed");
            return Error::new(Kind::Protocol, message).because(error);
        }
        let doing = match progress {
            Progress::Answered => self.line.doing("reading the answer of"),
            _ => self.line.doing("sending a request to"),
        };
        if let Some(strange) = self.line.strange(&doing) {
            return strange.because(error);
        }
        let is_end = failure::is_end(&error);
        let is_over = error.is_canceled() || error.is_closed();
        let error = match progress {
            Progress::Unsent if is_end || is_over => match self.line.over() {
                over if over.source().is_none() => over.because(error),
                over => over,
            },
            Progress::Sent if is_end => {
                let doing = self.line.doing("reading the answer of");
                let text = format!("{doing}: the server closed the connection without an answer");
                failure::ended(Kind::Io, text, error)
            }
            _ => failure::described(error, doing),
        };
        match error.is_canceled() && self.line.is_task_dropped() {
            true => error.because(TaskDropped),
            false => error,
        }
    }
}

impl<B> fmt::Debug for Sending<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Refused(_) => "refused",
            State::Sent { .. } => "sent",
            State::Done => "done",
        };
        f.debug_struct("Sending").field("state", &state).finish()
    }
}
