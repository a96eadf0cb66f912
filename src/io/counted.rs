//! A stream that counts the bytes it takes, for TLS, which does not say how much of a failed write was sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;

use super::{
    Io, delegate_read,
    write_count::{CountedWrites, WriteCount, length_of},
};

/// A connector's stream with a count of taken bytes.
pub(crate) struct Counted<I> {
    io: I,
    writes: CountedWrites,
}

impl<I> Counted<I> {
    /// `below` is the stream's own count, if it has one.
    pub(crate) fn new(io: I, below: Option<&WriteCount>) -> Self {
        Self { io, writes: CountedWrites::over(below) }
    }

    pub(crate) fn count(&self) -> &WriteCount {
        self.writes.count()
    }
}

delegate_read!([I: Io] Counted<I>, io in Self { io, .. });

impl<I: Io> Write for Counted<I> {
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
