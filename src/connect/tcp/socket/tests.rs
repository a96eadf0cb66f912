use std::net::SocketAddr;

use super::address_to_bind;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_link_local_address_is_bound_in_the_zone_of_the_peer() {
    // The local address, the peer → what is bound
    let table = [
        ("fe80::2", "[fe80::1%3]:80", "[fe80::2%3]:0"),
        ("fe80::2", "[2001:db8::1]:80", "[fe80::2]:0"),
        ("2001:db8::2", "[fe80::1%3]:80", "[2001:db8::2]:0"),
        ("2001:db8::2", "[2001:db8::1]:80", "[2001:db8::2]:0"),
        ("192.0.2.2", "192.0.2.1:80", "192.0.2.2:0"),
    ];
    for (local, peer, bound) in table {
        let from = address_to_bind(local.parse().unwrap(), address(peer));
        assert_eq!(from, address(bound), "{local} to {peer}");
    }
}

/// The link-local addresses of this machine, with their zones.
#[cfg(all(target_os = "linux", feature = "tokio"))]
fn link_local_addresses() -> Vec<SocketAddr> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let bits = u128::from_str_radix(fields.next()?, 16).ok()?;
        let zone = u32::from_str_radix(fields.next()?, 16).ok()?;
        let ip = std::net::Ipv6Addr::from(bits);
        ip.is_unicast_link_local().then(|| std::net::SocketAddrV6::new(ip, 0, 0, zone).into())
    };
    table.lines().filter_map(parse).collect()
}

/// On machines without such addresses, only the table above is tested.
#[cfg(all(target_os = "linux", feature = "tokio"))]
#[tokio::test]
async fn a_connection_may_come_from_a_link_local_address() {
    for own in link_local_addresses() {
        let listener = std::net::TcpListener::bind(own).unwrap();
        let peer = listener.local_addr().unwrap();
        let options = super::SocketOptions::default();
        let connected =
            options.connect(crate::rt::Reactor::Tokio, Some(own.ip()), peer).await.unwrap();
        assert_eq!(connected.local.unwrap().ip(), own.ip());
        assert_eq!(connected.peer, Some(peer));
    }
}
