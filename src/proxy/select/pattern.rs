//! Host patterns, as in `NO_PROXY`.

use std::{net::IpAddr, str::FromStr};

use http::Uri;

use crate::{
    error::Error,
    target::{Origin, to_ascii},
};

/// One pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    All,
    Network(Network),
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    Name {
        /// In lower case, without dots at its ends.
        name: String,
        /// Whether it matches the name itself, or its subdomains only.
        itself: bool,
        port: Option<u16>,
    },
}

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

/// An origin as patterns compare it.
pub(super) struct PatternHost<'a> {
    host: &'a str,
    /// The host as an IP address; `None` for a name.
    address: Option<IpAddr>,
    port: u16,
}

/// The patterns of a list separated by commas, without empty ones.
pub(super) fn list(entries: &str) -> impl Iterator<Item = Result<HostPattern, Error>> {
    entries.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(HostPattern::from_str)
}

impl HostPattern {
    #[inline]
    pub(super) fn fits(&self, place: &PatternHost<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Network(network) => place.address.is_some_and(|address| network.holds(address)),
            Self::Address { address, port } => {
                place.address == Some(*address) && place.is_at(*port)
            }
            Self::Name { name, itself, port } => {
                place.is_below(name, *itself) && place.address.is_none() && place.is_at(*port)
            }
        }
    }

    fn parse(entry: &str) -> Result<Self, Error> {
        if entry == "*" {
            return Ok(Self::All);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            return Network::new(address, bits).map(Self::Network);
        }
        let (host, port) = split(entry)?;
        match host.parse::<IpAddr>() {
            Ok(address) => Ok(Self::Address { address: address.to_canonical(), port }),
            Err(_) => Self::name(host, port),
        }
    }

    fn name(host: &str, port: Option<u16>) -> Result<Self, Error> {
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let name = checked(below.unwrap_or(host))?;
        Ok(Self::Name { name, itself: below.is_none(), port })
    }
}

impl FromStr for HostPattern {
    type Err = Error;

    fn from_str(entry: &str) -> Result<Self, Error> {
        if entry.contains('@') {
            // The text may be a password.
            return Err(Error::builder("a host of a proxy rule holds a user or a password"));
        }
        Self::parse(entry).map_err(|cause| {
            Error::builder(format!("`{entry}` is not a host for a proxy rule")).because(cause)
        })
    }
}

impl Network {
    fn new(address: &str, bits: &str) -> Result<Self, Error> {
        let wrong = || Error::builder("a network is an address, a slash and a number of bits");
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = number(bits).filter(|bits| *bits <= width(address)).ok_or_else(wrong)?;
        // With a prefix of at least 96 bits, an IPv4-mapped IPv6 network is an IPv4 network.
        let canonical = address.to_canonical();
        let dropped = width(address) - width(canonical);
        Ok(match bits.checked_sub(dropped) {
            Some(bits) => Self { address: canonical, bits },
            None => Self { address, bits },
        })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let common = match (self.address, address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => {
                (one.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        common >= self.bits
    }
}

impl<'a> PatternHost<'a> {
    pub(super) fn of(origin: &'a Origin) -> Self {
        let host = origin.host();
        // Most hosts are names: skips parsing them as addresses.
        let may_be_address =
            origin.is_in_brackets() || host.starts_with(|c: char| c.is_ascii_digit());
        let address = may_be_address.then(|| address_of(host)).flatten();
        Self { host: host.strip_suffix('.').unwrap_or(host), address, port: origin.port() }
    }

    /// Whether it is a loopback address or `localhost`.
    pub(super) fn is_local(&self) -> bool {
        match self.address {
            Some(address) => address.is_loopback(),
            None => self.host.eq_ignore_ascii_case("localhost"),
        }
    }

    fn is_at(&self, port: Option<u16>) -> bool {
        port.is_none_or(|port| port == self.port)
    }

    #[inline]
    fn is_below(&self, name: &str, itself: bool) -> bool {
        let (host, name) = (self.host.as_bytes(), name.as_bytes());
        let Some(begin) = host.len().checked_sub(name.len()) else { return false };
        let whole = begin.checked_sub(1).map_or(itself, |before| host[before] == b'.');
        whole && host[begin..].eq_ignore_ascii_case(name)
    }
}

fn address_of(host: &str) -> Option<IpAddr> {
    // Only an IPv6 address has a zone. Ignore it: it could be called `.example.com` (CVE-2025-22870).
    let unzoned = host.split_once('%').map_or(host, |(address, _)| address);
    unzoned.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Splits host, without the brackets of IPv6, and port. An empty port means any, as in Go.
fn split(entry: &str) -> Result<(&str, Option<u16>), Error> {
    let (host, port) = match entry.strip_prefix('[') {
        Some(literal) => {
            let closed = literal.split_once(']');
            closed.ok_or_else(|| Error::builder("a bracket is not closed"))?
        }
        None => match entry.find(':') {
            Some(colon) if !entry[colon + 1..].contains(':') => entry.split_at(colon),
            _ => (entry, ""),
        },
    };
    match port {
        "" | ":" => Ok((host, None)),
        port => Ok((host, Some(port_of(port)?))),
    }
}

fn port_of(text: &str) -> Result<u16, Error> {
    let port = text.strip_prefix(':').and_then(number).and_then(|port| u16::try_from(port).ok());
    let port = port.filter(|port| *port > 0);
    port.ok_or_else(|| Error::builder("a port is a number from 1 to 65535"))
}

/// Normalizes a valid host name: lower case, ASCII, no trailing dot.
fn checked(name: &str) -> Result<String, Error> {
    let name = if name.is_ascii() { name.to_ascii_lowercase() } else { to_ascii(name)? };
    let uri = Uri::builder().scheme("http").authority(&*name).path_and_query("/").build();
    let uri = uri.map_err(|error| Error::builder("it is not a host name").because(error))?;
    Origin::try_from(&uri)?;
    match name.strip_suffix('.').unwrap_or(&name) {
        "" => Err(Error::builder("the name has only dots")),
        name => Ok(name.to_owned()),
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Requires digits alone: the parser of numbers also accepts a sign.
fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
