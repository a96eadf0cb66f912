//! The body of an HTTP/1.1 response.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    chunked::{ChunkEvent, Decoder},
    failure::io_error,
    head::Malformed,
    shared::{ConnShared, ConnState, Phase},
};
use crate::{
    error::{Error, Kind},
    timeout::{StallTimeout, WaitingFor},
};

/// The body of an answer, as it comes.
///
/// One that ends before its length or its last chunk is an error for which [`Error::is_protocol`] holds, and where TLS ends
/// without `close_notify` one for which [`Error::is_io`] holds: a part of a body is never taken for the whole.
///
/// # Cancellation
///
/// Dropping it before its end costs the connection, unless what is left has already come.
pub(crate) struct Http1Body {
    /// All of it, if it came with the head.
    whole: Bytes,
    /// Boxed, because a body is moved with its response.
    incoming: Option<Box<Incoming>>,
}

/// A body that has not all come.
struct Incoming {
    shared: Arc<ConnShared>,
    framing: BodyFraming,
    /// `None` once the body has ended.
    stall: Option<Box<StallTimeout>>,
}

/// What is left of a body.
pub(super) enum BodyFraming {
    Length(u64),
    Chunked(Box<Decoder>),
    /// It ends with the connection.
    Close,
}

/// What came of a body, and whether it is its last.
enum Piece {
    Frame(Frame<Bytes>, bool),
    End,
}

/// So much of an unwanted body is drained: as much as says why a proxy refuses.
const WORTH_DRAINING: u64 = 64 * 1024;

const DOING: &str = "reading the response body from";

impl Http1Body {
    pub(super) fn whole(whole: Bytes) -> Self {
        Self { whole, incoming: None }
    }

    pub(super) fn incoming(
        shared: Arc<ConnShared>,
        framing: BodyFraming,
        stall: Option<Box<StallTimeout>>,
    ) -> Self {
        let incoming = Some(Box::new(Incoming { shared, framing, stall }));
        Self { whole: Bytes::new(), incoming }
    }

    /// Reads what is left if it is short, so that the connection can be used again. A connection whose handle is dropped
    /// ends it.
    pub(super) fn drain(mut self) {
        let Some(incoming) = &self.incoming else { return };
        if self.size_hint().lower() > WORTH_DRAINING {
            return;
        }
        let runtime = incoming.shared.runtime().clone();
        runtime.spawn(async move {
            let mut left = WORTH_DRAINING;
            while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(rest) = left.checked_sub(length) else { return };
                left = rest;
            }
        });
    }
}

impl Incoming {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        match self.poll_piece(cx) {
            Poll::Ready(piece) => {
                if let Some(stall) = &mut self.stall {
                    stall.reset(self.shared.runtime());
                }
                Poll::Ready(piece)
            }
            Poll::Pending => self.poll_stall(cx).map(Err),
        }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
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
                    if matches!(piece, Piece::End | Piece::Frame(_, true)) {
                        self.end(state);
                    }
                    return Poll::Ready(Ok(piece));
                }
                Err(why) => {
                    drop(state);
                    return Poll::Ready(Err(self.malformed(why)));
                }
            }
            let room = match self.framing {
                BodyFraming::Length(left) => left,
                BodyFraming::Chunked(_) | BodyFraming::Close => u64::MAX,
            };
            let filled = state.wire.poll_fill(cx, room);
            if filled.is_pending() {
                let old = state.register_reader(cx);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
            match ready!(filled) {
                Ok(0) if matches!(self.framing, BodyFraming::Close) => {
                    shared.status.finish();
                    self.end(state);
                    return Poll::Ready(Ok(Piece::End));
                }
                Ok(0) => {
                    drop(state);
                    return Poll::Ready(Err(self.failed(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the connection was closed before the end of the body",
                    ))));
                }
                Ok(_) => {}
                Err(error) => {
                    drop(state);
                    return Poll::Ready(Err(self.failed(error)));
                }
            }
        }
    }

    fn end(&mut self, mut state: std::sync::MutexGuard<'_, ConnState>) {
        state.stall = self.stall.take();
        self.shared.end_response(state);
    }

    /// The rest of the request may still be on its way meanwhile.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let state = self.shared.lock();
        let is_starved = matches!(&state.phase, Phase::Uploading(upload) if upload.is_starved);
        let counts = state.wire.counts;
        drop(state);
        let awaited = if is_starved { WaitingFor::Caller } else { WaitingFor::ResponseBody };
        let moved = counts.read.wrapping_add(counts.written);
        let Some(stall) = &mut self.stall else { return Poll::Pending };
        let elapsed = ready!(stall.poll(awaited, moved, self.shared.runtime(), cx));
        self.shared.abort();
        Poll::Ready(elapsed.into_error(self.shared.doing(DOING)).sent(true))
    }

    fn aborted(&self) -> Error {
        Error::new(Kind::Canceled, self.shared.doing(DOING)).sent(true)
    }

    fn failed(&self, error: io::Error) -> Error {
        self.shared.abort();
        io_error(error, self.shared.doing(DOING)).sent(true)
    }

    fn malformed(&self, why: Malformed) -> Error {
        self.failed(io::Error::new(io::ErrorKind::InvalidData, why))
    }

    /// Frees the connection if the rest has come, and closes it if not.
    fn abandon(mut self) {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        if !state.wire.is_open() {
            return;
        }
        while let Ok(Some(piece)) = self.framing.next_piece(&shared, &mut state) {
            if matches!(piece, Piece::End | Piece::Frame(_, true)) {
                return self.end(state);
            }
        }
        drop(state);
        shared.abort();
    }
}

impl BodyFraming {
    /// The next piece of what has come; `None` if more is needed.
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
            Self::Close => Ok(Some(Piece::Frame(Frame::data(wire.take(available)), false))),
            Self::Length(left) => {
                let length = usize::try_from(*left).map_or(available, |left| left.min(available));
                *left -= length as u64;
                Ok(Some(Piece::Frame(Frame::data(wire.take(length)), *left == 0)))
            }
            Self::Chunked(decoder) => {
                let (used, decoded) = decoder.decode(wire.unread(), shared.limits)?;
                wire.consume(used);
                Ok(match decoded {
                    ChunkEvent::Incomplete => None,
                    ChunkEvent::Data(length) => {
                        Some(Piece::Frame(Frame::data(wire.take(length)), false))
                    }
                    ChunkEvent::Trailers(trailers) => {
                        Some(Piece::Frame(Frame::trailers(trailers), true))
                    }
                    ChunkEvent::End => Some(Piece::End),
                })
            }
        }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(incoming) = &mut self.incoming else {
            let whole = std::mem::take(&mut self.whole);
            return Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))));
        };
        Poll::Ready(match ready!(incoming.poll(cx)) {
            Ok(Piece::Frame(frame, false)) => Some(Ok(frame)),
            Ok(Piece::Frame(frame, true)) => {
                self.incoming = None;
                Some(Ok(frame))
            }
            Ok(Piece::End) => {
                self.incoming = None;
                None
            }
            Err(error) => {
                self.incoming = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_none() && self.whole.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.incoming.as_deref() {
            None => SizeHint::with_exact(self.whole.len() as u64),
            Some(Incoming { framing: BodyFraming::Length(left), .. }) => {
                SizeHint::with_exact(*left)
            }
            Some(_) => SizeHint::default(),
        }
    }
}

impl Drop for Http1Body {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            incoming.abandon();
        }
    }
}

impl fmt::Debug for Http1Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Body").finish_non_exhaustive()
    }
}
