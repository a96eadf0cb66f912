//! Validates authorities (RFC 3986 §3.2): accepts only those that all readers parse alike.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::uri::Authority;

use crate::error::Error;

/// The length of the host, and the port, of a valid authority.
pub(crate) fn checked(authority: &Authority) -> Result<(usize, Option<u16>), Error> {
    let text = authority.as_str();
    // Neither a host nor a port contains an `@`, so there is always an error to replace.
    parts(text).map_err(|error| match text.contains('@') {
        // The text may be a password.
        true => Error::builder("the URL holds a user or a password: send them in a header"),
        false => error,
    })
}

fn parts(text: &str) -> Result<(usize, Option<u16>), Error> {
    let (host, port) = split(text);
    check_host(host)?;
    let port = match port {
        // An empty port is none (RFC 3986 §6.2.3).
        None | Some("") => None,
        Some(port) => match number(port) {
            None | Some(0) => {
                return Err(Error::builder(format!("`{port}` is not a port: 1 to 65535")));
            }
            port => port,
        },
    };
    Ok((host.len(), port))
}

/// Splits the host, in brackets if written so, from the text after the colon.
fn split(authority: &str) -> (&str, Option<&str>) {
    let bytes = authority.as_bytes();
    let end_of_literal = match bytes.first() {
        Some(b'[') => bytes.iter().position(|byte| *byte == b']').unwrap_or(0),
        _ => 0,
    };
    match bytes[end_of_literal..].iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let colon = end_of_literal + colon;
            (&authority[..colon], Some(&authority[colon + 1..]))
        }
        None => (authority, None),
    }
}

/// Requires digits alone: the parser of numbers also accepts a sign.
fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn check_host(host: &str) -> Result<(), Error> {
    if host.is_empty() {
        return Err(Error::builder("the URL has no host"));
    }
    if let Some(literal) = host.strip_prefix('[') {
        return check_ipv6(literal.strip_suffix(']').unwrap_or(literal));
    }
    if !host.bytes().all(|byte| is_unreserved(char::from(byte))) {
        let c = host.chars().find(|c| !is_unreserved(*c)).unwrap_or_default();
        return Err(Error::builder(format!("the host `{host}` holds a {c:?}")));
    }
    if ends_in_a_number(host) && host.parse::<Ipv4Addr>().is_err() {
        let message = format!("`{host}` is not an IPv4 address: four decimal numbers up to 255");
        return Err(Error::builder(message));
    }
    Ok(())
}

/// A zone names a local interface; it is part of the key and of the connection, never of the request.
fn check_ipv6(literal: &str) -> Result<(), Error> {
    let (address, zone) = match literal.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (literal, None),
    };
    if address.parse::<Ipv6Addr>().is_err() {
        return Err(Error::builder(format!("`[{literal}]` is not an IPv6 address")));
    }
    if zone.is_some_and(|zone| zone.is_empty() || !zone.chars().all(is_unreserved)) {
        return Err(Error::builder(format!("`[{literal}]` has an invalid zone (RFC 6874)")));
    }
    Ok(())
}

/// RFC 3986 §2.3.
fn is_unreserved(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// Whether a system's resolver may read the host as an address: `inet_aton` reads `127.1`, `0x7f.1` and `2130706433`
/// as 127.0.0.1, so a check of the host could pass for another host than the connection's. No name ends so (WHATWG
/// URL, "ends in a number").
fn ends_in_a_number(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    if !host.ends_with(|c: char| c.is_ascii_hexdigit() || c == 'x' || c == 'X') {
        return false;
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(hex) => hex.chars().all(|c| c.is_ascii_hexdigit()),
        None => !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use crate::target::Origin;

    /// The origin of a URL as it is written in `Host`, or why there is none.
    fn authority(url: &str) -> Result<String, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url} is not a URI: {error}"))?;
        let origin = Origin::try_from(&uri).map_err(|error| {
            assert!(error.is_builder() && !error.was_sent(), "{error:?}");
            error.to_string()
        })?;
        Ok(origin.authority().into_owned())
    }

    #[test]
    fn hosts_and_ports_that_can_be_asked() {
        let table = [
            ("http://example.com", "example.com"),
            ("http://example.com:80/", "example.com"),
            ("http://example.com:443/", "example.com:443"),
            ("http://example.com:", "example.com"),
            ("https://example.com:/", "example.com"),
            ("http://[::1]:/", "[::1]"),
            ("ws://127.0.0.1:?query", "127.0.0.1"),
            ("https://EXAMPLE.com:443/", "EXAMPLE.com"),
            ("https://example.com:65535/", "example.com:65535"),
            ("http://a_b.~c-d.example./", "a_b.~c-d.example."),
            ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
            ("http://1.example/", "1.example"),
            ("http://127.0.0.1.example/", "127.0.0.1.example"),
            ("http://1e3/", "1e3"),
            ("http://0xg/", "0xg"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://255.255.255.255/", "255.255.255.255"),
            ("http://[::1]/", "[::1]"),
            ("http://[::1]:8080/", "[::1]:8080"),
            ("http://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]"),
            ("http://[fe80::1%25eth0]/", "[fe80::1%25eth0]"),
            ("http://[fe80::1%25en-0_1.2~3]:81/", "[fe80::1%25en-0_1.2~3]:81"),
        ];
        for (url, expected) in table {
            assert_eq!(authority(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn numbers_that_only_some_take_for_an_address_are_refused() {
        let table = [
            "2130706433",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "0x7f000001",
            "0X7F000001",
            "0x",
            "127.0x1",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.256",
            "127.0.0.0.1",
            "127.0.0.1.",
            "127.1.",
            "127.0.0.0x1",
            "1",
            "0",
            "example.1",
            "example.0x1f.",
            "00000000127.0.0.1",
        ];
        for host in table {
            let error = authority(&format!("http://{host}/")).unwrap_err();
            assert!(error.starts_with(&format!("`{host}` is not an IPv4 address")), "{error}");
        }
    }

    #[test]
    fn ports_that_there_are_not_are_refused() {
        assert_eq!(authority("http://a:0/").unwrap_err(), "`0` is not a port: 1 to 65535");
        assert_eq!(authority("http://a:65536/").unwrap_err(), "`65536` is not a port: 1 to 65535");
        assert_eq!(authority("http://a:x/").unwrap_err(), "`x` is not a port: 1 to 65535");
        assert_eq!(authority("http://a:+80/").unwrap_err(), "`+80` is not a port: 1 to 65535");
    }

    #[test]
    fn a_user_is_refused_and_not_repeated() {
        for user in ["secret", "us:secret", "us:", "", ":", "a%40b"] {
            let error = authority(&format!("http://{user}@example.com/")).unwrap_err();
            assert_eq!(error, "the URL holds a user or a password: send them in a header");
        }
    }

    #[test]
    fn characters_that_no_host_has_are_refused() {
        let hosts = ["a!b", "a,b", "a$b", "a'b", "(a)", "a;b", "a=b", "a&b", "a*b", "a+b"];
        for host in hosts {
            let error = authority(&format!("http://{host}/")).unwrap_err();
            assert!(error.starts_with(&format!("the host `{host}` holds a ")), "{error}");
        }
    }

    #[test]
    fn a_host_that_is_not_plain_ascii_is_no_host() {
        for host in
            ["ex%61mple.com", "a%2fb", "a%00b", "b\u{fc}cher.example", "a b", "a\\b", "a\"b"]
        {
            assert!(authority(&format!("http://{host}/")).is_err(), "{host}");
        }
    }

    #[test]
    fn brackets_hold_an_ipv6_address_and_perhaps_a_zone() {
        for literal in ["[]", "[127.0.0.1]", "[::1%eth0]", "[:::1]", "[v1.a]", "[%25eth0]"] {
            let error = authority(&format!("http://{literal}/")).unwrap_err();
            assert!(error.contains("is not a"), "{literal}: {error}");
        }
        for literal in [
            "[fe80::1%25]",
            "[fe80::1%25a%25b]",
            "[fe80::1%25a%20b]",
            "[fe80::1%25a:b]",
            "[fe80::1%25a!b]",
        ] {
            let error = authority(&format!("http://{literal}/")).unwrap_err();
            assert!(error.contains("has an invalid zone"), "{literal}: {error}");
        }
    }
}
