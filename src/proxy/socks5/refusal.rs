//! The refusals of SOCKS 5 proxies.

use std::{error::Error as StdError, fmt};

use super::handshake::USER_AND_PASSWORD;
use crate::proxy::socks::SocksRefusal;

/// Why a SOCKS 5 proxy refused: the [`cause`](crate::Error::cause) of the [`Error`](crate::Error).
///
/// ```
/// use tower_transport::proxy::Socks5Error;
///
/// fn is_forbidden(error: &tower_transport::Error) -> bool {
///     matches!(error.cause(), Some(Socks5Error::NotAllowed | Socks5Error::CredentialsRefused))
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Socks5Error {
    /// `0x01`: general failure of the proxy (RFC 1928 §6).
    GeneralFailure,
    /// `0x02`: not allowed by its rules.
    NotAllowed,
    /// `0x03`: the network is unreachable from the proxy.
    NetworkUnreachable,
    /// `0x04`: the host is unreachable from the proxy. Most proxies also report unresolvable names so.
    HostUnreachable,
    /// `0x05`: the host refused the connection.
    ConnectionRefused,
    /// `0x06`: the time to live of the packets expired; some proxies report a host that did not answer in time so.
    TtlExpired,
    /// `0x07`: the proxy does not support CONNECT.
    CommandNotSupported,
    /// `0x08`: the proxy does not support this address type: IPv6, or names.
    AddressTypeNotSupported,
    /// A code from `0x09` on, which the RFC does not assign.
    Unassigned(u8),
    /// The proxy accepts none of the offered authentication methods (RFC 1928 §3): most likely it requires a user and
    /// a password, and none are set.
    NoAcceptableMethod,
    /// The user or the password is wrong (RFC 1929 §2).
    CredentialsRefused,
    /// A reply does not begin with `0x05`: it is not SOCKS 5.
    WrongVersion(u8),
    /// The proxy chose an authentication method that was not offered.
    MethodNotOffered(u8),
    /// The reply to user and password does not begin with `0x01`.
    WrongAuthVersion(u8),
    /// The reply has an unknown address type, so its length is unknown.
    UnknownAddressType(u8),
}

impl Socks5Error {
    pub(super) fn of_code(code: u8) -> Self {
        match code {
            0x01 => Self::GeneralFailure,
            0x02 => Self::NotAllowed,
            0x03 => Self::NetworkUnreachable,
            0x04 => Self::HostUnreachable,
            0x05 => Self::ConnectionRefused,
            0x06 => Self::TtlExpired,
            0x07 => Self::CommandNotSupported,
            0x08 => Self::AddressTypeNotSupported,
            other => Self::Unassigned(other),
        }
    }
}

impl SocksRefusal for Socks5Error {
    fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::WrongVersion(_)
                | Self::MethodNotOffered(_)
                | Self::WrongAuthVersion(_)
                | Self::UnknownAddressType(_)
        )
    }

    fn is_about_the_address(&self) -> bool {
        matches!(
            self,
            Self::GeneralFailure
                | Self::NetworkUnreachable
                | Self::HostUnreachable
                | Self::ConnectionRefused
                | Self::TtlExpired
                | Self::AddressTypeNotSupported
        )
    }

    fn is_final(&self) -> bool {
        !self.is_about_the_address() || *self == Self::AddressTypeNotSupported
    }
}

impl fmt::Display for Socks5Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::GeneralFailure => "general failure (0x01)",
            Self::NotAllowed => "not allowed by the rules of the proxy (0x02)",
            Self::NetworkUnreachable => "network unreachable (0x03)",
            Self::HostUnreachable => "host unreachable (0x04)",
            Self::ConnectionRefused => "connection refused (0x05)",
            Self::TtlExpired => "TTL expired (0x06)",
            Self::CommandNotSupported => "command not supported (0x07)",
            Self::AddressTypeNotSupported => "address type not supported (0x08)",
            Self::NoAcceptableMethod => "the proxy accepts no method of authentication we offered",
            Self::CredentialsRefused => "the user or the password is wrong",
            Self::WrongVersion(b'H') => "the answer begins like one of HTTP",
            Self::Unassigned(code) => {
                return write!(f, "refused with the unassigned code 0x{code:02X}");
            }
            Self::WrongVersion(version) => {
                return write!(
                    f,
                    "an answer begins with 0x{version:02X}, and in SOCKS 5 with 0x05"
                );
            }
            Self::MethodNotOffered(USER_AND_PASSWORD) => {
                "the proxy chose authentication by user and password, which was not offered"
            }
            Self::MethodNotOffered(method) => {
                return write!(f, "the proxy chose method 0x{method:02X}, which was not offered");
            }
            Self::WrongAuthVersion(version) => {
                return write!(
                    f,
                    "the answer to the password begins with 0x{version:02X}, not 0x01"
                );
            }
            Self::UnknownAddressType(kind) => {
                return write!(f, "the reply has an address of the unknown type 0x{kind:02X}");
            }
        };
        f.write_str(text)
    }
}

impl StdError for Socks5Error {}
