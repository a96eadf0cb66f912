//! What a `CONNECT` is to speak with the server itself (RFC 8441).

use std::{borrow::Cow, str::FromStr};

use crate::error::Error;

/// Makes of `CONNECT` over HTTP/2 an extended one (RFC 8441 §4): the server itself is to speak this protocol on the stream,
/// as with `Upgrade` over HTTP/1.1.
///
/// The URL is that of the service, with its path, and fields are sent as with any request. Connections to `wss` and to
/// `https` are kept apart: with `https` in the URL the stream is one on the connection of the other requests. A 2xx has the bytes, which
/// [`upgrade`](crate::http::upgrade) takes out. It means nothing with other methods than `CONNECT`.
///
/// A server says first whether it knows this, in its SETTINGS, and for those the request waits 10 s at most: they are the
/// first that a server sends. If it does not know it, or the connection speaks HTTP/1.1, nothing is sent, and the error is
/// one for which [`Error::is_unsupported`] holds.
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

    /// The name, as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConnectProtocol {
    type Err = Error;

    /// Any name of the registry of upgrade tokens (RFC 9110 §16.7).
    fn from_str(name: &str) -> Result<Self, Error> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&b);
        match !name.is_empty() && name.bytes().all(is_token) {
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
