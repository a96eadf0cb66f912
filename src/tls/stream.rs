//! Bytes that are private, or were not asked to be.

use std::fmt;

use hyper_util::rt::TokioIo;
use tokio_rustls::client::TlsStream;

use crate::io::{Io, delegate_read, delegate_write};

/// The bytes of a connection with TLS over them, or without.
///
/// A TLS stream that ends without `close_notify` ends with an error of kind
/// [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): it may have been cut by anyone (RFC 8446 §6.1).
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

delegate_read!([I: Io] MaybeTls<I>, io in Self { bytes: Bytes::Plain(io) }, Self { bytes: Bytes::Private(io) });
delegate_write!([I: Io] MaybeTls<I>, io in Self { bytes: Bytes::Plain(io) }, Self { bytes: Bytes::Private(io) });

impl<I> fmt::Debug for MaybeTls<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaybeTls").field("tls", &self.is_tls()).finish_non_exhaustive()
    }
}
