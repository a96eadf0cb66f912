//! Through a SOCKS 4 proxy: what is said to it, what it may say, and whose the bytes are.

use std::{error::Error as _, io, net::SocketAddr, sync::Arc};

use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tower_transport::{
    Error,
    auth::Credentials,
    connect::{Resolve, StaticResolver},
    proxy::{Proxy, Socks4Error, Socks4Layer},
    tls::TlsConfig,
};

use crate::support::{
    scripted::{
        ScriptedPeer,
        Step::{self, Close, Read, SayForever, SaySlowly},
        send,
    },
    socks_proxy::{Outcome, PEER, connect, is_dropped_at_every_poll, proxy, texts},
    targets::{io_kind, ips, never_asked, target},
};

const REQUEST: &[u8] = b"\x04\x01\x01\xbb\0\0\0\x01\0example.com\0";
const GRANTED: &[u8] = b"\x00\x5a\x04\x38\x7f\x00\x00\x01";
const URL: &str = "https://example.com/";

/// Hears a request of this length and answers it.
fn answers(request: usize, answer: &[u8]) -> Vec<Step> {
    vec![Read(request), send(answer.to_vec())]
}

/// Answers a request to an address without a user.
fn for_address(code: u8) -> Vec<Step> {
    answers(9, &[&[0, code], &GRANTED[2..]].concat())
}

/// A layer that resolves nothing.
fn remote(url: &str) -> Socks4Layer<impl Resolve + Clone + Send + 'static> {
    Socks4Layer::new(proxy(url)).resolver(never_asked())
}

/// A layer that knows these addresses of `example.com`.
fn local<const N: usize>(addresses: [&str; N]) -> Socks4Layer<StaticResolver> {
    let resolver = StaticResolver::new().address("example.com", ips(addresses));
    Socks4Layer::new(proxy("socks4://proxy.example")).resolver(resolver)
}

/// Through a proxy that resolves, and plays this once.
async fn asked(script: Vec<Step>) -> (Outcome, Arc<ScriptedPeer>) {
    connect(remote("socks4a://proxy.example"), vec![script], URL).await
}

/// The same, if it refuses; and that it sees us go.
async fn refused(script: Vec<Step>) -> Error {
    let (outcome, proxy) = asked(script).await;
    let error = outcome.unwrap_err();
    let text = "asking the proxy socks4a://proxy.example:1080 for a connection to example.com:443";
    assert_eq!(error.to_string(), text);
    assert!(error.is_proxy() && !error.was_sent() && !error.is_builder(), "{error:?}");
    proxy.received().await;
    error
}

fn cause(error: &Error) -> Socks4Error {
    *error.source().unwrap().downcast_ref().unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn a_host_is_said_as_what_it_is() {
    let address = b"\x04\x01\x1f\x90\xc0\x00\x02\x07";
    let table: &[(&str, &str, &[u8])] = &[
        ("socks4a://proxy.example", URL, REQUEST),
        ("socks4a://me@proxy.example", URL, b"\x04\x01\x01\xbb\0\0\0\x01me\0example.com\0"),
        ("socks4a://proxy.example", "http://192.0.2.7:8080/", &[&address[..], b"\0"].concat()),
        ("socks4://proxy.example", "http://192.0.2.7:8080/", &[&address[..], b"\0"].concat()),
        ("socks4://me@proxy.example", "http://192.0.2.7:8080/", &[&address[..], b"me\0"].concat()),
    ];
    for (proxy, url, expected) in table {
        let script = answers(expected.len(), GRANTED);
        let (outcome, proxy) = connect(remote(proxy), vec![script], url).await;
        drop(outcome.unwrap());
        assert_eq!(proxy.received().await, [*expected], "{url}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_here_for_the_scheme_socks4() {
    let (outcome, proxy) = connect(local(["192.0.2.7"]), vec![for_address(0x5A)], URL).await;
    drop(outcome.unwrap());
    assert_eq!(proxy.received().await, [b"\x04\x01\x01\xbb\xc0\x00\x02\x07\0"]);
}

#[tokio::test]
async fn the_connector_is_asked_for_the_proxy_and_its_info_is_handed_on() {
    let (outcome, through) = asked(answers(REQUEST.len(), GRANTED)).await;
    let info = outcome.unwrap().info;
    assert_eq!(info.proxies(), [proxy("socks4a://proxy.example")]);
    assert!(info.forwarder().is_none() && info.recheck().is_some());
    assert_eq!(info.peer_addr(), Some(SocketAddr::from(PEER)));
    assert_eq!(through.targets(), [target("http://proxy.example:1080/")]);
}

#[tokio::test]
async fn every_code_is_an_error_of_its_own() {
    use Socks4Error::*;
    for (code, expected) in
        [(0x5B, Rejected), (0x5C, NoIdent), (0x5D, WrongIdent), (0x5E, Unassigned(0x5E))]
    {
        let answer = [&[0, code], &GRANTED[2..]].concat();
        let error = refused(answers(REQUEST.len(), &answer)).await;
        assert_eq!(cause(&error), expected);
        assert!(error.is_connect() && !error.is_protocol() && !error.is_io(), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_socks_4_is_an_error_of_the_protocol() {
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let table: &[(Vec<Step>, u8)] = &[
        (vec![send(http.to_vec())], b'H'),
        (vec![SayForever(http.to_vec())], b'H'),
        (vec![send(b"\x05\xff")], 5),
        (vec![send(b"\x04\x5a\0\0\0\0\0\0")], 4),
    ];
    for (script, version) in table {
        let error = refused(script.clone()).await;
        assert_eq!(cause(&error), Socks4Error::WrongVersion(*version));
        assert!(error.is_protocol() && error.is_proxy(), "{error:?}");
    }
}

#[tokio::test]
async fn what_comes_with_the_answer_belongs_to_the_tunnel() {
    let says: [fn(Vec<u8>) -> Step; 2] = [send, SaySlowly];
    for say in says {
        let answer = [GRANTED, b"220 hello"].concat();
        let (outcome, _proxy) = asked(vec![Read(REQUEST.len()), say(answer), Close]).await;
        let mut said = String::new();
        TokioIo::new(outcome.unwrap().io).read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "220 hello");
    }
}

#[tokio::test]
async fn a_proxy_that_hangs_up_in_the_middle_is_an_error_wherever_it_does() {
    for length in 0..GRANTED.len() {
        let script = [answers(REQUEST.len(), &GRANTED[..length]), vec![Close]].concat();
        let error = refused(script).await;
        assert_eq!(io_kind(&error), Some(io::ErrorKind::UnexpectedEof), "after {length} bytes");
        assert!(error.is_connect() && error.is_io() && !error.is_protocol(), "{error:?}");
    }
}

#[tokio::test]
async fn the_future_dropped_at_any_await_point_closes_the_connection() {
    let script = vec![Read(REQUEST.len()), SaySlowly(GRANTED.to_vec())];
    is_dropped_at_every_poll(remote("socks4a://proxy.example"), vec![script], URL).await;

    let rejected = [b"\x00\x5b", &GRANTED[2..]].concat();
    let scripts = [rejected, GRANTED.to_vec()].map(|answer| vec![Read(9), SaySlowly(answer)]);
    is_dropped_at_every_poll(local(["192.0.2.1", "192.0.2.2"]), scripts.into(), URL).await;
}

#[tokio::test]
async fn ipv4_addresses_are_tried_in_order_each_over_a_connection_of_its_own() {
    let scripts = vec![for_address(0x5B), for_address(0x5A)];
    let layer = local(["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]);
    let (outcome, proxy) = connect(layer, scripts, URL).await;
    assert_eq!(outcome.unwrap().info.proxies().len(), 1);
    let heard = proxy.received().await;
    let ends: Vec<_> = heard.iter().map(|heard| heard[7]).collect();
    assert_eq!(ends, [1, 2]);
}

#[tokio::test]
async fn no_other_address_is_tried_if_the_address_is_not_the_matter() {
    for code in [0x5C, 0x5D, 0x5E, 0] {
        let scripts = vec![for_address(code), for_address(0x5A)];
        let (outcome, proxy) = connect(local(["192.0.2.1", "192.0.2.2"]), scripts, URL).await;
        assert!(outcome.unwrap_err().is_proxy());
        assert_eq!(proxy.received().await.len(), 1, "after code {code}");
    }
}

#[tokio::test]
async fn a_name_without_an_ipv4_address_is_no_error_of_the_proxy() {
    let (outcome, proxy) = connect(local(["2001:db8::1"]), vec![for_address(0x5A)], URL).await;
    let error = outcome.unwrap_err();
    assert!(error.is_connect() && !error.is_proxy() && !error.is_builder(), "{error:?}");
    assert!(texts(&error).contains("no IPv4 address"), "{error:?}");
    assert!(proxy.targets().is_empty());
}

#[tokio::test]
async fn what_cannot_be_asked_is_an_error_before_anything_is_connected() {
    let long = "n".repeat(256);
    let with = |user: &str, password: &str| {
        proxy("socks4a://proxy.example").credentials(Credentials::new(user, password))
    };
    let plain = || proxy("socks4a://proxy.example");
    let table = [
        (plain(), format!("http://{long}/"), "name of the host is longer than the 255 bytes"),
        (plain(), "http://[2001:db8::1]/".into(), "SOCKS 4 does not support IPv6 addresses"),
        (plain(), "http://[fe80::1%25eth0]/".into(), "`[fe80::1%25eth0]` has a zone"),
        (with(&long, ""), URL.into(), "user for the proxy is longer than the 255 bytes"),
        (with("us\0er", ""), URL.into(), "user for the proxy holds a NUL"),
        (with("user", "hunter2"), URL.into(), "no place for the password of the proxy"),
        (
            proxy("socks5://p.example"),
            URL.into(),
            "the proxy socks5://p.example:1080 does not use SOCKS 4",
        ),
        (
            plain().tls(TlsConfig::default()),
            URL.into(),
            "SOCKS 4 has no place for `tls` of the proxy",
        ),
    ];
    for (proxy, url, expected) in table {
        assert_not_asked(proxy, &url, expected).await;
    }
}

async fn assert_not_asked(proxy: Proxy, url: &str, expected: &str) {
    let layer = Socks4Layer::new(proxy).resolver(never_asked());
    let (outcome, through) = connect(layer, vec![answers(REQUEST.len(), GRANTED)], url).await;
    let error = outcome.unwrap_err();
    assert!(error.is_builder() && error.to_string().contains(expected), "{error:?}");
    assert!(!texts(&error).contains("hunter2"), "{error:?}");
    assert!(through.targets().is_empty(), "{expected}");
}
