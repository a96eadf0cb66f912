//! A request that h2 has, until the head of its response or an error.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{Request, Response, StatusCode, request::Parts};
use http_body::Body;

use super::{
    body::{Http2Body, expected_length},
    stream::OpenStream,
    tunnel,
    unanswered::{MAX_INFORMATIONAL, SendHandle, TOO_MANY},
    upload::{Http2Upload, Rest},
};
use crate::{
    connection::Progress,
    error::{BoxError, Error},
    http::{
        exchange::{Extras, Failed, stalled_at},
        prepare::RequestKind,
    },
    timeout::{Elapsed, WaitingFor},
};

/// One stream, up to the head of its response.
pub(super) struct AwaitingHead<B> {
    stream: Box<OpenStream>,
    response: ResponseFuture,
    sending: SendHandle,
    upload: Http2Upload<B>,
    /// The unchanged head, for a request that can go back unsent.
    original: Option<Box<Parts>>,
    kind: RequestKind,
    informational: u8,
}

/// Why a request has no response.
pub(in crate::http) enum Http2Failure {
    Stream(h2::Error),
    /// The body of the request failed.
    Body(Error),
    Malformed(&'static str),
    TooLate(Elapsed),
}

impl From<Elapsed> for Http2Failure {
    fn from(elapsed: Elapsed) -> Self {
        Self::TooLate(elapsed)
    }
}

impl<B> AwaitingHead<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    pub(super) fn new(
        (stream, response, sending): (Box<OpenStream>, ResponseFuture, SendStream<Bytes>),
        upload: Http2Upload<B>,
        original: Option<Box<Parts>>,
        kind: RequestKind,
    ) -> Self {
        let sending = SendHandle::new(stream.guard.conn().clone(), sending);
        Self { stream, response, sending, upload, original, kind, informational: 0 }
    }

    pub(super) fn poll_head(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Http2Failure>> {
        self.poll_upload(cx)?;
        let answer = self.poll_answer(extras, cx);
        // A `100` that was just read releases the body: send it in the same poll.
        if self.is_released(answer.is_ready(), extras, cx) {
            self.poll_upload(cx)?;
        }
        answer
    }

    /// On a full connection the upload waits for the socket: then every byte written by the connection is progress.
    pub(super) fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let meter = self.stream.guard.conn().state().meter();
        let sent = self.upload.sent();
        let (awaited, moved) = match meter.is_full() && !self.is_sent() {
            true => (WaitingFor::Upload, sent.wrapping_add(meter.written())),
            false => (self.upload.awaited(), sent + u64::from(self.informational)),
        };
        self.stream.poll_limits(awaited, moved, cx)
    }

    /// Whether the end of the request has been written.
    fn is_sent(&self) -> bool {
        match self.upload {
            Http2Upload::None(_) => self.sending.is_head_written(),
            _ => self.sending.is_sent(),
        }
    }

    /// Continues the upload as far as possible.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Http2Failure> {
        if !self.upload.is_running() {
            return Ok(());
        }
        let upload = &mut self.upload;
        match self.sending.with(|stream| upload.poll(stream, cx)) {
            Some(Poll::Ready(Err(error))) => Err(Http2Failure::Body(error)),
            _ => Ok(()),
        }
    }

    fn poll_answer(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, Http2Failure>> {
        // Without a 1xx callback, h2 is polled for them only if one may have come.
        if extras.uses_informational() || self.stream.guard.may_have_informational() {
            ready!(self.poll_informational(extras, cx))?;
        }
        Pin::new(&mut self.response).poll(cx).map_err(Http2Failure::Stream)
    }

    /// Whether a held body may be sent now. After a response head, only a `100` before it allows that.
    fn is_released(
        &mut self,
        is_answered: bool,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> bool {
        if !self.upload.is_held() {
            return false;
        }
        let is_released = match is_answered {
            true => !extras.is_body_held(),
            false => extras.may_send_body(self.stream.guard.conn().runtime(), cx),
        };
        if is_released {
            self.upload.release();
        }
        is_released
    }

    /// Skips 1xx responses and reports them to the callback.
    fn poll_informational(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Http2Failure>> {
        while let Some(answer) = ready!(self.response.poll_informational(cx)) {
            let answer = answer.map_err(Http2Failure::Stream)?;
            self.informational += 1;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Err(Http2Failure::Malformed("HTTP/2 has no 101")));
            }
            if self.informational > MAX_INFORMATIONAL {
                return Poll::Ready(Err(Http2Failure::Malformed(TOO_MANY)));
            }
            extras.report(&answer);
        }
        Poll::Ready(Ok(()))
    }

    /// The response begins: the driver resets the stream no longer. `None` if it was reset for too many 1xx.
    pub(super) fn release(&mut self) -> Option<SendStream<Bytes>> {
        self.stream.guard.end_wait();
        // A flood in between is found as well: its reset has taken the stream.
        if self.sending.is_flooded() { None } else { self.sending.release() }
    }

    /// The request to send again, if its body was not polled.
    pub(super) fn into_request(self) -> Option<Request<B>> {
        let body = self.upload.into_untouched();
        self.original.zip(body).map(|(head, body)| Request::from_parts(*head, body))
    }

    pub(super) fn deliver(
        self,
        response: Response<RecvStream>,
        mut sending: SendStream<Bytes>,
    ) -> Response<Http2Body> {
        let id = self.sending.id();
        let Self { mut stream, upload, kind, .. } = self;
        let (head, answer) = response.into_parts();
        if kind.is_connect {
            if head.status.is_success() {
                return tunnel::open((head, id), stream.guard, sending, answer);
            }
            // A refused CONNECT opens no tunnel, for which its stream was left open.
            let _ = sending.send_data(Bytes::new(), true);
        }
        let length = expected_length(&head, kind.is_head);
        let body = if answer.is_end_stream() {
            // The response is complete: the rest of the request cannot change it.
            if upload.is_running() {
                sending.send_reset(Reason::NO_ERROR);
            }
            Http2Body::whole(Bytes::new())
        } else {
            // The rest of the request is sent while the response is read.
            if upload.is_running() {
                let (rest, guard) = Rest::new(sending, upload, head.status);
                stream.guard.conn().runtime().spawn(rest);
                stream.uploading = Some(guard);
            }
            stream.receiving = Some(answer);
            stream.left = length;
            Http2Body::incoming(stream)
        };
        Response::from_parts(head, body.on_stream(id))
    }

    pub(super) fn fail(mut self, failure: Http2Failure) -> Box<Failed<Request<B>>> {
        let is_flooded = self.sending.is_flooded();
        // After a 1xx the peer has begun to act on the request: it is not safe to repeat.
        let is_answered = self.informational > 0 || is_flooded;
        let failure = match failure {
            Http2Failure::Stream(_) if is_flooded => Http2Failure::Malformed(TOO_MANY),
            failure => failure,
        };
        let (progress, error) = match failure {
            Http2Failure::Malformed(what) => {
                self.sending.reset(Reason::PROTOCOL_ERROR);
                (Progress::Answered, self.stream.guard.conn().malformed(what))
            }
            Http2Failure::Body(error) => {
                self.sending.reset(Reason::CANCEL);
                (Progress::Sent, self.stream.guard.conn().failed_body(error))
            }
            Http2Failure::Stream(error) => self.stream.guard.fail(error),
            Http2Failure::TooLate(elapsed) => return self.time_out(elapsed),
        };
        self.stream.guard.end_wait();
        if is_answered {
            return Failed::after(Progress::Answered, error.sent(true));
        }
        let error = error.sent(progress > Progress::Unsent);
        let request = match progress {
            Progress::Unsent | Progress::Refused => self.into_request(),
            _ => None,
        };
        Failed::new(error, progress, request)
    }

    /// If the whole connection was silent, dropping the guard makes it suspect.
    fn time_out(self, elapsed: Elapsed) -> Box<Failed<Request<B>>> {
        self.sending.reset(Reason::CANCEL);
        let guard = &self.stream.guard;
        // A queued request may still be written, although its stream has been reset by then.
        let may_go_out = guard.was_written() || guard.conn().state().takes_requests();
        let progress = match (self.informational, may_go_out) {
            (0, false) => Progress::Unsent,
            (0, true) => Progress::Sent,
            _ => Progress::Answered,
        };
        let doing = guard.conn().doing(stalled_at(&elapsed));
        Failed::after(progress, elapsed.into_error(doing))
    }
}
