//! Errors of a stream that the peer has closed.

use std::io::ErrorKind;

/// Whether the peer takes no more bytes: it has closed or reset the connection.
pub(crate) fn is_reset(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset)
}

/// The same, or the stream ended where more was expected, as truncated TLS does.
pub(crate) fn is_closed(kind: ErrorKind) -> bool {
    is_reset(kind) || kind == ErrorKind::UnexpectedEof
}
