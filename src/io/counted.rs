//! A stream that counts the bytes it takes, for TLS, which does not say how much of a failed write was sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    direct::DirectIo,
    tokio_write,
    write_count::{CountedWrites, WriteCount, length_of},
};

/// A connector's stream with a count of taken bytes.
pub(crate) struct Counted {
    io: DirectIo,
    writes: CountedWrites,
}

impl Counted {
    /// `below` is the stream's own count, if it has one.
    pub(crate) fn new(io: DirectIo, below: Option<&WriteCount>) -> Self {
        Self { io, writes: CountedWrites::over(below) }
    }

    pub(crate) fn count(&self) -> &WriteCount {
        self.writes.count()
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes } = &mut *self;
        writes.write(bytes.len(), || Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { io, writes } = &mut *self;
        writes.write(length_of(slices), || Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

tokio_write!([] Counted);

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use hyper_util::rt::TokioIo;

    use super::*;

    fn counted(room: usize) -> (Counted, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(room);
        (Counted::new(DirectIo::new(TokioIo::new(near), None), None), far)
    }

    #[test]
    fn what_a_stream_takes_of_a_write_is_counted_whether_the_write_is_vectored_or_not() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut io, far) = counted(4);
        let plain = Write::poll_write(Pin::new(&mut io), &mut cx, b"abc");
        assert!(matches!(plain, Poll::Ready(Ok(3))), "{plain:?}");
        assert_eq!(io.count().bytes(), 3);
        let slices = [io::IoSlice::new(b"d"), io::IoSlice::new(b"e")];
        let vectored = Write::poll_write_vectored(Pin::new(&mut io), &mut cx, &slices);
        assert!(matches!(vectored, Poll::Ready(Ok(1))), "{vectored:?}");
        assert_eq!(io.count().bytes(), 4);
        assert!(Write::poll_write(Pin::new(&mut io), &mut cx, b"e").is_pending());
        assert_eq!(io.count().bytes(), 4);
        drop(far);
        // Of a stream without a count of its own, a failed write may have taken everything.
        let failed = Write::poll_write(Pin::new(&mut io), &mut cx, b"e");
        assert!(matches!(failed, Poll::Ready(Err(_))), "{failed:?}");
        assert_eq!(io.count().bytes(), 5);
    }

    #[test]
    fn a_stream_writes_slices_at_once_if_the_one_below_does() {
        let (io, _far) = counted(4);
        assert_eq!(Write::is_write_vectored(&io), io.io.is_write_vectored());
        assert!(Write::is_write_vectored(&io));
    }
}
