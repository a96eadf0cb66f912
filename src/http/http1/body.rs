//! The body of an HTTP/1.1 response.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame};

use super::{
    chunked::{ChunkEvent, Decoder},
    failure::{Http1Failure, io_error},
    head::Malformed,
    shared::{ConnPhase, ConnShared, ConnState},
};
use crate::{
    connection::Progress,
    error::{Error, Kind},
    http::response_body::{Piece, ResponseBody, WireBody},
    rt,
    timeout::{StallTimeout, WaitingFor},
};

/// The body of an HTTP/1.1 response.
///
/// A body that ends before its length or its last chunk is an error for which [`Error::is_protocol`] holds; TLS that ends
/// without `close_notify` is one for which [`Error::is_io`] holds.
pub(in crate::http) type Http1Body = ResponseBody<Http1BodyReader>;

/// Reads the body from the connection.
///
/// # Cancellation
///
/// Dropping it before its end closes the connection, unless the rest has already been received.
pub(in crate::http) struct Http1BodyReader {
    shared: Arc<ConnShared>,
    framing: BodyFraming,
    stall: Option<Box<StallTimeout>>,
    /// The connection serves another request, or is closed.
    has_ended: bool,
}

/// The remaining body.
pub(super) enum BodyFraming {
    Length(u64),
    Chunked(Box<Decoder>),
    /// Delimited by the end of the connection.
    Close,
}

/// The limit on draining an undelivered body: a proxy's refusal page fits.
const DRAIN_BYTES: u64 = 64 * 1024;

const DOING: &str = "reading the response body from";

/// Drains a short undelivered body in a task, so that the connection can be reused.
pub(super) fn drain(mut body: Http1Body) {
    let Some(reader) = body.wire() else { return };
    if body.size_hint().lower() > DRAIN_BYTES {
        return;
    }
    let runtime = reader.shared.runtime().clone();
    runtime.spawn(async move {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = left.checked_sub(length) else { return };
            left = rest;
        }
    });
}

impl Http1BodyReader {
    pub(super) fn new(
        shared: Arc<ConnShared>,
        framing: BodyFraming,
        stall: Option<Box<StallTimeout>>,
    ) -> Box<Self> {
        Box::new(Self { shared, framing, stall, has_ended: false })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        let shared = self.shared.clone();
        loop {
            let mut state = shared.lock();
            if !state.wire.is_open() {
                drop(state);
                return Poll::Ready(Err(self.aborted()));
            }
            match self.framing.next_piece(&shared, &mut state) {
                Ok(None) => {}
                Ok(Some(piece)) => {
                    // Freed with the last piece, so that the next request need not wait for the caller to drop the body.
                    if piece.is_last() {
                        self.end(state);
                    }
                    return Poll::Ready(Ok(piece));
                }
                Err(why) => {
                    drop(state);
                    return Poll::Ready(Err(self.malformed(why)));
                }
            }
            // Sizes the read by the rest of the body.
            let room = match self.framing {
                BodyFraming::Length(left) => left,
                BodyFraming::Chunked(_) | BodyFraming::Close => u64::MAX,
            };
            let filled = state.wire.poll_fill(cx, room);
            if filled.is_pending() {
                let has_upload_failed = state.has_upload_failed();
                let old = state.register_reader(cx);
                drop(state);
                drop(old);
                if !has_upload_failed {
                    return Poll::Pending;
                }
                // Without budget a tokio stream looks quiet, and the rest of the response may be here.
                ready!(rt::poll_budget(cx));
                // The peer may wait for the rest of the request, which never comes.
                return Poll::Ready(Err(self.aborted()));
            }
            let error = match ready!(filled) {
                Ok(0) if matches!(self.framing, BodyFraming::Close) => {
                    shared.status.finish();
                    self.end(state);
                    return Poll::Ready(Ok(Piece::End));
                }
                Ok(0) => io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection was closed before the end of the body",
                ),
                Ok(_) => continue,
                Err(error) => error,
            };
            drop(state);
            return Poll::Ready(Err(self.failed(error)));
        }
    }

    fn end(&mut self, mut state: std::sync::MutexGuard<'_, ConnState>) {
        self.has_ended = true;
        state.stall = self.stall.take();
        self.shared.end_response(state);
    }

    /// Closes the connection. If the body of the request failed, that is the error; else the given one.
    fn fail(&self, error: impl FnOnce() -> Error) -> Error {
        let own = self.shared.lock().take_upload_failure();
        self.shared.abort();
        let own =
            own.map(|own| Http1Failure::Body(own).into_error(&self.shared, Progress::Answered));
        own.unwrap_or_else(error).sent(true)
    }

    fn aborted(&self) -> Error {
        self.fail(|| Error::new(Kind::Canceled, self.shared.doing(DOING)))
    }

    fn failed(&self, error: io::Error) -> Error {
        self.fail(|| io_error(error, self.shared.doing(DOING)))
    }

    fn malformed(&self, why: Malformed) -> Error {
        self.failed(io::Error::new(io::ErrorKind::InvalidData, why))
    }
}

impl WireBody for Http1BodyReader {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        let piece = ready!(self.poll_next(cx));
        if let Some(stall) = &mut self.stall {
            stall.reset(self.shared.runtime());
        }
        Poll::Ready(piece)
    }

    /// The rest of the request may still be sent meanwhile.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let state = self.shared.lock();
        let is_body_awaited =
            matches!(&state.phase, ConnPhase::Uploading(upload) if upload.is_body_awaited);
        let counts = state.wire.counts;
        drop(state);
        let awaited = if is_body_awaited { WaitingFor::Caller } else { WaitingFor::ResponseBody };
        // Only compared for a change, so it may wrap.
        let moved = counts.read.wrapping_add(counts.written);
        let Some(stall) = &mut self.stall else { return Poll::Pending };
        let elapsed = ready!(stall.poll(awaited, moved, self.shared.runtime(), cx));
        Poll::Ready(self.fail(|| elapsed.into_error(self.shared.doing(DOING))))
    }

    fn length(&self) -> Option<u64> {
        match self.framing {
            BodyFraming::Length(left) => Some(left),
            BodyFraming::Chunked(_) | BodyFraming::Close => None,
        }
    }

    fn is_at_end(&self) -> bool {
        false
    }

    /// A no-op: taking the last piece has freed the connection.
    fn finish(self: Box<Self>) {}
}

/// Frees the connection if the rest has been received, and closes it otherwise.
impl Drop for Http1BodyReader {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if !state.wire.is_open() {
            return;
        }
        // Takes only what was received, so nothing waits under the lock.
        while let Ok(Some(piece)) = self.framing.next_piece(&shared, &mut state) {
            if piece.is_last() {
                return self.end(state);
            }
        }
        drop(state);
        shared.abort();
    }
}

impl BodyFraming {
    /// The next received piece; `None` if more bytes are needed.
    fn next_piece(
        &mut self,
        shared: &ConnShared,
        state: &mut ConnState,
    ) -> Result<Option<Piece>, Malformed> {
        let wire = &mut state.wire;
        let available = wire.unread().len();
        if available == 0 {
            return Ok(None);
        }
        match self {
            Self::Close => Ok(Some(Piece::data(wire.take(available)))),
            Self::Length(left) => {
                let length = usize::try_from(*left).map_or(available, |left| left.min(available));
                *left -= length as u64;
                Ok(Some(Piece::Frame {
                    frame: Frame::data(wire.take(length)),
                    is_last: *left == 0,
                }))
            }
            Self::Chunked(decoder) => {
                let (used, decoded) = decoder.decode(wire.unread(), shared.limits)?;
                wire.consume(used);
                Ok(match decoded {
                    ChunkEvent::Incomplete => None,
                    ChunkEvent::Data(length) => Some(Piece::data(wire.take(length))),
                    ChunkEvent::Trailers(trailers) => {
                        Some(Piece::Frame { frame: Frame::trailers(trailers), is_last: true })
                    }
                    ChunkEvent::End => Some(Piece::End),
                })
            }
        }
    }
}
