//! The body of an HTTP/2 response.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::{StatusCode, header::CONTENT_LENGTH, response::Parts};
use http_body::Frame;

use super::{stream::OpenStream, upload::RestGuard};
use crate::{
    error::Error,
    http::response_body::{Piece, ResponseBody, WireBody},
    timeout::WaitingFor,
};

/// The body of an HTTP/2 response.
///
/// Reading chunks opens the peer's window again. A body that is shorter or longer than its `content-length`, or whose
/// stream is reset before its end for any reason, is an error.
///
/// # Cancellation
///
/// Dropping it before its end resets the stream (`CANCEL`), and what is left of the request with it.
pub(in crate::http) type Http2Body = ResponseBody<OpenStream>;

/// The length of the body, if its head declares it (RFC 9110 §6.4.1).
pub(super) fn expected_length(head: &Parts, asked_for_head: bool) -> Option<u64> {
    if asked_for_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl WireBody for OpenStream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        let frame = self.poll_frame(cx);
        let Some(frame) = ready!(frame) else { return Poll::Ready(Ok(Piece::End)) };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Poll::Ready(Err(self.fail(|stream| stream.read_error(error)))),
        };
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
            let Some(rest) = left.checked_sub(data.len() as u64) else {
                return Poll::Ready(Err(self.fail(Self::surplus_error)));
            };
            *left = rest;
        }
        let is_last = frame.is_trailers() || self.is_at_end();
        Poll::Ready(Ok(Piece::Frame { frame, is_last }))
    }

    /// The upload may go on while the response is read.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let (is_body_awaited, sent) =
            self.uploading.as_ref().map_or((false, 0), RestGuard::progress);
        let is_exhausted = self.guard.conn().state().window().is_exhausted();
        if is_exhausted {
            // Unread bodies of other streams fill the connection window: the peer may not send, so it is not silent.
            self.guard.end_wait();
        }
        let awaited = if is_body_awaited || is_exhausted {
            WaitingFor::Caller
        } else {
            WaitingFor::ResponseBody
        };
        let elapsed = ready!(self.poll_limits(awaited, self.received + sent, cx));
        Poll::Ready(self.fail(|stream| {
            elapsed
                .into_error(stream.guard.conn().doing("reading the response body from"))
                .sent(true)
        }))
    }

    fn length(&self) -> Option<u64> {
        self.left
    }

    fn is_at_end(&self) -> bool {
        self.receiving.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    /// Stops the upload: the response is complete. The stream ends first.
    fn finish(mut self: Box<Self>) {
        let uploading = self.uploading.take();
        drop(self);
        if let Some(uploading) = uploading {
            uploading.stop();
        }
    }
}

impl OpenStream {
    /// The error of the upload, if it failed; else the given one.
    fn fail(&mut self, error: impl FnOnce(&Self) -> Error) -> Error {
        let own = self.uploading.take().and_then(RestGuard::failure);
        own.unwrap_or_else(|| error(self))
    }

    fn read_error(&self, error: h2::Error) -> Error {
        self.guard.conn().failed_reading(error)
    }

    fn surplus_error(&self) -> Error {
        self.guard.conn().malformed_body("content where there can be none")
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let frame = self.poll_data(cx);
        match frame {
            Poll::Pending => self.guard.start_wait(),
            Poll::Ready(_) => self.heard(),
        }
        if let Some(data) = ready!(frame) {
            return Poll::Ready(Some(data.map(Frame::data)));
        }
        // h2 knows whether there are trailers as soon as the data has ended.
        let Some(receiving) = &mut self.receiving else { return Poll::Ready(None) };
        let trailers = ready!(receiving.poll_trailers(cx));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn heard(&mut self) {
        self.guard.end_wait();
        self.stall.reset(self.guard.conn().runtime());
    }

    /// The next data; its size is released to the peer's window.
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
