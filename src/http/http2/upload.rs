//! Sends the body of a request, as fast as the peer takes it.

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
use http::HeaderMap;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::request_head::strip;
use crate::{
    error::{BoxError, Error},
    http::request_body::LengthChecked,
    timeout::WaitingFor,
};

/// The body of a request, as far as it was sent.
pub(super) enum Http2Upload<B> {
    /// There was nothing to send.
    None(B),
    /// It is not sent before it is released; if there is an answer first, never.
    Held(Box<Begun<B>>),
    Untouched(Box<Begun<B>>),
    Begun(Pin<Box<Begun<B>>>),
    Over,
}

pin_project! {
    /// A body that goes out piece by piece, as the peer makes room.
    pub(super) struct Begun<B> {
        #[pin]
        body: LengthChecked<B>,
        chunk: Bytes,
        // Nothing comes after the chunk.
        is_last: bool,
        // The caller has not said yet how it goes on.
        is_lacking: bool,
        sent: u64,
    }
}

/// More is not asked room for at once.
const LARGEST_PIECE: usize = 1 << 20;

/// What is left of a request after the head of its answer came, as a task of its own.
pub(super) struct Rest<B> {
    stream: SendStream<Bytes>,
    upload: Http2Upload<B>,
    stop: oneshot::Receiver<()>,
    failure: Option<oneshot::Sender<Error>>,
    progress: Arc<UploadProgress>,
}

/// How far a [`Rest`] has come.
#[derive(Debug, Default)]
struct UploadProgress {
    is_lacking: AtomicBool,
    sent: AtomicU64,
}

/// The other end of a [`Rest`]: whoever reads the answer has it.
#[derive(Debug)]
pub(super) struct RestGuard {
    stop: oneshot::Sender<()>,
    failure: oneshot::Receiver<Error>,
    progress: Arc<UploadProgress>,
}

impl<B> Http2Upload<B> {
    /// It may have to wait for the peer to ask for it.
    pub(super) fn new(body: LengthChecked<B>, is_held: bool) -> Self {
        let begun = Box::new(Begun::new(body));
        if is_held { Self::Held(begun) } else { Self::Untouched(begun) }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Untouched(_) | Self::Begun(_))
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// It may be sent.
    pub(super) fn release(&mut self) {
        if let Self::Held(begun) = std::mem::replace(self, Self::Over) {
            *self = Self::Untouched(begun);
        }
    }

    /// The body, if nobody has looked into it.
    pub(super) fn into_untouched(self) -> Option<B> {
        match self {
            Self::None(body) => Some(body),
            Self::Held(begun) | Self::Untouched(begun) => Some(begun.body.into_inner()),
            Self::Begun(_) | Self::Over => None,
        }
    }

    /// Whom the request waits for.
    pub(super) fn awaited(&self) -> WaitingFor {
        match self {
            Self::Untouched(_) => WaitingFor::Upload,
            Self::Begun(begun) if begun.is_lacking => WaitingFor::Caller,
            Self::Begun(_) => WaitingFor::Upload,
            Self::None(_) | Self::Held(_) | Self::Over => WaitingFor::ResponseHead,
        }
    }

    /// Bytes of a body that the peer has made room for, while there are more.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::Begun(begun) => begun.sent,
            _ => 0,
        }
    }

    /// How much room is asked for.
    fn wanted(&self) -> usize {
        match self {
            Self::Begun(begun) => begun.chunk.len().clamp(1, LARGEST_PIECE),
            _ => 1,
        }
    }

    fn begin(&mut self) -> Option<Pin<&mut Begun<B>>> {
        if matches!(self, Self::Untouched(_))
            && let Self::Untouched(begun) = std::mem::replace(self, Self::Over)
        {
            *self = Self::Begun(Box::into_pin(begun));
        }
        match self {
            Self::Begun(body) => Some(body.as_mut()),
            _ => None,
        }
    }
}

impl<B> Http2Upload<B>
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
        while ready!(poll_room(stream, self.wanted(), cx)) {
            let Some(mut begun) = self.begin() else { break };
            if ready!(begun.as_mut().poll_piece(stream, cx))? {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B> Begun<B> {
    fn new(body: LengthChecked<B>) -> Self {
        Self { body, chunk: Bytes::new(), is_last: false, is_lacking: false, sent: 0 }
    }
}

impl<B> Begun<B>
where
    B: Body<Data: Send, Error: Into<BoxError>>,
{
    /// Sends what there is room for. Whether that was the last, or the peer wants no more.
    fn poll_piece(
        mut self: Pin<&mut Self>,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let this = self.as_mut().project();
        if this.chunk.is_empty() {
            let frame = this.body.poll_frame(cx);
            *this.is_lacking = frame.is_pending();
            let frame = ready!(frame).transpose()?;
            if let Some(trailers) = self.as_mut().take(frame) {
                finish(stream, trailers);
                return Poll::Ready(Ok(true));
            }
        }
        Poll::Ready(Ok(self.send_piece(stream)))
    }

    /// Makes a chunk of a frame. What is none is the end, with or without trailers.
    fn take(self: Pin<&mut Self>, frame: Option<Frame<B::Data>>) -> Option<Option<HeaderMap>> {
        let this = self.project();
        let Some(frame) = frame else { return Some(None) };
        let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        match frame.into_data() {
            Ok(chunk) => {
                *this.chunk = chunk;
                *this.is_last = this.body.is_end_stream();
                None
            }
            Err(frame) => frame.into_trailers().ok().map(Some),
        }
    }

    fn send_piece(self: Pin<&mut Self>, stream: &mut SendStream<Bytes>) -> bool {
        let this = self.project();
        stream.reserve_capacity(this.chunk.len().clamp(1, LARGEST_PIECE));
        let room = stream.capacity().min(this.chunk.len());
        let piece = this.chunk.split_to(room);
        let is_last = *this.is_last && this.chunk.is_empty();
        if piece.is_empty() && !is_last {
            return false;
        }
        *this.sent += piece.len() as u64;
        is_last | stream.send_data(piece, is_last).is_err()
    }
}

/// Waits until the peer takes more; false says that it never will.
fn poll_room(stream: &mut SendStream<Bytes>, wanted: usize, cx: &mut Context<'_>) -> Poll<bool> {
    if stream.poll_reset(cx).is_ready() {
        return Poll::Ready(false);
    }
    stream.reserve_capacity(wanted);
    if stream.capacity() > 0 {
        return Poll::Ready(true);
    }
    let capacity = ready!(stream.poll_capacity(cx));
    Poll::Ready(matches!(capacity, Some(Ok(_))))
}

/// Ends a request. An error says that the peer wants no more, and its answer says why.
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
    pub(super) fn new(stream: SendStream<Bytes>, upload: Http2Upload<B>) -> (Self, RestGuard) {
        let (stopper, stop) = oneshot::channel();
        let (failure, failed) = oneshot::channel();
        let progress = Arc::new(UploadProgress::default());
        let guard = RestGuard { stop: stopper, failure: failed, progress: progress.clone() };
        (Self { stream, upload, stop, failure: Some(failure), progress }, guard)
    }
}

impl UploadProgress {
    fn note<B>(&self, upload: &Http2Upload<B>) {
        self.is_lacking.store(upload.awaited() == WaitingFor::Caller, Ordering::Release);
        self.sent.store(upload.sent(), Ordering::Release);
    }
}

impl RestGuard {
    /// The answer is complete: what is left of the request changes nothing any more.
    pub(super) fn stop(self) {
        let _ = self.stop.send(());
    }

    /// Whether it is the caller who is waited for, and how much has gone out.
    pub(super) fn progress(&self) -> (bool, u64) {
        let UploadProgress { is_lacking, sent } = &*self.progress;
        (is_lacking.load(Ordering::Acquire), sent.load(Ordering::Acquire))
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
        let outcome = this.upload.poll(&mut this.stream, cx);
        this.progress.note(&this.upload);
        let outcome = ready!(outcome);
        if let (Err(error), Some(failure)) = (outcome, this.failure.take()) {
            let _ = failure.send(error);
            this.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(())
    }
}
