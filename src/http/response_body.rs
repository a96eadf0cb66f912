//! The body of a response of either version.

use std::{
    fmt,
    num::NonZeroU32,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::Error;

/// The body of a response, as it is received.
///
/// A body that is shorter or longer than declared, or is cut off, is an error: a part is never taken for the whole.
pub(super) struct ResponseBody<W: WireBody> {
    /// The whole body, if it came with the head.
    whole: Bytes,
    /// Boxed, because the body moves with its response. `None` once it has ended.
    wire: Option<Box<W>>,
    /// The id of the stream (RFC 9113 §5.1.1).
    stream_id: Option<NonZeroU32>,
}

/// A body that is still being received.
///
/// # Cancellation
///
/// Dropping it before the end abandons the rest of the response.
pub(super) trait WireBody {
    /// The next piece. Not polled after an error or the last piece.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Error>>;

    /// Ready with the error of a body that stalled. Polled while there is no piece.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Error>;

    /// Bytes to come, if known.
    fn length(&self) -> Option<u64>;

    /// Whether certainly nothing more comes.
    fn is_at_end(&self) -> bool;

    /// The last piece was taken.
    fn finish(self: Box<Self>);
}

/// A piece of a body.
pub(super) enum Piece {
    Frame { frame: Frame<Bytes>, is_last: bool },
    End,
}

impl Piece {
    /// Data with more to come.
    #[cfg(feature = "http1")]
    pub(super) fn data(data: Bytes) -> Self {
        Self::Frame { frame: Frame::data(data), is_last: false }
    }

    #[cfg(feature = "http1")]
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::End | Self::Frame { is_last: true, .. })
    }
}

impl<W: WireBody> ResponseBody<W> {
    /// A body that came with its head, or an empty one.
    pub(super) fn whole(whole: Bytes) -> Self {
        Self { whole, wire: None, stream_id: None }
    }

    pub(super) fn incoming(wire: Box<W>) -> Self {
        Self { whole: Bytes::new(), wire: Some(wire), stream_id: None }
    }

    /// Sets the id of its stream.
    #[cfg(feature = "http2")]
    pub(super) fn on_stream(self, id: u32) -> Self {
        Self { stream_id: NonZeroU32::new(id), ..self }
    }

    /// The id of its stream, in HTTP/2.
    pub(super) fn stream_id(&self) -> Option<u32> {
        self.stream_id.map(NonZeroU32::get)
    }

    /// The source, until the end.
    #[cfg(feature = "http1")]
    pub(super) fn wire(&self) -> Option<&W> {
        self.wire.as_deref()
    }

    fn finish(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.finish();
        }
    }
}

impl<W: WireBody> Body for ResponseBody<W> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(wire) = &mut self.wire else {
            let whole = std::mem::take(&mut self.whole);
            return Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))));
        };
        let piece = match wire.poll_piece(cx) {
            Poll::Ready(piece) => piece,
            // Polled only without a piece: data that has arrived wins over a timeout.
            Poll::Pending => Err(ready!(wire.poll_stall(cx))),
        };
        Poll::Ready(match piece {
            Ok(Piece::Frame { frame, is_last }) => {
                // Finish with the last piece and not with the poll after it: the connection is free earlier.
                if is_last {
                    self.finish();
                }
                Some(Ok(frame))
            }
            Ok(Piece::End) => {
                self.finish();
                None
            }
            Err(error) => {
                self.wire = None;
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.whole.is_empty() && self.wire.as_ref().is_none_or(|wire| wire.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.wire {
            Some(wire) => wire.length(),
            None => Some(self.whole.len() as u64),
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Nothing in it is pinned.
impl<W: WireBody> Unpin for ResponseBody<W> {}

impl<W: WireBody> fmt::Debug for ResponseBody<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("is_open", &self.wire.is_some())
            .field("size", &self.size_hint())
            .finish()
    }
}
