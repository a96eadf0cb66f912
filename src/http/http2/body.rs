//! The body of an answer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http::{StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::{Body, Frame, SizeHint};

use super::{stream::OpenStream, upload::RestGuard};
use crate::{
    error::Error,
    timeout::{Elapsed, WaitingFor},
};

/// The body of an answer over HTTP/2.
///
/// The peer may send more as chunks are taken. A body that is shorter or longer than its `content-length`, or whose
/// stream is reset before its end for whatever reason, is an error.
///
/// # Cancellation
///
/// Dropping it before its end resets the stream (`CANCEL`), and what is left of the request with it.
pub(crate) struct Http2Body {
    stream: Option<Box<OpenStream>>,
    /// Bytes to come, if that is known.
    left: Option<u64>,
    stream_id: u32,
}

/// How long the body of an answer is, as far as its head says (RFC 9110 §6.4.1).
pub(super) fn expected_length(head: &Parts, asked_for_head: bool) -> Option<u64> {
    if asked_for_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Http2Body {
    pub(super) fn empty(stream_id: u32) -> Self {
        Self { stream: None, left: Some(0), stream_id }
    }

    pub(super) fn new(stream: Box<OpenStream>, stream_id: u32, length: Option<u64>) -> Self {
        Self { stream: Some(stream), left: length, stream_id }
    }

    /// The id of the stream (RFC 9113 §5.1.1).
    pub(crate) fn stream_id(&self) -> u32 {
        self.stream_id
    }

    /// Nothing more comes, and nothing more needs to be sent.
    fn finish(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        let uploading = stream.uploading.take();
        drop(stream);
        if let Some(uploading) = uploading {
            uploading.stop();
        }
    }

    fn fail(&mut self, failed: Failed) -> Option<Error> {
        let mut stream = self.stream.take()?;
        let own = stream.uploading.take().and_then(RestGuard::failure);
        let conn = stream.guard.conn();
        Some(own.unwrap_or_else(|| match failed {
            Failed::Stream(error) => conn.failed_reading(error),
            Failed::TooLate(elapsed) => {
                let doing = conn.doing("reading the response body from");
                elapsed.into_error(doing).sent(true)
            }
            Failed::TooLong => conn.malformed_body("content where there can be none"),
        }))
    }
}

enum Failed {
    Stream(h2::Error),
    TooLate(Elapsed),
    TooLong,
}

impl OpenStream {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let frame = self.poll_data(cx);
        match frame {
            Poll::Pending => self.guard.waits(),
            Poll::Ready(_) => self.heard(),
        }
        if let Some(data) = ready!(frame) {
            return Poll::Ready(Some(data.map(Frame::data)));
        }
        // h2 knows of trailers as soon as it knows that there is no more data.
        let Some(receiving) = &mut self.receiving else { return Poll::Ready(None) };
        let trailers = ready!(receiving.poll_trailers(cx));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn is_at_end(&self) -> bool {
        self.receiving.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn heard(&mut self) {
        self.guard.heard();
        self.stall.reset(self.guard.conn().runtime());
    }

    /// What was still sent when the answer began may go on meanwhile.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let (is_lacking, sent) = self.uploading.as_ref().map_or((false, 0), RestGuard::progress);
        let is_withheld = self.guard.conn().state().window().is_withheld();
        if is_withheld {
            // The peer may send nothing, because others of its answers are not read: it is not silent.
            self.guard.heard();
        }
        let awaited =
            if is_lacking || is_withheld { WaitingFor::Caller } else { WaitingFor::ResponseBody };
        self.poll_stall(awaited, self.received + sent, cx)
    }

    /// The next data; the peer may send as much again.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let Some(receiving) = &mut self.receiving else { return Poll::Ready(None) };
        loop {
            match ready!(receiving.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.received += data.len() as u64;
                    let released = receiving.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(released.map(|()| data)));
                }
                end => return Poll::Ready(end),
            }
        }
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let Poll::Ready(frame) = stream.poll_frame(cx) else {
            let elapsed = ready!(stream.poll_rest(cx));
            return Poll::Ready(this.fail(Failed::TooLate(elapsed)).map(Err));
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(this.fail(Failed::Stream(error)).map(Err)),
            None => {
                this.finish();
                return Poll::Ready(None);
            }
        };
        let is_end = frame.is_trailers() || stream.is_at_end();
        if let (Some(left), Some(data)) = (&mut this.left, frame.data_ref()) {
            let Some(rest) = left.checked_sub(data.len() as u64) else {
                return Poll::Ready(this.fail(Failed::TooLong).map(Err));
            };
            *left = rest;
        }
        if is_end {
            this.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(|stream| stream.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.stream, self.left) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => SizeHint::with_exact(left),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Http2Body");
        out.field("is_open", &self.stream.is_some()).field("left", &self.left).finish()
    }
}
