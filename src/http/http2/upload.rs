//! Sends the body of a request within the peer's window.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, SendStream};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::request_head::strip;
use crate::{
    error::{BoxError, Error},
    http::request_body::LengthChecked,
    timeout::WaitingFor,
};

/// The body of a request, by its progress.
pub(super) enum Http2Upload<B> {
    /// Empty.
    None(B),
    /// Held back until released (`Expect: 100-continue`); a final response first discards it.
    Held(Box<UploadBody<B>>),
    Untouched(Box<UploadBody<B>>),
    Running(Pin<Box<UploadBody<B>>>),
    Over,
}

pin_project! {
    /// A body that is sent piece by piece, as the window allows.
    pub(super) struct UploadBody<B> {
        #[pin]
        body: LengthChecked<B>,
        chunk: Bytes,
        // Nothing follows the chunk.
        is_last: bool,
        // The caller's body is pending.
        is_body_pending: bool,
        sent: u64,
    }
}

/// The most capacity that is requested at once.
const LARGEST_PIECE: usize = 1 << 20;

/// The task that sends the rest of a body after the response head.
pub(super) struct Rest<B> {
    stream: SendStream<Bytes>,
    upload: Http2Upload<B>,
    stop: oneshot::Receiver<()>,
    failure: Option<oneshot::Sender<Error>>,
    progress: Arc<UploadProgress>,
}

/// The progress of a [`Rest`].
#[derive(Debug, Default)]
struct UploadProgress {
    /// The response may wait for the caller's body: a refusal does not.
    is_success: bool,
    /// The caller's body is pending, and the response may wait for it.
    is_body_awaited: AtomicBool,
    sent: AtomicU64,
}

/// The response body's handle to a [`Rest`].
#[derive(Debug)]
pub(super) struct RestGuard {
    stop: oneshot::Sender<()>,
    failure: oneshot::Receiver<Error>,
    progress: Arc<UploadProgress>,
}

impl<B> Http2Upload<B> {
    /// `is_held` if the peer has to ask for the body.
    pub(super) fn new(body: LengthChecked<B>, is_held: bool) -> Self {
        let begun = Box::new(UploadBody::new(body));
        if is_held { Self::Held(begun) } else { Self::Untouched(begun) }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Untouched(_) | Self::Running(_))
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Allows a held body to be sent.
    pub(super) fn release(&mut self) {
        if let Self::Held(begun) = std::mem::replace(self, Self::Over) {
            *self = Self::Untouched(begun);
        }
    }

    /// The body, if it was not polled.
    pub(super) fn into_untouched(self) -> Option<B> {
        match self {
            Self::None(body) => Some(body),
            Self::Held(begun) | Self::Untouched(begun) => Some(begun.body.into_inner()),
            Self::Running(_) | Self::Over => None,
        }
    }

    /// What the request waits for.
    pub(super) fn awaited(&self) -> WaitingFor {
        match self {
            Self::Untouched(_) => WaitingFor::Upload,
            Self::Running(begun) if begun.is_body_pending => WaitingFor::Caller,
            Self::Running(_) => WaitingFor::Upload,
            Self::None(_) | Self::Held(_) | Self::Over => WaitingFor::ResponseHead,
        }
    }

    /// Bytes sent so far.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::Running(begun) => begun.sent,
            _ => 0,
        }
    }

    /// The capacity to request.
    fn wanted(&self) -> usize {
        match self {
            Self::Running(begun) => begun.chunk.len().clamp(1, LARGEST_PIECE),
            _ => 1,
        }
    }

    fn begin(&mut self) -> Option<Pin<&mut UploadBody<B>>> {
        if matches!(self, Self::Untouched(_))
            && let Self::Untouched(begun) = std::mem::replace(self, Self::Over)
        {
            *self = Self::Running(Box::into_pin(begun));
        }
        match self {
            Self::Running(body) => Some(body.as_mut()),
            _ => None,
        }
    }
}

impl<B> Http2Upload<B>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    /// Sends until the end, or until the peer resets the stream; its response says why. An error is the body's own: reset
    /// the stream then.
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
        if matches!(self, Self::Running(_)) {
            *self = Self::Over;
        }
        Poll::Ready(outcome)
    }

    fn poll_frames(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while ready!(poll_room(stream, self.wanted(), cx)) {
            let Some(mut begun) = self.begin() else { break };
            if ready!(begun.as_mut().poll_piece(stream, cx))? {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B> UploadBody<B> {
    fn new(body: LengthChecked<B>) -> Self {
        Self { body, chunk: Bytes::new(), is_last: false, is_body_pending: false, sent: 0 }
    }
}

impl<B> UploadBody<B>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    /// Sends what fits the window. `true` at the end, or if the peer takes no more.
    fn poll_piece(
        mut self: Pin<&mut Self>,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let this = self.as_mut().project();
        if this.chunk.is_empty() {
            let frame = this.body.poll_frame(cx);
            *this.is_body_pending = frame.is_pending();
            let frame = ready!(frame).transpose()?;
            if let Some(trailers) = self.as_mut().take(frame) {
                finish(stream, trailers);
                return Poll::Ready(Ok(true));
            }
        }
        Poll::Ready(Ok(self.send_piece(stream)))
    }

    /// Turns a data frame into the chunk. `Some` at the end, with trailers if there are any.
    fn take(self: Pin<&mut Self>, frame: Option<Frame<B::Data>>) -> Option<Option<HeaderMap>> {
        let this = self.project();
        let Some(frame) = frame else { return Some(None) };
        let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        match frame.into_data() {
            Ok(chunk) => {
                *this.chunk = chunk;
                // If known now, END_STREAM leaves with this chunk and not in a frame of its own.
                *this.is_last = this.body.is_end_stream();
                None
            }
            Err(frame) => frame.into_trailers().ok().map(Some),
        }
    }

    fn send_piece(self: Pin<&mut Self>, stream: &mut SendStream<Bytes>) -> bool {
        let this = self.project();
        stream.reserve_capacity(this.chunk.len().clamp(1, LARGEST_PIECE));
        // Capacity may shrink between the wait and here, when the peer lowers its window.
        let room = stream.capacity().min(this.chunk.len());
        let piece = this.chunk.split_to(room);
        let is_last = *this.is_last && this.chunk.is_empty();
        if piece.is_empty() && !is_last {
            return false;
        }
        *this.sent += piece.len() as u64;
        // Not `||`: the last piece has to be sent, too.
        is_last | stream.send_data(piece, is_last).is_err()
    }
}

/// Waits for capacity; `false` if the peer takes no more.
fn poll_room(stream: &mut SendStream<Bytes>, wanted: usize, cx: &mut Context<'_>) -> Poll<bool> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(false);
    }
    // Sets the total rather than adding to it, so each poll may repeat it.
    stream.reserve_capacity(wanted);
    if stream.capacity() > 0 {
        return Poll::Ready(true);
    }
    let capacity = ready!(stream.poll_capacity(cx));
    Poll::Ready(matches!(capacity, Some(Ok(_))))
}

/// Ends the request. An error means that the peer takes no more, and its response says why.
fn finish(stream: &mut SendStream<Bytes>, trailers: Option<HeaderMap>) {
    let _ = match trailers {
        Some(mut trailers) => {
            strip(&mut trailers);
            stream.send_trailers(trailers)
        }
        None => stream.send_data(Bytes::new(), true),
    };
}

impl<B> Rest<B> {
    pub(super) fn new(
        stream: SendStream<Bytes>,
        upload: Http2Upload<B>,
        status: StatusCode,
    ) -> (Self, RestGuard) {
        let (stopper, stop) = oneshot::channel();
        let (failure, failed) = oneshot::channel();
        let is_success = status.is_success();
        let progress = Arc::new(UploadProgress { is_success, ..UploadProgress::default() });
        let guard = RestGuard { stop: stopper, failure: failed, progress: progress.clone() };
        (Self { stream, upload, stop, failure: Some(failure), progress }, guard)
    }
}

impl UploadProgress {
    fn note<B>(&self, upload: &Http2Upload<B>) {
        let is_awaited = self.is_success && upload.awaited() == WaitingFor::Caller;
        self.is_body_awaited.store(is_awaited, Ordering::Release);
        self.sent.store(upload.sent(), Ordering::Release);
    }
}

impl RestGuard {
    /// The response is complete: stops the upload.
    pub(super) fn stop(self) {
        let _ = self.stop.send(());
    }

    /// Whether the response may wait for the caller's body, and the bytes sent.
    pub(super) fn progress(&self) -> (bool, u64) {
        let UploadProgress { is_body_awaited, sent, .. } = &*self.progress;
        (is_body_awaited.load(Ordering::Acquire), sent.load(Ordering::Acquire))
    }

    /// The error of the request body, if it failed.
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
            // `Ok` comes from `stop`: the response is complete. Else the response body was dropped.
            let reason = if stopped.is_ok() { Reason::NO_ERROR } else { Reason::CANCEL };
            this.stream.send_reset(reason);
            return Poll::Ready(());
        }
        let outcome = this.upload.poll(&mut this.stream, cx);
        // Before the early return: the response body reads this to judge whether the peer stalls.
        this.progress.note(&this.upload);
        let outcome = ready!(outcome);
        if let (Err(error), Some(failure)) = (outcome, this.failure.take()) {
            // Before the reset, which ends the response body: its error then is this one.
            let _ = failure.send(error);
            this.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(())
    }
}
