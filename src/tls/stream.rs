//! Bytes that are private, or were not asked to be.

use std::{
    fmt, io,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio_rustls::client::TlsStream;

use crate::io::Io;

/// The bytes of a connection with TLS over them, or without.
///
/// A TLS stream that ends without `close_notify` ends with an error of kind
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): it may have been cut by anyone (RFC 8446 §6.1).
pub struct MaybeTls<I> {
    bytes: Bytes<I>,
}

enum Bytes<I> {
    Plain(I),
    /// In a box, because a TLS session is a kilobyte and a plain stream is not.
    Private(Box<TokioIo<TlsStream<TokioIo<I>>>>),
}

impl<I> MaybeTls<I> {
    pub(super) fn plain(io: I) -> Self {
        Self { bytes: Bytes::Plain(io) }
    }

    pub(super) fn private(stream: TlsStream<TokioIo<I>>) -> Self {
        Self { bytes: Bytes::Private(Box::new(TokioIo::new(stream))) }
    }

    /// Whether TLS is over the bytes.
    pub fn is_tls(&self) -> bool {
        matches!(self.bytes, Bytes::Private(_))
    }
}

impl<I: Io> Read for MaybeTls<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Bytes::Private(io) => Pin::new(io).poll_read(cx, buffer),
        }
    }
}

impl<I: Io> Write for MaybeTls<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Bytes::Private(io) => Pin::new(io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(io) => Pin::new(io).poll_flush(cx),
            Bytes::Private(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.bytes {
            Bytes::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Bytes::Private(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(io) => io.is_write_vectored(),
            Bytes::Private(io) => io.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.bytes {
            Bytes::Plain(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Bytes::Private(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }
}

impl<I> fmt::Debug for MaybeTls<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaybeTls").field("tls", &self.is_tls()).finish_non_exhaustive()
    }
}
