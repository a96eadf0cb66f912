//! What SOCKS 5 says and understands, as tables over every split of the answers.

use super::*;
use crate::proxy::socks::{
    SocksRefusal,
    tests::{Split, conversation, every_split},
};

const IPV4_REPLY: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38";
const IPV6_REPLY: &[u8] = b"\x05\x00\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x04\x38";
const NAME_REPLY: &[u8] = b"\x05\x00\x00\x03\x05proxy\x04\x38";

fn address(address: &str) -> Destination {
    Destination::Address(address.parse().unwrap())
}

fn name(name: &str) -> Destination {
    Destination::Name(name.to_owned(), 443)
}

fn anonymous() -> Socks5Handshake {
    Socks5Handshake::new(&name("example.com"), None).unwrap()
}

fn known() -> Socks5Handshake {
    let credentials = Credentials::new("user", "pass");
    Socks5Handshake::new(&name("example.com"), Some(&credentials)).unwrap()
}

/// How it ends over every split of all that the proxy says.
fn outcome_of(start: fn() -> Socks5Handshake, answers: &[&[u8]]) -> Split<Socks5Error> {
    every_split(start, &answers.concat())
}

fn refused(start: fn() -> Socks5Handshake, answers: &[&[u8]]) -> Socks5Error {
    match outcome_of(start, answers) {
        Split::Refused(error) => error,
        other => panic!("{answers:?} gives {other:?}"),
    }
}

#[test]
fn requests_name_the_destination_by_its_type() {
    let ipv6 = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
    let table: &[(Destination, &[u8])] = &[
        (address("192.0.2.7:80"), b"\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x50"),
        (address("[2001:db8::1]:443"), ipv6),
        (name("example.com"), b"\x05\x01\x00\x03\x0bexample.com\x01\xbb"),
        (name("a"), b"\x05\x01\x00\x03\x01a\x01\xbb"),
    ];
    for (destination, expected) in table {
        let said = conversation(
            Socks5Handshake::new(destination, None).unwrap(),
            &[b"\x05\x00", IPV4_REPLY].concat(),
        );
        assert_eq!(said, [b"\x05\x01\x00", *expected], "{destination:?}");
    }
}

#[test]
fn who_we_are_is_said_if_the_proxy_asks() {
    let (methods, credentials) = (b"\x05\x02\x02\x00", b"\x01\x04user\x04pass");
    let request = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb";
    let asked = [b"\x05\x02\x01\x00", IPV4_REPLY].concat();
    assert_eq!(conversation(known(), &asked), [&methods[..], credentials, request]);
    let unasked = [b"\x05\x00", IPV4_REPLY].concat();
    assert_eq!(conversation(known(), &unasked), [&methods[..], request]);
}

#[test]
fn what_cannot_be_said_is_refused_before_anything_is_said() {
    let long = "n".repeat(256);
    let new = |name: &str, user: &str, password: &str| {
        let (name, user) = (self::name(name), Credentials::new(user, password));
        Socks5Handshake::new(&name, Some(&user)).map(drop).map_err(|error| {
            assert!(error.is_builder(), "{error:?}");
            error.to_string()
        })
    };
    let too_long =
        |what| format!("the {what} is longer than the 255 bytes that SOCKS has room for");
    assert_eq!(new(&long, "u", "p"), Err(too_long("name of the host")));
    assert_eq!(new("a", &long, "p"), Err(too_long("user for the proxy")));
    assert_eq!(new("a", "u", &long), Err(too_long("password for the proxy")));
    let empty = "the user for the proxy is empty, which SOCKS 5 does not allow";
    assert_eq!(new("a", "", "p"), Err(empty.to_owned()));
    assert_eq!(new(&long[1..], &long[1..], &long[1..]), Ok(()));
    assert_eq!(new("a", "u", ""), Ok(()));
}

#[test]
fn a_reply_is_as_long_as_its_address_and_nothing_behind_it_is_read() {
    let longest = [&b"\x05\x00\x00\x03\xff"[..], &[b'n'; 255], &[4, 56]].concat();
    let empty = b"\x05\x00\x00\x03\x00\x04\x38";
    for reply in [IPV4_REPLY, IPV6_REPLY, NAME_REPLY, empty, &longest] {
        let length = 2 + reply.len();
        assert_eq!(outcome_of(anonymous, &[b"\x05\x00", reply]), Split::Done(length));
        let more = [b"\x05\x00", reply, b"HTTP/1.1 200"];
        assert_eq!(outcome_of(anonymous, &more), Split::Done(length));
        let with_password = [b"\x05\x02\x01\x00", reply, b"HTTP/1.1 200"];
        assert_eq!(outcome_of(known, &with_password), Split::Done(length + 2));
    }
}

#[test]
fn the_reserved_byte_and_the_address_of_a_success_are_not_looked_at() {
    let reply = b"\x05\x00\xff\x01\xff\x00\x00\x01\x00\x50";
    assert_eq!(outcome_of(anonymous, &[b"\x05\x00", reply]), Split::Done(12));
}

#[test]
fn an_answer_that_is_not_whole_is_waited_for() {
    for reply in [IPV4_REPLY, IPV6_REPLY, NAME_REPLY] {
        let answers = [b"\x05\x02\x01\x00", reply].concat();
        for length in 0..answers.len() {
            assert_eq!(outcome_of(known, &[&answers[..length]]), Split::Waiting(length));
        }
    }
}

#[test]
fn every_code_has_an_error_of_its_own() {
    use Socks5Error::*;
    let assigned = [
        GeneralFailure,
        NotAllowed,
        NetworkUnreachable,
        HostUnreachable,
        ConnectionRefused,
        TtlExpired,
        CommandNotSupported,
        AddressTypeNotSupported,
    ];
    for code in 1..=255 {
        let expected = assigned.get(usize::from(code) - 1).copied().unwrap_or(Unassigned(code));
        let whole = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        for length in [2, 3, 10] {
            assert_eq!(refused(anonymous, &[b"\x05\x00", &whole[..length]]), expected);
        }
    }
}

#[test]
fn a_method_that_was_not_offered_is_an_error() {
    for method in 1..255 {
        let expected = Socks5Error::MethodNotOffered(method);
        assert_eq!(refused(anonymous, &[&[5, method]]), expected);
        if method != USER_AND_PASSWORD {
            assert_eq!(refused(known, &[&[5, method]]), expected);
        }
    }
    for start in [anonymous, known] {
        assert_eq!(refused(start, &[b"\x05\xff"]), Socks5Error::NoAcceptableMethod);
    }
}

#[test]
fn any_status_but_zero_refuses_the_password() {
    for status in 1..=255 {
        let answers: [&[u8]; 2] = [b"\x05\x02", &[1, status]];
        assert_eq!(refused(known, &answers), Socks5Error::CredentialsRefused);
    }
}

#[test]
fn a_wrong_version_is_known_by_its_first_byte() {
    for version in (0..=255).filter(|version| *version != VERSION) {
        let expected = Socks5Error::WrongVersion(version);
        assert_eq!(refused(anonymous, &[&[version]]), expected);
        assert_eq!(refused(known, &[&[version, 0]]), expected);
        assert_eq!(refused(anonymous, &[b"\x05\x00", &[version]]), expected);
        assert_eq!(refused(known, &[b"\x05\x02\x01\x00", &[version, 0]]), expected);
    }
    for version in (0..=255).filter(|version| *version != AUTH_VERSION) {
        let expected = Socks5Error::WrongAuthVersion(version);
        assert_eq!(refused(known, &[b"\x05\x02", &[version]]), expected);
        assert_eq!(refused(known, &[b"\x05\x02", &[version, 0]]), expected);
    }
    assert!(refused(anonymous, &[b"HTTP/1.1 400"]).to_string().contains("HTTP"));
}

#[test]
fn an_address_whose_end_cannot_be_known_is_an_error() {
    for kind in (0..=255).filter(|kind| !matches!(*kind, IPV4 | NAME | IPV6)) {
        let expected = Socks5Error::UnknownAddressType(kind);
        assert_eq!(refused(anonymous, &[b"\x05\x00\x05\x00\x00", &[kind]]), expected);
        assert_eq!(refused(anonymous, &[b"\x05\x00\x05\x00\x00", &[kind, 0, 0]]), expected);
    }
}

#[test]
fn refusals_say_what_is_left_to_try() {
    use Socks5Error::*;
    let passing = [GeneralFailure, NetworkUnreachable, HostUnreachable, ConnectionRefused];
    for error in passing.into_iter().chain([TtlExpired]) {
        assert!(error.is_about_the_address() && !error.is_final() && !error.is_malformed());
    }
    let of_the_type = AddressTypeNotSupported;
    assert!(of_the_type.is_about_the_address() && of_the_type.is_final());
    let denied = [NotAllowed, CommandNotSupported, Unassigned(9), NoAcceptableMethod];
    for error in denied.into_iter().chain([CredentialsRefused]) {
        assert!(!error.is_about_the_address() && error.is_final() && !error.is_malformed());
    }
    let malformed = [WrongVersion(4), MethodNotOffered(1), WrongAuthVersion(5)];
    for error in malformed.into_iter().chain([UnknownAddressType(0)]) {
        assert!(!error.is_about_the_address() && error.is_final() && error.is_malformed());
    }
}

#[test]
fn the_text_of_a_refusal_says_what_the_proxy_said_and_its_code() {
    use Socks5Error::*;
    let table = [
        (GeneralFailure, "general failure (0x01)"),
        (NotAllowed, "not allowed by the rules of the proxy (0x02)"),
        (NetworkUnreachable, "network unreachable (0x03)"),
        (HostUnreachable, "host unreachable (0x04)"),
        (ConnectionRefused, "connection refused (0x05)"),
        (TtlExpired, "TTL expired (0x06)"),
        (CommandNotSupported, "command not supported (0x07)"),
        (AddressTypeNotSupported, "address type not supported (0x08)"),
        (Unassigned(0x0A), "refused with the unassigned code 0x0A"),
        (NoAcceptableMethod, "the proxy accepts no method of authentication we offered"),
        (CredentialsRefused, "the user or the password is wrong"),
        (WrongVersion(b'H'), "the answer begins like one of HTTP"),
        (WrongVersion(4), "an answer begins with 0x04, and in SOCKS 5 with 0x05"),
        (
            MethodNotOffered(USER_AND_PASSWORD),
            "the proxy chose authentication by user and password, which was not offered",
        ),
        (MethodNotOffered(0x0A), "the proxy chose method 0x0A, which was not offered"),
        (WrongAuthVersion(5), "the answer to the password begins with 0x05, not 0x01"),
        (UnknownAddressType(2), "the reply has an address of the unknown type 0x02"),
    ];
    for (error, text) in table {
        assert_eq!(error.to_string(), text);
    }
}
