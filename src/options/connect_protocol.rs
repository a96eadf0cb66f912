//! The protocol of an extended `CONNECT` (RFC 8441).

use std::{borrow::Cow, str::FromStr};

use crate::{error::Error, fields::is_tchar};

/// Turns `CONNECT` over HTTP/2 into an extended one (RFC 8441 §4): the server itself speaks this protocol on the
/// stream, as with `Upgrade` over HTTP/1.1.
///
/// The URL is that of the service, with its path; fields are sent as with any request. `wss` and `https` have
/// separate connections: with `https` the stream shares the connection of the other requests. After a 2xx,
/// [`upgrade`](crate::http::upgrade) returns the stream. It has no effect on methods other than `CONNECT`.
///
/// A server announces support in its SETTINGS, for which the request waits up to 10 s; they are the first frame of a
/// server. If it does not support it, or the connection uses HTTP/1.1, nothing is sent, and [`Error::is_unsupported`]
/// holds for the error.
///
/// ```
/// use tower_transport::options::ConnectProtocol;
/// let chat = http::Request::connect("https://example.com/chat")
///     .header("sec-websocket-version", "13")
///     .extension(ConnectProtocol::websocket())
///     .body(());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectProtocol(Cow<'static, str>);

impl ConnectProtocol {
    /// WebSocket (RFC 8441 §5).
    pub const fn websocket() -> Self {
        Self(Cow::Borrowed("websocket"))
    }

    /// The name, as sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectProtocol {
    type Err = Error;

    /// Any name in the registry of upgrade tokens (RFC 9110 §16.7).
    fn from_str(name: &str) -> Result<Self, Error> {
        let is_of_name = |byte: u8| is_tchar(byte) || byte == b'/';
        match !name.is_empty() && name.bytes().all(is_of_name) {
            true => Ok(Self(name.to_owned().into())),
            false => Err(Error::builder(format!("{name:?} is not the name of a protocol"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_named_by_a_token() {
        for name in ["websocket", "connect-udp", "webtransport", "HTTP/2.0"] {
            assert_eq!(name.parse::<ConnectProtocol>().unwrap().as_str(), name);
        }
        for name in ["", "two words", "a\r\nb", "é"] {
            assert!(name.parse::<ConnectProtocol>().unwrap_err().is_builder(), "{name:?}");
        }
    }
}
