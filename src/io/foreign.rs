//! Reads a stream of hyper's traits by tokio's.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Io, delegate_write, tokio_write};

/// A stream that implements hyper's traits, by tokio's.
///
/// hyper's buffer is made of initialized bytes here, and zeroing them costs time. So it is only as long as recent reads
/// were.
pub(crate) struct HyperIo<I> {
    pub(super) io: I,
    /// The size of the next read.
    stride: usize,
}

/// The initial size of a read: more than most heads, and short enough that zeroing it costs next to nothing.
const STRIDE: usize = 1024;
/// The largest size of a read.
const MAX_STRIDE: usize = 256 * 1024;

impl<I> HyperIo<I> {
    pub(crate) fn new(io: I) -> Self {
        Self { io, stride: STRIDE }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }
}

impl<I: Io> AsyncRead for HyperIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, stride } = &mut *self;
        let room = buffer.remaining().min(*stride);
        let mut inner = hyper::rt::ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(io).poll_read(cx, inner.unfilled()))?;
        let read = inner.filled().len();
        buffer.advance(read);
        if read == *stride {
            *stride = (*stride * 2).min(MAX_STRIDE);
        } else if read < *stride / 4 {
            *stride = (*stride / 2).max(STRIDE);
        }
        Poll::Ready(Ok(()))
    }
}

delegate_write!([I: Io] HyperIo<I>, io in Self { io, .. });
tokio_write!([I: Io] HyperIo<I>);

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Waker};

    use hyper::rt::{Read, ReadBufCursor, Write};

    use super::*;

    /// Reads pieces of these lengths, as far as there is room.
    struct Pieces(VecDeque<usize>);

    impl Read for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut cursor: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let Some(piece) = self.0.pop_front() else { return Poll::Pending };
            cursor.put_slice(&vec![7; piece.min(cursor.remaining())]);
            Poll::Ready(Ok(()))
        }
    }

    impl Write for Pieces {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn reads_grow_while_the_peer_fills_them_and_shrink_again() {
        const LARGE: usize = 1 << 20;
        let pieces = [LARGE, LARGE, LARGE, 9, LARGE, 0];
        let mut io = HyperIo::new(Pieces(pieces.into()));
        let mut read = || {
            let mut bytes = vec![0; LARGE];
            let mut buffer = ReadBuf::new(&mut bytes);
            let poll =
                Pin::new(&mut io).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
            poll.map_ok(|()| buffer.filled().len())
        };
        for expected in [STRIDE, 2 * STRIDE, 4 * STRIDE, 9, 4 * STRIDE, 0] {
            assert!(matches!(read(), Poll::Ready(Ok(read)) if read == expected), "{expected}");
        }
        assert!(read().is_pending());
    }
}
