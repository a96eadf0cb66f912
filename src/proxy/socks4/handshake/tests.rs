//! What SOCKS 4 says and understands, as tables over every split of the answer.

use super::*;
use crate::proxy::socks::tests::{Split, every_split};

fn address(address: &str) -> Destination {
    Destination::Address(address.parse().unwrap())
}

fn name(name: &str) -> Destination {
    Destination::Name(name.to_owned(), 443)
}

fn asked(destination: &Destination, user: Option<&str>) -> Result<Vec<u8>, String> {
    let credentials = user.map(|user| Credentials::new(user, ""));
    let handshake = Socks4Handshake::new(destination, credentials.as_ref());
    match handshake.map_err(|error| error.to_string())?.step() {
        HandshakeStep::Write(request) => Ok(request),
        other => panic!("{other:?} before anything was said"),
    }
}

/// How it ends over every split of this answer.
fn outcome_of(answer: &[u8]) -> Split<Socks4Error> {
    every_split(|| Socks4Handshake::new(&name("example.com"), None).unwrap(), answer)
}

#[test]
fn requests_are_a_port_an_address_a_user_and_perhaps_a_name() {
    let table: &[(Destination, Option<&str>, &[u8])] = &[
        (address("192.0.2.7:80"), None, b"\x04\x01\x00\x50\xc0\x00\x02\x07\x00"),
        (address("192.0.2.7:443"), Some("me"), b"\x04\x01\x01\xbb\xc0\x00\x02\x07me\0"),
        (address("1.0.0.1:1"), Some(""), b"\x04\x01\x00\x01\x01\x00\x00\x01\0"),
        (name("example.com"), None, b"\x04\x01\x01\xbb\x00\x00\x00\x01\0example.com\0"),
        (name("a"), Some("me"), b"\x04\x01\x01\xbb\x00\x00\x00\x01me\0a\0"),
    ];
    for (destination, user, expected) in table {
        assert_eq!(asked(destination, *user).as_deref(), Ok(*expected), "{destination:?}");
    }
}

#[test]
fn what_cannot_be_said_is_refused_before_anything_is_said() {
    let long = "n".repeat(256);
    let table = [
        (
            address("[2001:db8::1]:443"),
            None,
            "SOCKS 4 does not support IPv6 addresses such as 2001:db8::1",
        ),
        (name("a\0b"), None, "the name of the host holds a NUL, which would end it"),
        (
            name(&long),
            None,
            "the name of the host is longer than the 255 bytes that SOCKS has room for",
        ),
        (name("a"), Some("se\0cret"), "the user for the proxy holds a NUL, which would end it"),
        (
            name("a"),
            Some(&*long),
            "the user for the proxy is longer than the 255 bytes that SOCKS has room for",
        ),
    ];
    for (destination, user, expected) in table {
        assert_eq!(asked(&destination, user).unwrap_err(), expected);
    }
    assert!(asked(&name(&long[1..]), Some(&long[1..])).is_ok());
}

#[test]
fn an_address_that_says_that_a_name_follows_is_refused() {
    let asked = |address: [u8; 4]| {
        Socks4Handshake::new(&Destination::Address((address, 80).into()), None).err()
    };
    for address in [[0, 0, 0, 1], [0, 0, 0, 255]] {
        let error = asked(address).unwrap();
        assert!(error.is_builder() && error.to_string().contains("to announce a name"), "{error}");
    }
    for address in [[0, 0, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]] {
        assert!(asked(address).is_none());
    }
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    let secret = Credentials::new("me", "hunter2");
    let error = Socks4Handshake::new(&name("a"), Some(&secret)).err().unwrap();
    assert!(error.is_builder());
    assert_eq!(error.to_string(), "SOCKS 4 has no place for the password of the proxy");
}

#[test]
fn a_grant_is_eight_bytes_and_nothing_behind_them_is_read() {
    let granted = b"\x00\x5a\x12\x34\xc0\x00\x02\x07HTTP/1.1 200";
    assert_eq!(outcome_of(granted), Split::Done(8));
    for length in 0..8 {
        assert_eq!(outcome_of(&granted[..length]), Split::Waiting(length));
    }
}

#[test]
fn every_code_has_an_error_of_its_own() {
    for code in (0..=255).filter(|code| *code != GRANTED) {
        let expected = match code {
            0x5B => Socks4Error::Rejected,
            0x5C => Socks4Error::NoIdent,
            0x5D => Socks4Error::WrongIdent,
            other => Socks4Error::Unassigned(other),
        };
        assert_eq!(outcome_of(&[0, code]), Split::Refused(expected));
        assert_eq!(outcome_of(&[0, code, 0, 0, 0, 0, 0, 0]), Split::Refused(expected));
    }
}

#[test]
fn an_answer_of_another_protocol_is_known_by_its_first_byte() {
    for version in 1..=255 {
        let refused = Split::Refused(Socks4Error::WrongVersion(version));
        assert_eq!(outcome_of(&[version]), refused);
        assert_eq!(outcome_of(&[version, GRANTED, 0, 0, 0, 0, 0, 0]), refused);
    }
    let error = Socks4Error::WrongVersion(b'H');
    assert!(error.is_malformed() && error.is_final() && error.to_string().contains("HTTP"));
}

#[test]
fn only_a_rejection_speaks_of_the_address() {
    let others = [Socks4Error::NoIdent, Socks4Error::WrongIdent, Socks4Error::Unassigned(0)];
    for error in others {
        assert!(error.is_final() && !error.is_about_the_address() && !error.is_malformed());
    }
    let rejected = Socks4Error::Rejected;
    assert!(!rejected.is_final() && rejected.is_about_the_address() && !rejected.is_malformed());
}

#[test]
fn the_text_of_a_refusal_says_what_the_proxy_said_and_its_code() {
    let table = [
        (Socks4Error::Rejected, "rejected or failed (0x5B)"),
        (Socks4Error::NoIdent, "the proxy cannot ask an identd here who we are (0x5C)"),
        (Socks4Error::WrongIdent, "the identd here says that we are another user (0x5D)"),
        (Socks4Error::Unassigned(0x0A), "refused with the unassigned code 0x0A"),
        (Socks4Error::WrongVersion(b'H'), "the answer begins like one of HTTP"),
        (Socks4Error::WrongVersion(5), "the answer begins with 0x05, and in SOCKS 4 with 0x00"),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
    }
}
