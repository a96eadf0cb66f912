//! Translates the failure of an exchange into an error of this crate.

use std::{error::Error as _, io};

use super::{head::Malformed, shared::ConnShared};
use crate::{
    connection::Progress,
    error::{Error, Kind},
    http::exchange::stalled_at,
    io::closed,
    timeout::Elapsed,
};

/// Why a request has no response.
#[derive(Debug)]
pub(in crate::http) enum Http1Failure {
    Io(io::Error),
    /// The body of the request failed.
    Body(Error),
    /// The received bytes are no response.
    Malformed(Malformed),
    /// The head, or the sum of it and the 1xx before it, is too long.
    HeadTooLong {
        is_alone: bool,
    },
    /// The peer closed the connection.
    Ended,
    /// This side closed the connection.
    Aborted,
    /// A limit on the wait elapsed.
    TooLate(Elapsed),
}

impl Http1Failure {
    /// The error, given the progress of the exchange.
    pub(super) fn into_error(self, shared: &ConnShared, progress: Progress) -> Error {
        let sending = || shared.doing("sending a request to");
        let reading = || shared.doing("reading the answer of");
        if let Self::Body(error) = self {
            return Error::new(Kind::Body, sending()).because(error);
        }
        if let Self::TooLate(elapsed) = self {
            let doing = shared.doing(stalled_at(&elapsed));
            return elapsed.into_error(doing);
        }
        let doing = if progress == Progress::Answered { reading() } else { sending() };
        // Before the other reasons: another protocol explains a malformed head and an early end.
        if let Some(foreign) = shared.foreign_protocol(&shared.lock().wire, &doing) {
            return foreign;
        }
        match self {
            Self::Malformed(why) => Error::new(Kind::Protocol, format!("{}: {why}", reading())),
            Self::HeadTooLong { is_alone } => {
                let text = format!("{}: its head is longer than allowed", reading());
                let error = Error::new(Kind::Protocol, text);
                match is_alone {
                    true => error,
                    // The limit cut off a series of 1xx, none of them too long by itself.
                    false => error.because(io::Error::from(io::ErrorKind::InvalidData)),
                }
            }
            Self::Ended | Self::Aborted if progress == Progress::Unsent => shared.closed_error(),
            Self::Io(error) if progress == Progress::Unsent && is_end(&error) => {
                match shared.closed_error() {
                    closed if closed.source().is_none() => closed.because(error),
                    closed => closed,
                }
            }
            Self::Ended if progress == Progress::Sent => unanswered(shared, None),
            Self::Io(error) if progress == Progress::Sent && is_end(&error) => {
                unanswered(shared, Some(error))
            }
            Self::Ended => {
                let why = "the connection was closed before the end of the head";
                Error::new(Kind::Protocol, reading()).because(why)
            }
            Self::Io(error) => io_error(error, doing),
            Self::Aborted => Error::new(Kind::Canceled, doing),
            Self::Body(error) => error,
            Self::TooLate(elapsed) => elapsed.into_error(doing),
        }
    }
}

/// The peer took some of the request and closed the connection.
fn unanswered(shared: &ConnShared, error: Option<io::Error>) -> Error {
    let doing = shared.doing("reading the answer of");
    let text = format!("{doing}: the server closed the connection without an answer");
    let error = error.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before a response")
    });
    Error::new(Kind::Io, text).because(error)
}

/// Whether the peer closed or reset the connection. Truncated TLS counts.
fn is_end(error: &io::Error) -> bool {
    closed::is_closed(error.kind())
        && Error::inside(error).is_none_or(|below| below.kind() == Kind::Io)
}

/// The error of the stream. An error of the layer below, such as TLS or a tunnel, is passed on.
pub(super) fn io_error(error: io::Error, doing: String) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    if let Some(below) = Error::inside(&error) {
        return below.clone();
    }
    let kind = match error.kind() {
        InvalidData | InvalidInput | UnexpectedEof => Kind::Protocol,
        _ => Kind::Io,
    };
    Error::new(kind, doing).because(error)
}
