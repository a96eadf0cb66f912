//! Says what hyper's errors mean.

use std::io;

use crate::{
    error::{Error, Kind, find},
    io::metered::OverLimit,
};

/// An error of ours that came from below with the bytes, and says itself what it is.
pub(super) fn below(error: &hyper::Error) -> Option<&Error> {
    find::<io::Error>(error).and_then(Error::inside)
}

/// Whether the peer ended the connection, as far as hyper says: by an end, or by a reset. A TLS stream that was cut is one.
pub(super) fn is_end(error: &hyper::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let is_end = |io: &io::Error| {
        matches!(io.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
            && Error::inside(io).is_none_or(|below| below.kind() == Kind::Io)
    };
    error.is_incomplete_message() || find(error).is_some_and(is_end)
}

/// The peer ended the connection. There is an I/O error among the causes, whether hyper knows of one or not.
pub(super) fn ended(kind: Kind, doing: String, error: hyper::Error) -> Error {
    let ended = Error::new(kind, doing);
    match find::<io::Error>(&error) {
        Some(_) => ended.because(error),
        None => ended.because(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
    }
}

/// hyper's error under the name of what was done. An error of ours in it is that of the request's body, or came from
/// [below].
pub(super) fn described(error: hyper::Error, doing: impl Into<String>) -> Error {
    if let Some(below) = below(&error) {
        return below.clone();
    }
    match find::<Error>(&error) {
        Some(ours) => Error::new(Kind::Body, doing.into()).because(ours.clone()),
        None => Error::new(kind(&error), doing.into()).because(error),
    }
}

/// The connection was ended on this side.
pub(super) fn closed(message: String) -> Error {
    Error::new(Kind::Canceled, message)
}

fn kind(error: &hyper::Error) -> Kind {
    if error.is_canceled() || error.is_closed() || error.is_user() {
        return Kind::Canceled;
    }
    if error.is_parse() || error.is_incomplete_message() {
        return Kind::Protocol;
    }
    find::<io::Error>(error).map_or(Kind::Io, io_kind)
}

/// hyper's decoders speak of a broken body as of an I/O error.
fn io_kind(error: &io::Error) -> Kind {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => Kind::Protocol,
        _ => Kind::Io,
    }
}

/// Whether the answer was given up because its 1xx had no end; hyper itself bounds each single head.
pub(super) fn is_endless_head(error: &hyper::Error) -> bool {
    let limit = |io: &io::Error| io.get_ref().is_some_and(|inner| inner.is::<OverLimit>());
    find::<io::Error>(error).is_some_and(limit)
}
