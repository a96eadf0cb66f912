//! The SOCKS 4 and 4a handshake without I/O: one request, one reply of eight bytes.

use std::{
    error::Error as StdError,
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use crate::{
    auth::Credentials,
    error::Error,
    proxy::socks::{Destination, HandshakeStep, SocksHandshake, SocksRefusal, length},
};

const VERSION: u8 = 0x04;
const CONNECT: u8 = 0x01;
const GRANTED: u8 = 0x5A;

/// The version byte of a reply, which differs from the request's.
const ANSWER_VERSION: u8 = 0x00;

const ANSWER_LENGTH: usize = 8;

/// The address that announces a name: 0.0.0.x with x other than 0 (SOCKS 4a).
const NAMED: [u8; 4] = [0, 0, 0, 1];

/// Why a SOCKS 4 proxy refused: the [`cause`](Error::cause) of the [`Error`].
///
/// ```
/// use tower_transport::proxy::Socks4Error;
///
/// fn is_rejected(error: &tower_transport::Error) -> bool {
///     error.cause() == Some(&Socks4Error::Rejected)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Socks4Error {
    /// `0x5B`: rejected or failed. Version 4 does not say why.
    Rejected,
    /// `0x5C`: the proxy could not reach our identd (RFC 1413).
    NoIdent,
    /// `0x5D`: our identd reported another user.
    WrongIdent,
    /// Any other code but `0x5A`, which is success.
    Unassigned(u8),
    /// The reply does not begin with `0x00`: it is not SOCKS 4.
    WrongVersion(u8),
}

/// A request, and the bytes read of its reply.
pub(super) struct Socks4Handshake {
    request: Option<Vec<u8>>,
    answer: Vec<u8>,
}

impl Socks4Handshake {
    /// Requests an IPv4 address or a name (4a), with the user of the credentials if there are any.
    pub(super) fn new(
        destination: &Destination,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        let user = user(credentials)?;
        let (port, address, name) = match destination {
            Destination::Address(SocketAddr::V4(to)) => (to.port(), literal(*to.ip())?, None),
            Destination::Address(SocketAddr::V6(to)) => {
                let message =
                    format!("SOCKS 4 does not support IPv6 addresses such as {}", to.ip());
                return Err(Error::builder(message));
            }
            Destination::Name(name, port) => (*port, NAMED, Some(checked(name)?)),
        };
        let mut request = vec![VERSION, CONNECT];
        request.extend(port.to_be_bytes());
        request.extend(address);
        for text in [Some(user), name].into_iter().flatten() {
            request.extend(text.as_bytes());
            request.push(0);
        }
        Ok(Self { request: Some(request), answer: Vec::new() })
    }
}

/// SOCKS 4 has no password, and a NUL ends the user.
fn user(credentials: Option<&Credentials>) -> Result<&str, Error> {
    let Some(credentials) = credentials else { return Ok("") };
    if !credentials.password().is_empty() {
        return Err(Error::builder("SOCKS 4 has no place for the password of the proxy"));
    }
    let user = credentials.user();
    if user.contains('\0') {
        return Err(Error::builder("the user for the proxy holds a NUL, which would end it"));
    }
    length("user for the proxy", user).map(|_| user)
}

/// Refuses addresses that SOCKS 4a reads as the announcement of a name.
fn literal(address: Ipv4Addr) -> Result<[u8; 4], Error> {
    match address.octets() {
        [0, 0, 0, last] if last != 0 => {
            Err(Error::builder(format!("SOCKS 4 reserves {address} to announce a name")))
        }
        octets => Ok(octets),
    }
}

fn checked(name: &str) -> Result<&str, Error> {
    if name.contains('\0') {
        return Err(Error::builder("the name of the host holds a NUL, which would end it"));
    }
    length("name of the host", name).map(|_| name)
}

impl SocksHandshake for Socks4Handshake {
    type Refusal = Socks4Error;

    fn step(&mut self) -> HandshakeStep {
        match (self.request.take(), ANSWER_LENGTH.saturating_sub(self.answer.len())) {
            (Some(request), _) => HandshakeStep::Write(request),
            (None, 0) => HandshakeStep::Done,
            (None, rest) => HandshakeStep::Read(rest),
        }
    }

    /// Reports a refusal at its code: the rest says nothing, and some proxies close instead of sending it.
    fn read(&mut self, bytes: &[u8]) -> Result<(), Socks4Error> {
        self.answer.extend(bytes);
        match *self.answer {
            [version, ..] if version != ANSWER_VERSION => Err(Socks4Error::WrongVersion(version)),
            [_, code, ..] if code != GRANTED => Err(Socks4Error::of_code(code)),
            _ => Ok(()),
        }
    }
}

impl Socks4Error {
    fn of_code(code: u8) -> Self {
        match code {
            0x5B => Self::Rejected,
            0x5C => Self::NoIdent,
            0x5D => Self::WrongIdent,
            other => Self::Unassigned(other),
        }
    }
}

impl SocksRefusal for Socks4Error {
    fn is_malformed(&self) -> bool {
        matches!(self, Self::WrongVersion(_))
    }

    fn is_about_the_address(&self) -> bool {
        matches!(self, Self::Rejected)
    }

    fn is_final(&self) -> bool {
        !self.is_about_the_address()
    }
}

impl fmt::Display for Socks4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected => f.write_str("rejected or failed (0x5B)"),
            Self::NoIdent => f.write_str("the proxy cannot ask an identd here who we are (0x5C)"),
            Self::WrongIdent => f.write_str("the identd here says that we are another user (0x5D)"),
            Self::Unassigned(code) => write!(f, "refused with the unassigned code 0x{code:02X}"),
            Self::WrongVersion(b'H') => f.write_str("the answer begins like one of HTTP"),
            Self::WrongVersion(version) => {
                write!(f, "the answer begins with 0x{version:02X}, and in SOCKS 4 with 0x00")
            }
        }
    }
}

impl StdError for Socks4Error {}

#[cfg(test)]
mod tests;
