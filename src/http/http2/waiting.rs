//! A request that h2 has, until the head of its answer or an error.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;

use super::{
    Http2Body,
    body::expected_length,
    stream::OpenStream,
    tunnel,
    unanswered::{MAX_INFORMATIONAL, SendHandle, TOO_MANY},
    upload::{Rest, Upload},
};
use crate::{
    connection::{Progress, SendError},
    error::{BoxError, Error, Phase},
    events::Sent,
    http::hop_headers::Authorization,
    http::informational::Interim,
    timeout::{Elapsed, WaitingFor},
};

/// One stream, up to the head of its answer.
pub(super) struct AwaitingHead<B> {
    stream: Box<OpenStream>,
    response: ResponseFuture,
    sending: SendHandle,
    upload: Upload<B>,
    original: Original,
    kind: RequestKind,
    informational: u8,
    told: Option<Sent>,
}

/// What is kept of a request besides what h2 has; boxed, because it is seldom anything.
pub(super) struct Original(Option<Box<Known>>);

#[derive(Default)]
struct Known {
    /// The head as it was, if it is to go back should nothing of it be written.
    head: Option<Parts>,
    /// What a proxy was told about us with it, if it may be told something else.
    authorization: Option<Box<Authorization>>,
    interim: Option<Box<Interim>>,
}

/// What a request asks for, and so what its answer means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    Tunnel,
    Head,
    Content,
}

pub(super) enum Failed {
    Stream(h2::Error),
    /// The body of the request, not of the answer.
    Body(Error),
    Malformed(&'static str),
    TooLate(Elapsed),
}

impl RequestKind {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::CONNECT => Self::Tunnel,
            Method::HEAD => Self::Head,
            _ => Self::Content,
        }
    }
}

impl Original {
    /// The head is kept if it has to go back with a body.
    pub(super) fn new(head: Option<&Parts>, interim: Option<Box<Interim>>) -> Self {
        let is_nothing = head.is_none() && interim.is_none();
        let known = || Box::new(Known { head: head.cloned(), authorization: None, interim });
        Self((!is_nothing).then(known))
    }

    pub(super) fn set_authorization(&mut self, authorization: Option<Box<Authorization>>) {
        if authorization.is_some() {
            self.0.get_or_insert_default().authorization = authorization;
        }
    }

    fn interim(&mut self) -> Option<&mut Interim> {
        self.0.as_mut()?.interim.as_deref_mut()
    }

    fn check<B>(&self, response: &Response<B>) -> Result<(), Error> {
        let known = self.0.as_ref();
        let authorization = known.and_then(|known| known.authorization.as_ref());
        authorization.map_or(Ok(()), |said| said.check(response))
    }

    /// The request once more, if nobody has looked into its body.
    pub(super) fn restore<B>(self, body: Option<B>) -> Option<Request<B>> {
        self.0?.head.zip(body).map(|(head, body)| Request::from_parts(head, body))
    }
}

impl<B> AwaitingHead<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn new(
        (stream, response, sending): (Box<OpenStream>, ResponseFuture, SendStream<Bytes>),
        upload: Upload<B>,
        original: Original,
        kind: RequestKind,
    ) -> Self {
        let sending = SendHandle::new(stream.guard.conn().clone(), sending);
        Self { stream, response, sending, upload, original, kind, informational: 0, told: None }
    }

    /// Tells how it goes on.
    pub(super) fn told(self, told: Option<Sent>) -> Self {
        Self { told, ..self }
    }

    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Failed>> {
        self.poll_upload(cx)?;
        let answer = self.poll_answer(cx);
        if self.is_released(answer.is_ready(), cx) {
            self.poll_upload(cx)?;
        }
        if answer.is_pending() {
            let elapsed = ready!(self.poll_stall(cx));
            return Poll::Ready(Err(Failed::TooLate(elapsed)));
        }
        answer
    }

    /// A connection that is full holds back what the peer has asked for, and then every byte of it counts.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let meter = self.stream.guard.conn().state().meter();
        let sent = self.upload.sent();
        let (awaited, moved) = match meter.is_full() {
            true => (WaitingFor::Upload, sent.wrapping_add(meter.written())),
            false => (self.upload.awaited(), sent + u64::from(self.informational)),
        };
        self.stream.poll_stall(awaited, moved, cx)
    }

    /// Goes on with the upload, as far as it goes.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Failed> {
        if !self.upload.is_running() {
            return Ok(());
        }
        let upload = &mut self.upload;
        match self.sending.with(|stream| upload.poll(stream, cx)) {
            Some(Poll::Ready(Err(error))) => Err(Failed::Body(error)),
            _ => Ok(()),
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Failed>> {
        // Where nobody is told of 1xx, h2 is asked for them only when there may be one.
        if self.original.interim().is_some() || self.stream.guard.may_have_informational() {
            ready!(self.poll_informational(cx))?;
        }
        Pin::new(&mut self.response).poll(cx).map_err(Failed::Stream)
    }

    /// Whether a body that was held back until now is to be sent. Once there is an answer, only `100` makes it so.
    fn is_released(&mut self, is_answered: bool, cx: &mut Context<'_>) -> bool {
        if !self.upload.is_held() {
            return false;
        }
        let Some(interim) = self.original.interim() else { return false };
        let is_released = match is_answered {
            true => !interim.holds_body(),
            false => interim.poll_go_ahead(self.stream.guard.conn().runtime(), cx).is_ready(),
        };
        if is_released {
            self.upload.release();
        }
        is_released
    }

    /// Passes over 1xx until something else comes; whoever wants to know is told.
    fn poll_informational(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        while let Some(answer) = ready!(self.response.poll_informational(cx)) {
            let answer = answer.map_err(Failed::Stream)?;
            self.informational += 1;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Err(Failed::Malformed("HTTP/2 has no 101")));
            }
            if self.informational > MAX_INFORMATIONAL {
                return Poll::Ready(Err(Failed::Malformed(TOO_MANY)));
            }
            if let Some(interim) = self.original.interim() {
                interim.hear(&answer);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The answer, unless a proxy wants to know better who we are.
    pub(super) fn answered(
        mut self,
        response: Response<RecvStream>,
    ) -> Result<Response<Http2Body>, SendError<Request<B>>> {
        self.stream.guard.heard();
        let Some(stream) = self.sending.release() else {
            return Err(self.fail(Failed::Malformed(TOO_MANY)));
        };
        if let Some(told) = self.told.take() {
            told.answered(response.status());
        }
        match self.original.check(&response) {
            Ok(()) => Ok(self.deliver(response, stream)),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(self, error: Error) -> SendError<Request<B>> {
        let request = self.original.restore(self.upload.into_untouched());
        SendError { error: error.sent(true).into(), progress: Progress::Refused, request }
    }

    fn deliver(
        self,
        response: Response<RecvStream>,
        mut sending: SendStream<Bytes>,
    ) -> Response<Http2Body> {
        let id = self.sending.id();
        let Self { mut stream, upload, kind, .. } = self;
        let (head, answer) = response.into_parts();
        if kind == RequestKind::Tunnel {
            if head.status.is_success() {
                return tunnel::open((head, id), stream.guard, sending, answer);
            }
            let _ = sending.send_data(Bytes::new(), true);
        }
        let length = expected_length(&head, kind == RequestKind::Head);
        let body = if answer.is_end_stream() {
            // Nothing of the request changes a complete answer any more.
            if upload.is_running() {
                sending.send_reset(Reason::NO_ERROR);
            }
            Http2Body::empty(id)
        } else {
            // What is left of the request is sent while the answer is being read.
            if upload.is_running() {
                let (rest, guard) = Rest::new(sending, upload);
                stream.guard.conn().runtime().spawn(rest);
                stream.uploading = Some(guard);
            }
            stream.receiving = Some(answer);
            Http2Body::new(stream, id, length)
        };
        Response::from_parts(head, body)
    }

    pub(super) fn fail(mut self, failed: Failed) -> SendError<Request<B>> {
        let is_flooded = self.sending.is_flooded();
        let is_answered = self.informational > 0 || is_flooded;
        let failed = match failed {
            Failed::Stream(_) if is_flooded => Failed::Malformed(TOO_MANY),
            failed => failed,
        };
        let (progress, error) = match failed {
            Failed::Malformed(what) => {
                self.sending.reset(Reason::PROTOCOL_ERROR);
                (Progress::Answered, self.stream.guard.conn().malformed(what))
            }
            Failed::Body(error) => {
                self.sending.reset(Reason::CANCEL);
                (Progress::Sent, self.stream.guard.conn().failed_body(error))
            }
            Failed::Stream(error) => self.stream.guard.fail(error),
            Failed::TooLate(elapsed) => return self.timed_out(elapsed),
        };
        self.stream.guard.heard();
        if let Some(told) = self.told.take() {
            told.failed(&error);
        }
        if is_answered {
            return SendError::after(Progress::Answered, error.sent(true));
        }
        let error = error.sent(progress > Progress::Unsent).into();
        let request = match progress {
            Progress::Unsent | Progress::Refused => {
                self.original.restore(self.upload.into_untouched())
            }
            _ => None,
        };
        SendError { error, progress, request }
    }

    /// Nobody was heard: if the whole connection was silent meanwhile, it is in doubt.
    fn timed_out(mut self, elapsed: Elapsed) -> SendError<Request<B>> {
        self.sending.reset(Reason::CANCEL);
        let doing = match elapsed.phase() {
            Phase::Write => "sending a request to",
            _ => "waiting for the answer of",
        };
        // What waits for room goes out as soon as there is some, though its stream has been reset by then.
        let may_go_out =
            self.stream.guard.was_written() || self.stream.guard.conn().state().takes_requests();
        let progress = match (self.informational, may_go_out) {
            (0, false) => Progress::Unsent,
            (0, true) => Progress::Sent,
            _ => Progress::Answered,
        };
        let error = elapsed.into_error(self.stream.guard.conn().doing(doing));
        if let Some(told) = self.told.take() {
            told.failed(&error);
        }
        SendError::after(progress, error)
    }
}
