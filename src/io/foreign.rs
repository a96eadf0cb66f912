//! Reads a stream of hyper's traits by tokio's.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{Io, delegate_write, stride::Stride, tokio_write};

/// A stream that implements hyper's traits, by tokio's.
pub(crate) struct HyperIo<I> {
    pub(super) io: I,
    stride: Stride,
}

impl<I> HyperIo<I> {
    pub(crate) fn new(io: I) -> Self {
        Self { io, stride: Stride::new() }
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
        stride.read(buffer, |room| {
            let mut buffer = hyper::rt::ReadBuf::new(room);
            ready!(Pin::new(io).poll_read(cx, buffer.unfilled()))?;
            Poll::Ready(Ok(buffer.filled().len()))
        })
    }
}

delegate_write!([I: Io] HyperIo<I>, io in Self { io, .. });
tokio_write!([I: Io] HyperIo<I>);
