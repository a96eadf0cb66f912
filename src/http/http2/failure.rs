//! Translates h2's errors: operation, kind, and how far the request came.

use std::{fmt, io};

use h2::Reason;

use super::{shared::ConnShared, stream::StreamGuard};
use crate::{
    connection::{NoFreeStream, Progress},
    error::{Error, Kind},
    io::{closed, greeting::Spoken, metered::Ending},
};

/// A cause without an h2 error.
#[derive(Debug)]
struct Cause(&'static str);

impl ConnShared {
    /// The connection failed before any byte of the request was written.
    pub(super) fn failed_unsent(&self, error: h2::Error) -> Error {
        let doing = "sending a request to";
        match is_closed(&error) && self.state().close_cause().is_none() {
            true => self.closed_by_peer(
                Kind::Canceled,
                doing,
                "the server closed the connection",
                error,
            ),
            false => self.failed(doing, error),
        }
    }

    /// The stream or its connection failed before the response head.
    pub(super) fn failed_sending(&self, error: h2::Error) -> Error {
        match is_closed(&error) && self.state().close_cause().is_none() {
            true => {
                let how = "the server closed the connection without an answer";
                self.closed_by_peer(Kind::Io, "reading the answer of", how, error)
            }
            false => self.failed("sending a request to", error),
        }
    }

    pub(super) fn failed_reading(&self, error: h2::Error) -> Error {
        self.failed("reading the response body from", error).sent(true)
    }

    /// One text and one kind, however the close is noticed.
    fn closed_by_peer(&self, kind: Kind, doing: &str, how: &str, error: h2::Error) -> Error {
        let doing = self.doing(doing);
        if let Some(foreign_protocol) = self.foreign_protocol(&doing) {
            return foreign_protocol.because(error);
        }
        let ended = Error::new(kind, format!("{doing}: {how}"));
        match (self.state().meter().ending(), error.into_io()) {
            (Some(Ending::Below(below)), _) if below.kind() != Kind::Io => below.clone(),
            (Some(Ending::Below(below)), _) => ended.because(below.clone()),
            (Some(Ending::Closed(kind)), _) => ended.because(io::Error::from(*kind)),
            (None, Some(io)) => ended.because(io),
            (None, None) => ended,
        }
    }

    /// The error for a peer that speaks another protocol, if it does.
    fn foreign_protocol(&self, doing: &str) -> Option<Error> {
        let spoken = self.state().meter().spoken();
        let name = spoken.name().filter(|_| spoken != Spoken::Http2)?;
        let text = format!("{doing}: the server speaks {name}, and HTTP/2 was expected");
        Some(Error::new(Kind::Protocol, text))
    }

    /// The body of the request failed.
    pub(super) fn failed_body(&self, error: Error) -> Error {
        Error::new(Kind::Body, self.doing("sending a request to")).because(error)
    }

    /// A malformed response that h2 accepts.
    pub(super) fn malformed(&self, what: &'static str) -> Error {
        Error::new(Kind::Protocol, self.doing("sending a request to")).because(Cause(what))
    }

    pub(super) fn malformed_body(&self, what: &'static str) -> Error {
        let doing = self.doing("reading the response body from");
        Error::new(Kind::Protocol, doing).because(Cause(what)).sent(true)
    }

    /// The peer's SETTINGS allow no extended `CONNECT`, or did not come.
    pub(super) fn unsupported(&self, protocol: &str) -> Error {
        let doing = self.doing(&format!("asking for `{protocol}` by CONNECT of"));
        let why = "the peer does not say that it takes an extended CONNECT";
        Error::new(Kind::Unsupported, doing).because(Cause(why))
    }

    /// The peer allows no further stream now.
    pub(super) fn has_no_free_stream(&self) -> Error {
        Error::new(Kind::Canceled, self.doing("sending a request to")).because(NoFreeStream)
    }

    /// The connection is closing, or closed.
    pub(super) fn takes_no_requests(&self) -> Error {
        let doing = self.doing("sending a request to");
        match self.state().close_cause() {
            Some(close_cause) => {
                Error::new(close_cause.kind(), doing).because(close_cause.into_cause())
            }
            None => self.foreign_protocol(&doing).unwrap_or_else(|| self.is_closing(doing)),
        }
    }

    /// The connection had ended, or sent GOAWAY, before the request.
    fn is_closing(&self, doing: String) -> Error {
        let closed =
            || Error::new(Kind::Canceled, format!("{doing}: the server closed the connection"));
        match self.state().meter().ending() {
            Some(Ending::Below(below)) if below.kind() != Kind::Io => below.clone(),
            Some(Ending::Below(below)) => closed().because(below.clone()),
            Some(Ending::Closed(kind)) => closed().because(io::Error::from(*kind)),
            None => Error::new(Kind::Canceled, format!("{doing}: the connection is closing"))
                .because(Cause("the connection is closing")),
        }
    }

    /// h2 reports a connection that this side closed as a broken pipe only.
    pub(super) fn failed(&self, what: &str, error: h2::Error) -> Error {
        let doing = self.doing(what);
        // Our own reason explains the broken pipe.
        if error.is_io()
            && let Some(close_cause) = self.state().close_cause()
        {
            return Error::new(close_cause.kind(), doing).because(close_cause.into_cause());
        }
        if let Some(foreign_protocol) = self.foreign_protocol(&doing) {
            return foreign_protocol.because(error);
        }
        if !error.is_io() {
            return Error::new(Kind::Protocol, doing).because(error);
        }
        // h2 keeps only the kind and the text of an I/O error; the meter has the original.
        if let Some(Ending::Below(below)) = self.state().meter().ending() {
            return below.clone();
        }
        match error.into_io() {
            Some(io) => Error::new(kind(&io), doing).because(io),
            None => Error::new(Kind::Io, doing),
        }
    }
}

/// Whether the peer closed or reset the connection. h2 reports TLS errors with other kinds.
fn is_closed(error: &h2::Error) -> bool {
    error.get_io().is_some_and(|io| closed::is_closed(io.kind()))
}

/// An unexpected end is a protocol error of the peer; h2 calls it a broken pipe, without an OS error.
fn kind(error: &io::Error) -> Kind {
    use io::ErrorKind::{BrokenPipe, UnexpectedEof};
    match error.raw_os_error() {
        None if matches!(error.kind(), BrokenPipe | UnexpectedEof) => Kind::Protocol,
        _ => Kind::Io,
    }
}

impl StreamGuard {
    /// How far a request came that failed before its response head.
    pub(super) fn progress(&self, error: &h2::Error) -> Progress {
        let is_reset = error.is_reset();
        // A failing connection still writes its buffers; a healthy one writes nothing of a reset stream.
        let goes_on = error.is_remote() && (is_reset || error.is_go_away());
        if !self.was_written() && (goes_on || self.stays_unwritten()) {
            return Progress::Unsent;
        }
        match error.reason() {
            Some(Reason::REFUSED_STREAM) if is_reset && error.is_remote() => Progress::Refused,
            // h2 passes a peer's GOAWAY only to streams above its last stream id (RFC 9113 §6.8).
            Some(_) if error.is_go_away() && error.is_remote() => Progress::Refused,
            // Any other reset is a kind of answer; h2 resets a stream by itself only because of received frames.
            Some(_) if is_reset => Progress::Answered,
            _ => Progress::Sent,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cause {}
