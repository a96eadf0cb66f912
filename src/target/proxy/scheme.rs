//! The protocol of a proxy, by the scheme of its URL.

use std::str::FromStr;

use crate::error::Error;

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyScheme {
    /// HTTP in plain text.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 4: names are resolved here, to IPv4.
    Socks4,
    /// SOCKS 4a: names are resolved by the proxy.
    Socks4a,
    /// SOCKS 5: names are resolved here.
    Socks5,
    /// SOCKS 5: names are resolved by the proxy.
    Socks5h,
}

impl ProxyScheme {
    /// The scheme, as in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks4 => "socks4",
            Self::Socks4a => "socks4a",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    /// The port of a URL without one: 80, 443, and 1080 for SOCKS.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks4 | Self::Socks4a | Self::Socks5 | Self::Socks5h => 1080,
        }
    }

    /// Its name in errors.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Http => "HTTP without TLS",
            Self::Https => "HTTP over TLS",
            Self::Socks4 | Self::Socks4a => "SOCKS 4",
            Self::Socks5 | Self::Socks5h => "SOCKS 5",
        }
    }

    /// Whether it is HTTP, with or without TLS.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl FromStr for ProxyScheme {
    type Err = Error;

    fn from_str(scheme: &str) -> Result<Self, Error> {
        use ProxyScheme::{Http, Https, Socks4, Socks4a, Socks5, Socks5h};
        let all = [Http, Https, Socks4, Socks4a, Socks5, Socks5h];
        let named = |known: &Self| known.as_str().eq_ignore_ascii_case(scheme);
        all.into_iter().find(named).ok_or_else(|| {
            // The text before `://` may be part of a password.
            let is_a_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            let shown = if scheme.chars().all(is_a_scheme) { scheme } else { "***" };
            let all = "http, https, socks4, socks4a, socks5 or socks5h";
            Error::builder(format!("`{shown}` is not a scheme of proxies: {all}"))
        })
    }
}
