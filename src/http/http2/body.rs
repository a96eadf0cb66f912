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

use super::{stream::StreamGuard, upload::RestGuard};
use crate::{
    error::Error,
    patience::{Awaited, Impatience, Patience},
};

/// The body of an answer over HTTP/2.
///
/// The peer may send more as chunks are taken. A body that is shorter or longer than its `content-length`, or whose
/// stream is reset before its end for whatever reason, is an error.
///
/// # Cancellation
///
/// Dropping it before its end resets the stream (`CANCEL`), and what is left of the request with it.
pub struct Http2Body {
    reading: Option<Reading>,
    /// Bytes to come, if that is known.
    left: Option<u64>,
}

struct Reading {
    guard: StreamGuard,
    rest: Option<RestGuard>,
    stream: RecvStream,
    patience: Patience,
    /// Bytes that came.
    come: u64,
}

/// How long the body of an answer is, as far as its head says (RFC 9110 §6.4.1).
pub(super) fn expected_length(head: &Parts, asked_for_head: bool) -> Option<u64> {
    if asked_for_head || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Some(0);
    }
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl Http2Body {
    pub(super) fn empty() -> Self {
        Self { reading: None, left: Some(0) }
    }

    pub(super) fn new(
        stream: RecvStream,
        guard: StreamGuard,
        rest: Option<RestGuard>,
        length: Option<u64>,
        patience: Patience,
    ) -> Self {
        Self { reading: Some(Reading { guard, rest, stream, patience, come: 0 }), left: length }
    }

    /// Nothing more comes, and nothing more needs to be sent.
    fn finish(&mut self) {
        if let Some(Reading { guard, rest, .. }) = self.reading.take() {
            drop(guard);
            if let Some(rest) = rest {
                rest.stop();
            }
        }
    }

    fn fail(&mut self, failed: Failed) -> Option<Error> {
        let Reading { guard, rest, stream, .. } = self.reading.take()?;
        let own = rest.and_then(RestGuard::failure);
        let error = own.unwrap_or_else(|| match failed {
            Failed::Stream(error) => guard.conn().failed_reading(error),
            Failed::TooLate(impatience) => {
                let doing = guard.conn().doing("reading the response body from");
                impatience.into_error(doing).sent(true)
            }
            Failed::TooLong => guard.conn().malformed_body("content where there can be none"),
        });
        drop((guard, stream));
        Some(error)
    }
}

enum Failed {
    Stream(h2::Error),
    TooLate(Impatience),
    TooLong,
}

impl Reading {
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
        let trailers = ready!(self.stream.poll_trailers(cx));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }

    fn heard(&mut self) {
        self.guard.heard();
        self.patience.rests(self.guard.conn().runtime());
    }

    /// What was still sent when the answer began may go on meanwhile.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Impatience> {
        let (is_lacking, sent) = self.rest.as_ref().map_or((false, 0), RestGuard::progress);
        let is_withheld = self.guard.conn().state().window().is_withheld();
        if is_withheld {
            // The peer may send nothing, because others of its answers are not read: it is not silent.
            self.guard.heard();
        }
        let awaited = if is_lacking || is_withheld { Awaited::Caller } else { Awaited::Rest };
        let runtime = self.guard.conn().runtime();
        let outcome = self.patience.poll(awaited, self.come + sent, runtime, cx);
        if self.patience.has_just_moved() {
            self.guard.waits_anew();
        }
        outcome
    }

    /// The next data; the peer may send as much again.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        loop {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.come += data.len() as u64;
                    let released = self.stream.flow_control().release_capacity(data.len());
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
        let Some(reading) = &mut this.reading else { return Poll::Ready(None) };
        let Poll::Ready(frame) = reading.poll_frame(cx) else {
            let impatience = ready!(reading.poll_patience(cx));
            return Poll::Ready(this.fail(Failed::TooLate(impatience)).map(Err));
        };
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(this.fail(Failed::Stream(error)).map(Err)),
            None => {
                this.finish();
                return Poll::Ready(None);
            }
        };
        let is_end = frame.is_trailers() || reading.stream.is_end_stream();
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
        self.reading.as_ref().is_none_or(|reading| reading.stream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.reading, self.left) {
            (None, _) => SizeHint::with_exact(0),
            (Some(_), Some(left)) => SizeHint::with_exact(left),
            (Some(_), None) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Http2Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Http2Body");
        out.field("is_open", &self.reading.is_some()).field("left", &self.left).finish()
    }
}
