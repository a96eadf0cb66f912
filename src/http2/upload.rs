//! Sends the body of a request, as fast as the peer takes it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http_body::{Body, Frame};
use tokio::sync::oneshot;

use super::head;
use crate::{
    body::Measured,
    error::{BoxError, Error},
};

/// The body of a request, as far as it was sent.
pub(super) enum Upload<B> {
    /// There was nothing to send.
    None(Measured<B>),
    /// It is not sent before it is released; if there is an answer first, never.
    Held(Measured<B>),
    Untouched(Measured<B>),
    Begun(Pin<Box<Measured<B>>>),
    Over,
}

/// What is left of a request after the head of its answer came, as a task of its own.
pub(super) struct Rest<B> {
    stream: SendStream<Bytes>,
    upload: Upload<B>,
    stop: oneshot::Receiver<()>,
    failure: Option<oneshot::Sender<Error>>,
}

/// The other end of a [`Rest`]: whoever reads the answer has it.
#[derive(Debug)]
pub(super) struct RestGuard {
    stop: oneshot::Sender<()>,
    failure: oneshot::Receiver<Error>,
}

impl<B> Upload<B> {
    pub(super) fn of(body: Measured<B>, is_empty: bool, is_held: bool) -> Self {
        match (is_empty, is_held) {
            (true, _) => Self::None(body),
            (false, true) => Self::Held(body),
            (false, false) => Self::Untouched(body),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Untouched(_) | Self::Begun(_))
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// It may be sent.
    pub(super) fn release(&mut self) {
        if let Self::Held(body) = std::mem::replace(self, Self::Over) {
            *self = Self::Untouched(body);
        }
    }

    /// The body, if nobody has looked into it.
    pub(super) fn into_untouched(self) -> Option<B> {
        match self {
            Self::None(body) | Self::Held(body) | Self::Untouched(body) => Some(body.into_inner()),
            Self::Begun(_) | Self::Over => None,
        }
    }

    fn begin(&mut self) -> Option<Pin<&mut Measured<B>>> {
        if matches!(self, Self::Untouched(_))
            && let Self::Untouched(body) = std::mem::replace(self, Self::Over)
        {
            *self = Self::Begun(Box::pin(body));
        }
        match self {
            Self::Begun(body) => Some(body.as_mut()),
            _ => None,
        }
    }
}

impl<B> Upload<B>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    /// Sends until all is sent or the peer wants no more; its answer says why. An error is the body's own,
    /// and then the stream is to be reset.
    pub(super) fn poll(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if !self.is_running() {
            return Poll::Ready(Ok(()));
        }
        if self.is_held() {
            return Poll::Pending;
        }
        let outcome = ready!(self.poll_frames(stream, cx));
        if matches!(self, Self::Begun(_)) {
            *self = Self::Over;
        }
        Poll::Ready(outcome)
    }

    fn poll_frames(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while ready!(poll_room(stream, cx)) {
            let Some(mut body) = self.begin() else { break };
            let frame = ready!(body.as_mut().poll_frame(cx)).transpose()?;
            if queue(stream, frame, body.is_end_stream()) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Waits until the peer takes more; false says that it never will.
fn poll_room(stream: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<bool> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(false);
    }
    stream.reserve_capacity(1);
    if stream.capacity() > 0 {
        return Poll::Ready(true);
    }
    let capacity = ready!(stream.poll_capacity(cx));
    Poll::Ready(matches!(capacity, Some(Ok(_))))
}

/// Whether that was the last frame, or the peer wants no more.
fn queue<D: Buf>(stream: &mut SendStream<Bytes>, frame: Option<Frame<D>>, is_last: bool) -> bool {
    let Some(frame) = frame else {
        let _ = stream.send_data(Bytes::new(), true);
        return true;
    };
    let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
    let sent = match frame.into_data() {
        Ok(data) if data.is_empty() && !is_last => Ok(()),
        Ok(data) => stream.send_data(data, is_last),
        Err(frame) => {
            let Ok(mut trailers) = frame.into_trailers() else { return is_last };
            head::strip(&mut trailers);
            let _ = stream.send_trailers(trailers);
            return true;
        }
    };
    is_last || sent.is_err()
}

impl<B> Rest<B> {
    pub(super) fn new(stream: SendStream<Bytes>, upload: Upload<B>) -> (Self, RestGuard) {
        let (stopper, stop) = oneshot::channel();
        let (failure, failed) = oneshot::channel();
        let rest = Self { stream, upload, stop, failure: Some(failure) };
        (rest, RestGuard { stop: stopper, failure: failed })
    }
}

impl RestGuard {
    /// The answer is complete: what is left of the request changes nothing any more.
    pub(super) fn stop(self) {
        let _ = self.stop.send(());
    }

    /// Why the request could not be sent to its end, if it was its body's fault.
    pub(super) fn failure(mut self) -> Option<Error> {
        self.failure.try_recv().ok()
    }
}

impl<B> Unpin for Rest<B> {}

impl<B> Future for Rest<B>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Poll::Ready(stopped) = Pin::new(&mut this.stop).poll(cx) {
            let reason = if stopped.is_ok() { Reason::NO_ERROR } else { Reason::CANCEL };
            this.stream.send_reset(reason);
            return Poll::Ready(());
        }
        let outcome = ready!(this.upload.poll(&mut this.stream, cx));
        if let (Err(error), Some(failure)) = (outcome, this.failure.take()) {
            let _ = failure.send(error);
            this.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(())
    }
}
