//! A stream with TLS or without.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::Write;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::failure;
use crate::{
    error::{Error, Kind},
    io::{
        Io, copied_read,
        counted::Counted,
        delegate_read, delegate_write,
        direct::{DirectIo, DirectRead, DirectReader, IntoDirect},
    },
    target::Target,
};

/// The stream of a connection, with TLS or without.
///
/// A TLS stream that ends without `close_notify` fails with [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): an
/// attacker may have truncated it (RFC 8446 §6.1).
pub struct MaybeTls<I> {
    bytes: Bytes<I>,
}

enum Bytes<I> {
    Plain {
        io: I,
        reader: Option<DirectReader>,
    },
    /// Boxed: a TLS session takes a kilobyte, a plain stream does not.
    TlsIo(Box<TlsIo>),
}

struct TlsIo {
    stream: TlsStream<Counted>,
    target: Target,
}

impl<I> MaybeTls<I> {
    pub(super) fn plain(io: I, reader: Option<DirectReader>) -> Self {
        Self { bytes: Bytes::Plain { io, reader } }
    }

    pub(super) fn private(stream: TlsStream<Counted>, target: Target) -> Self {
        Self { bytes: Bytes::TlsIo(Box::new(TlsIo { stream, target })) }
    }

    /// Whether the stream is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.bytes, Bytes::TlsIo(_))
    }
}

delegate_read!([I: Io] MaybeTls<I>, io in Self { bytes: Bytes::Plain { io, .. } }, Self { bytes: Bytes::TlsIo(io) });
delegate_write!([I: Io] MaybeTls<I>, io in Self { bytes: Bytes::Plain { io, .. } }, Self { bytes: Bytes::TlsIo(io) });

copied_read!([] TlsIo);

impl DirectRead for TlsIo {
    fn poll_read_direct(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, target } = self;
        Pin::new(stream).poll_read(cx, buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof if Error::inside(&error).is_none() => truncated(target),
            _ => refused(error, target),
        })
    }
}

impl<I: Io> IntoDirect for MaybeTls<I> {
    fn into_direct(self: Box<Self>) -> DirectIo {
        match self.bytes {
            Bytes::Plain { io, reader } => DirectIo::new(io, reader),
            Bytes::TlsIo(io) => DirectIo::own(io),
        }
    }
}

impl Write for TlsIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, target } = &mut *self;
        Pin::new(stream).poll_write(cx, bytes).map_err(|error| refused(error, target))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, target } = &mut *self;
        Pin::new(stream).poll_write_vectored(cx, slices).map_err(|error| refused(error, target))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, target } = &mut *self;
        Pin::new(stream).poll_flush(cx).map_err(|error| refused(error, target))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, target } = &mut *self;
        Pin::new(stream).poll_shutdown(cx).map_err(|error| refused(error, target))
    }
}

/// In TLS 1.3 a server rejects a client certificate only after the handshake, as seen by the first read (RFC 8446
/// §4.4.2.4) or a write.
fn refused(error: io::Error, target: &Target) -> io::Error {
    match error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        true => io::Error::new(error.kind(), failure::described(error, target)),
        false => error,
    }
}

/// Replaces rustls's text, which contains a link.
fn truncated(target: &Target) -> io::Error {
    let kind = io::ErrorKind::UnexpectedEof;
    let cause = io::Error::new(kind, "the end of the stream may be missing");
    let doing = format!("TLS with {target}: the connection was closed without `close_notify`");
    io::Error::new(kind, Error::new(Kind::Io, doing).because(cause))
}

impl<I> fmt::Debug for MaybeTls<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaybeTls").field("tls", &self.is_tls()).finish_non_exhaustive()
    }
}
