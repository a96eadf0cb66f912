//! Says what hyper's errors mean.

use std::{error::Error as StdError, io};

use crate::{
    error::{Error, Kind},
    io::metered::OverLimit,
};

/// hyper's error under the name of what was done. An error of ours in it is that of the request's body, or came from
/// below with the bytes and says itself what it is.
pub(super) fn described(error: hyper::Error, doing: impl Into<String>) -> Error {
    if let Some(below) = find::<io::Error>(&error).and_then(Error::inside) {
        return below.clone();
    }
    match find::<Error>(&error) {
        Some(ours) => Error::new(Kind::Body, doing.into()).because(ours.clone()),
        None => Error::new(kind(&error), doing.into()).because(error),
    }
}

/// The connection can take no request.
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

/// hyper's decoders speak of a broken body as of an I/O error; so does TLS of a stream without an end.
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

/// The first cause of this type, however deep.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
