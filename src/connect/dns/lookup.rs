//! Resolves the host of a URI: a literal is its own address, a name goes to the resolver.

use std::{
    future::poll_fn,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs},
};

use super::{Name, Resolve, failed};
use crate::{
    error::{Error, Kind},
    events::{self, Step},
};

/// The addresses of a host, in order of preference, at least one. Only names go to the resolver.
///
/// Dropping the future drops the resolver's.
pub(crate) async fn addresses<R: Resolve>(
    mut resolver: R,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Error> {
    if let Some(literal) = literal(host, port) {
        return Ok(vec![literal?]);
    }
    let name = Name::new(host);
    let fail = |error| failed(&name, error);
    poll_fn(|cx| resolver.poll_ready(cx)).await.map_err(|error| fail(error.into()))?;
    let span = events::start(|| Step::Dns { host: name.to_string(), addresses: 0 });
    let answer = resolver.call(name.clone()).await.map_err(|error| fail(error.into()));
    let addresses = answer.and_then(|answer| {
        let addresses = answer.into_iter().map(|address| with_port(address, port));
        let addresses: Vec<_> = addresses.collect();
        if addresses.is_empty() {
            return Err(fail("the name has no address".into()));
        }
        Ok(addresses)
    });
    span.finish(&addresses, |step, found| {
        *step = Step::Dns { host: name.to_string(), addresses: found.len() };
    });
    addresses
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// The address, if the host is a literal: IPv4, IPv6, or IPv6 with a zone (RFC 6874).
pub(crate) fn literal(host: &str, port: u16) -> Option<Result<SocketAddr, Error>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Ok(SocketAddr::new(address, port)));
    }
    let (address, zone) = host.split_once("%25")?;
    let address = address.parse().ok()?;
    Some(scope_id(address, zone).map(|id| SocketAddrV6::new(address, port, 0, id).into()))
}

/// The index of a zone's interface.
///
/// The system's address parser knows the interfaces. It does not block, because it asks no name server.
fn scope_id(address: Ipv6Addr, zone: &str) -> Result<u32, Error> {
    if let Ok(id) = zone.parse() {
        return Ok(id);
    }
    let parsed = (format!("{address}%{zone}"), 0).to_socket_addrs();
    let mut scopes = parsed.into_iter().flatten().filter_map(|address| match address {
        SocketAddr::V6(address) => Some(address.scope_id()).filter(|&id| id != 0),
        SocketAddr::V4(_) => None,
    });
    scopes.next().ok_or_else(|| no_interface(address, zone))
}

fn no_interface(address: Ipv6Addr, zone: &str) -> Error {
    let doing = format!("connecting to {address} through the interface `{zone}`");
    Error::new(Kind::Connect, doing).because("no interface of that name has such an address")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str) -> Option<String> {
        literal(host, 443).map(|address| address.map_or_else(|e| e.to_string(), |a| a.to_string()))
    }

    #[test]
    fn literals_are_their_own_addresses() {
        let table = [
            ("127.0.0.1", Some("127.0.0.1:443")),
            ("::1", Some("[::1]:443")),
            ("fe80::1%257", Some("[fe80::1%7]:443")),
            ("fe80::1%25no-such0", Some("connecting to fe80::1 through the interface `no-such0`")),
            ("fe80::1%25", Some("connecting to fe80::1 through the interface ``")),
            ("example.com", None),
            ("127.0.0.1.example.com", None),
            ("example.com%25lo", None),
        ];
        for (host, expected) in table {
            assert_eq!(address(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_zone_may_be_the_name_of_an_interface() {
        assert_eq!(address("fe80::1%25lo").as_deref(), Some("[fe80::1%1]:443"));
    }
}
