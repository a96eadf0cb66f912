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
