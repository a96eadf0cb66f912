//! Through a SOCKS 5 proxy: what is said to it, what it may say, and whose the bytes are.

use std::{convert::Infallible, error::Error as _, io, net::SocketAddr, sync::Arc};

use futures_util::FutureExt;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, sync::Semaphore};
use tower::{Layer, ServiceExt, service_fn};
use tower_transport::{
    Error,
    auth::{Authorizing, Credentials},
    connect::{Name, Resolve, StaticResolver},
    options::{Protocols, ServerName},
    proxy::{Proxy, Socks5Error, Socks5Layer},
};

use crate::support::{
    scripted::{
        ScriptedPeer,
        Step::{self, Close, Read, SayForever, SaySlowly},
        send,
    },
    socks_proxy::{Outcome, PEER, connect, is_dropped_at_every_poll, proxy, start, texts},
    targets::{io_kind, ips, never_asked, target},
};

const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0bexample.com\x01\xbb";
const REPLY: &[u8] = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38";
const URL: &str = "https://example.com/";

/// Lets us in without a password, and answers a request of this length.
fn open(request: usize, reply: &[u8]) -> Vec<Step> {
    vec![Read(3), send(b"\x05\x00"), Read(request), send(reply.to_vec())]
}

/// Lets us in without a password, and answers a request for `example.com`.
fn answers(reply: &[u8]) -> Vec<Step> {
    open(REQUEST.len(), reply)
}

/// Asks for a password, and answers it and then a request for `example.com`.
fn asks(credentials: usize, verdict: &[u8]) -> Vec<Step> {
    let hears = [Read(4), send(b"\x05\x02"), Read(credentials), send(verdict.to_vec())];
    hears.into_iter().chain([Read(REQUEST.len()), send(REPLY.to_vec())]).collect()
}

/// A layer that resolves nothing.
fn remote(url: &str) -> Socks5Layer<impl Resolve + Clone + Send + 'static> {
    Socks5Layer::new(proxy(url)).resolver(never_asked())
}

/// A layer that knows these addresses of `example.com`.
fn local<const N: usize>(addresses: [&str; N]) -> Socks5Layer<StaticResolver> {
    let resolver = StaticResolver::new().address("example.com", ips(addresses));
    Socks5Layer::new(proxy("socks5://proxy.example")).resolver(resolver)
}

/// Through a proxy that resolves, and plays this once.
async fn asked(script: Vec<Step>) -> (Outcome, Arc<ScriptedPeer>) {
    connect(remote("socks5h://proxy.example"), vec![script], URL).await
}

/// The same, if it refuses; and that it sees us go.
async fn refused(script: Vec<Step>) -> Error {
    let (outcome, proxy) = asked(script).await;
    let error = outcome.unwrap_err();
    let text = "asking the proxy socks5h://proxy.example:1080 for a connection to example.com:443";
    assert_eq!(error.to_string(), text);
    assert!(error.is_proxy() && !error.was_sent() && !error.is_builder(), "{error:?}");
    proxy.received().await;
    error
}

fn cause(error: &Error) -> Socks5Error {
    *error.source().unwrap().downcast_ref().unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn a_host_is_said_as_what_it_is() {
    let ipv6 = b"\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb";
    let table: &[(&str, &str, &[u8])] = &[
        ("socks5h", URL, REQUEST),
        ("socks5h", "http://Example.com./", b"\x05\x01\x00\x03\x0cExample.com.\x00\x50"),
        ("socks5h", "http://192.0.2.7:8080/", b"\x05\x01\x00\x01\xc0\x00\x02\x07\x1f\x90"),
        ("socks5h", "https://[2001:db8::1]/", ipv6),
        ("socks5", "http://192.0.2.7:8080/", b"\x05\x01\x00\x01\xc0\x00\x02\x07\x1f\x90"),
        ("socks5", "https://[2001:db8::1]/", ipv6),
    ];
    for (scheme, url, expected) in table {
        let layer = remote(&format!("{scheme}://proxy.example"));
        let (outcome, proxy) = connect(layer, vec![open(expected.len(), REPLY)], url).await;
        drop(outcome.unwrap());
        assert_eq!(proxy.received().await, [[b"\x05\x01\x00", *expected].concat()], "{url}");
    }
}

#[tokio::test]
async fn a_name_is_resolved_here_for_the_scheme_socks5() {
    let ipv4 = b"\x05\x01\x00\x01\xc0\x00\x02\x07\x01\xbb";
    let (outcome, proxy) = connect(local(["192.0.2.7"]), vec![open(10, REPLY)], URL).await;
    drop(outcome.unwrap());
    assert_eq!(proxy.received().await, [[&b"\x05\x01\x00"[..], ipv4].concat()]);
}

#[tokio::test]
async fn the_connector_is_asked_for_the_proxy_and_its_info_is_handed_on() {
    let (outcome, through) = asked(answers(REPLY)).await;
    let info = outcome.unwrap().info;
    assert_eq!(info.proxies(), [proxy("socks5h://proxy.example")]);
    assert!(info.forwarder().is_none() && info.recheck().is_some());
    assert_eq!(info.peer_addr(), Some(SocketAddr::from(PEER)));
    assert_eq!(through.targets(), [target("http://proxy.example:1080/")]);
}

#[tokio::test]
async fn who_we_are_is_said_to_a_proxy_that_asks() {
    let layer = remote("socks5h://user:p%40ss@proxy.example");
    let (outcome, proxy) = connect(layer.clone(), vec![asks(11, b"\x01\x00")], URL).await;
    drop(outcome.unwrap());
    let said = [b"\x05\x02\x02\x00", &b"\x01\x04user\x04p@ss"[..], REQUEST].concat();
    assert_eq!(proxy.received().await, [said]);

    let mut unasked = answers(REPLY);
    unasked[0] = Read(4);
    let (outcome, proxy) = connect(layer, vec![unasked], URL).await;
    drop(outcome.unwrap());
    assert_eq!(proxy.received().await, [[b"\x05\x02\x02\x00", REQUEST].concat()]);
}

#[tokio::test]
async fn a_password_that_is_refused_is_shown_to_nobody() {
    let layer = Socks5Layer::new(proxy("socks5h://user:hunter2@proxy.example"));
    assert!(!format!("{layer:?}").contains("hunter2"));
    let (outcome, proxy) = connect(layer, vec![asks(14, b"\x01\x01")], URL).await;
    let error = outcome.unwrap_err();
    assert_eq!(cause(&error), Socks5Error::CredentialsRefused);
    assert!(error.is_proxy() && error.is_connect() && !error.is_protocol());
    let texts = texts(&error);
    assert!(texts.contains("socks5h://***@proxy.example:1080"), "{texts}");
    assert!(!texts.contains("user:") && !texts.contains("hunter2"), "{texts}");
    proxy.received().await;
}

#[tokio::test]
async fn a_proxy_that_accepts_none_of_the_methods_is_an_error() {
    let error = refused(vec![Read(3), send(b"\x05\xff")]).await;
    assert_eq!(cause(&error), Socks5Error::NoAcceptableMethod);
    assert!(error.is_connect() && !error.is_protocol());
}

#[tokio::test]
async fn every_reply_code_is_an_error_of_its_own() {
    use Socks5Error::*;
    let codes = [
        GeneralFailure,
        NotAllowed,
        NetworkUnreachable,
        HostUnreachable,
        ConnectionRefused,
        TtlExpired,
        CommandNotSupported,
        AddressTypeNotSupported,
        Unassigned(9),
    ];
    for (code, expected) in (1..).zip(codes) {
        let error = refused(answers(&[&[5, code], &REPLY[2..]].concat())).await;
        assert_eq!(cause(&error), expected);
        assert!(error.is_connect() && !error.is_protocol() && !error.is_io(), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_socks_5_is_an_error_of_the_protocol() {
    use Socks5Error::*;
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    let table: &[(Vec<Step>, Socks5Error)] = &[
        (vec![send(http.to_vec())], WrongVersion(b'H')),
        (vec![send(b"\x00\x5a")], WrongVersion(0)),
        (vec![send(b"\x05\x02")], MethodNotOffered(2)),
        (vec![send(b"\x05\x01")], MethodNotOffered(1)),
        (answers(b"\x04\x00\x00\x01\0\0\0\0\0\0"), WrongVersion(4)),
        (answers(b"\x05\x00\x00\x02\0\0\0\0\0\0"), UnknownAddressType(2)),
        (vec![SayForever(http.to_vec())], WrongVersion(b'H')),
        (vec![SayForever(vec![5; 1024])], MethodNotOffered(5)),
    ];
    for (script, expected) in table {
        let error = refused(script.clone()).await;
        assert_eq!(cause(&error), *expected);
        assert!(error.is_protocol() && error.is_proxy(), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_to_the_password_in_another_version_is_an_error_of_the_protocol() {
    let layer = remote("socks5h://user:pass@proxy.example");
    let (outcome, proxy) = connect(layer, vec![asks(11, b"\x05\x00")], URL).await;
    let error = outcome.unwrap_err();
    assert_eq!(cause(&error), Socks5Error::WrongAuthVersion(5));
    assert!(error.is_proxy() && error.is_protocol());
    proxy.received().await;
}

#[tokio::test]
async fn what_comes_with_the_reply_belongs_to_the_tunnel() {
    let longest = [&b"\x05\x00\x00\x03\xff"[..], &[b'n'; 255], b"\x04\x38"].concat();
    for reply in [REPLY, b"\x05\x00\x00\x03\x00\x04\x38", &longest] {
        let mut script = answers(&[reply, b"220 hello"].concat());
        script.push(Close);
        let (outcome, _proxy) = asked(script).await;
        let mut said = String::new();
        TokioIo::new(outcome.unwrap().io).read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "220 hello");
    }
}

#[tokio::test]
async fn a_proxy_that_dribbles_is_waited_for() {
    let reply = SaySlowly([REPLY, b"220 hello"].concat());
    let method = SaySlowly(b"\x05\x00".to_vec());
    let (outcome, _proxy) = asked(vec![Read(3), method, Read(REQUEST.len()), reply, Close]).await;
    let mut said = String::new();
    TokioIo::new(outcome.unwrap().io).read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "220 hello");
}

#[tokio::test]
async fn a_proxy_that_hangs_up_in_the_middle_is_an_error_wherever_it_does() {
    let mut scripts = vec![vec![Close], vec![Read(3), Close]];
    scripts.push(vec![Read(3), send(vec![5]), Close]);
    for length in 0..REPLY.len() {
        scripts.push([answers(&REPLY[..length]), vec![Close]].concat());
    }
    for script in scripts {
        let error = refused(script.clone()).await;
        let kind = io_kind(&error);
        let cut_off = [io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];
        assert!(kind.is_some_and(|kind| cut_off.contains(&kind)), "{script:?}: {error:?}");
        assert!(error.is_connect() && error.is_io() && !error.is_protocol(), "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_counts_even_if_the_proxy_hangs_up_behind_its_code() {
    let error = refused([answers(b"\x05\x05"), vec![Close]].concat()).await;
    assert_eq!(cause(&error), Socks5Error::ConnectionRefused);
}

#[tokio::test]
async fn the_future_dropped_at_any_await_point_closes_the_connection() {
    let dribbling = |request| {
        let verdict = SaySlowly(b"\x01\x00".to_vec());
        let talk = [Read(4), SaySlowly(b"\x05\x02".to_vec()), Read(11), verdict, Read(request)];
        talk.into_iter()
    };
    let script = dribbling(REQUEST.len()).chain([SaySlowly(REPLY.to_vec())]).collect();
    let layer = remote("socks5h://user:pass@proxy.example");
    is_dropped_at_every_poll(layer, vec![script], URL).await;

    let refused = [b"\x05\x05", &REPLY[2..]].concat();
    let scripts = [refused, REPLY.to_vec()];
    let scripts = scripts.map(|reply| dribbling(10).chain([SaySlowly(reply)]).collect());
    let resolver = StaticResolver::new().address("example.com", ips(["192.0.2.1", "192.0.2.2"]));
    let layer = Socks5Layer::new(proxy("socks5://user:pass@proxy.example")).resolver(resolver);
    is_dropped_at_every_poll(layer, scripts.into(), URL).await;
}

#[tokio::test]
async fn the_resolver_is_waited_for_without_a_connection_and_without_blocking() {
    let gate = Arc::new(Semaphore::new(0));
    let resolver = service_fn({
        let gate = gate.clone();
        move |_: Name| {
            let gate = gate.clone();
            async move {
                gate.acquire_owned().await.unwrap().forget();
                Ok::<_, Infallible>([SocketAddr::from(([192, 0, 2, 7], 0))])
            }
        }
    });
    let layer = Socks5Layer::new(proxy("socks5://proxy.example")).resolver(resolver);
    let (proxy, connector) = start(vec![open(10, REPLY)]);
    let mut connecting = Box::pin(layer.layer(connector).oneshot(target(URL)));
    assert!((&mut connecting).now_or_never().is_none());
    tokio::task::yield_now().await;
    assert!(proxy.targets().is_empty());
    gate.add_permits(1);
    connecting.await.unwrap();
}

#[tokio::test]
async fn a_name_without_an_address_is_no_error_of_the_proxy() {
    let resolver = StaticResolver::new();
    let layer = Socks5Layer::new(proxy("socks5://proxy.example")).resolver(resolver);
    let (outcome, proxy) = connect(layer, vec![open(10, REPLY)], URL).await;
    let error = outcome.unwrap_err();
    assert!(error.is_dns() && !error.is_proxy() && proxy.targets().is_empty(), "{error:?}");
}

#[tokio::test]
async fn addresses_are_tried_in_order_each_over_a_connection_of_its_own() {
    for code in [1, 3, 4, 5, 6, 8] {
        let ipv6 = open(22, &[&[5, code], &REPLY[2..]].concat());
        let scripts = vec![ipv6, for_ipv4(code), for_ipv4(0)];
        let layer = local(["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        let (outcome, proxy) = connect(layer, scripts, URL).await;
        assert_eq!(outcome.unwrap().info.proxies().len(), 1);
        let heard = proxy.received().await;
        let ends: Vec<_> = heard.iter().map(|heard| heard[heard.len() - 3]).collect();
        assert_eq!(ends, [1, 1, 2], "after code {code}");
    }
}

fn for_ipv4(code: u8) -> Vec<Step> {
    open(10, &[&[5, code], &REPLY[2..]].concat())
}

#[tokio::test]
async fn no_other_address_is_tried_if_the_address_is_not_the_matter() {
    for code in [2, 7, 9, 255] {
        let scripts = vec![for_ipv4(code), for_ipv4(0)];
        let (outcome, proxy) = connect(local(["192.0.2.1", "192.0.2.2"]), scripts, URL).await;
        let error = outcome.unwrap_err();
        assert!(error.is_proxy() && error.is_connect(), "{error:?}");
        assert_eq!(proxy.received().await.len(), 1, "after code {code}");
    }
}

#[tokio::test]
async fn the_error_is_of_the_last_address_that_the_proxy_has_tried() {
    let scripts = vec![for_ipv4(4), for_ipv4(5), open(22, b"\x05\x08")];
    let layer = local(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    let (outcome, proxy) = connect(layer, scripts, URL).await;
    assert_eq!(cause(&outcome.unwrap_err()), Socks5Error::ConnectionRefused);
    assert_eq!(proxy.received().await.len(), 3);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let (outcome, _) = connect(remote("socks5h://proxy.example"), vec![], URL).await;
    let error = outcome.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
    assert!(error.is_proxy() && error.is_connect() && !error.was_sent());
    assert_eq!(error.to_string(), "connecting to the proxy socks5h://proxy.example:1080");
}

#[tokio::test]
async fn what_cannot_be_asked_is_an_error_before_anything_is_connected() {
    let long = "n".repeat(256);
    let with = |user: &str, password: &str| {
        proxy("socks5h://proxy.example").credentials(Credentials::new(user, password))
    };
    let plain = || proxy("socks5h://proxy.example");
    let table = [
        (plain(), format!("http://{long}/"), "name of the host is longer than the 255 bytes"),
        (plain(), "http://[fe80::1%25eth0]/".into(), "`[fe80::1%25eth0]` has a zone"),
        (with(&long, ""), URL.into(), "user for the proxy is longer than the 255 bytes"),
        (with("user", &long), URL.into(), "password for the proxy is longer than the 255 bytes"),
        (with("", "password"), URL.into(), "user for the proxy is empty"),
        (
            proxy("socks4a://p.example"),
            URL.into(),
            "the proxy socks4a://p.example:1080 does not use SOCKS 5",
        ),
        (
            proxy("http://p.example"),
            URL.into(),
            "the proxy http://p.example:80 does not use SOCKS 5",
        ),
    ];
    for (proxy, url, expected) in table {
        assert_not_asked(proxy, &url, expected).await;
    }
}

#[tokio::test]
async fn a_setting_that_only_http_has_a_place_for_is_an_error() {
    let plain = || proxy("socks5h://proxy.example");
    let name = http::HeaderName::from_static("x-a");
    let table = [
        (plain().header(name, "b".parse().unwrap()), "`header`"),
        (plain().connect_headers(|_| Ok(Default::default())), "`connect_headers`"),
        (plain().authenticate(|_: &Authorizing<'_>| None), "`authenticate`"),
        (plain().server_name(ServerName::new("a.example")), "`server_name`"),
        (plain().protocols(Protocols::Http1Only), "`protocols`"),
    ];
    for (proxy, setting) in table {
        assert_not_asked(proxy, URL, &format!("SOCKS 5 has no place for {setting}")).await;
    }
}

async fn assert_not_asked(proxy: Proxy, url: &str, expected: &str) {
    let layer = Socks5Layer::new(proxy).resolver(never_asked());
    let (outcome, through) = connect(layer, vec![answers(REPLY)], url).await;
    let error = outcome.unwrap_err();
    assert!(error.is_builder() && error.to_string().contains(expected), "{error:?}");
    assert!(through.targets().is_empty(), "{expected}");
}

#[cfg(not(feature = "_sockets"))]
#[tokio::test]
async fn without_a_resolver_names_that_are_to_be_resolved_are_an_error() {
    let layer = Socks5Layer::new(proxy("socks5://proxy.example"));
    let (outcome, proxy) = connect(layer, vec![open(10, REPLY)], URL).await;
    let error = outcome.unwrap_err();
    assert!(error.is_builder() && error.to_string().contains("resolver"), "{error:?}");
    assert!(proxy.targets().is_empty());
}

#[cfg(feature = "_sockets")]
#[tokio::test]
async fn names_are_resolved_by_the_system_unless_a_resolver_is_given() {
    let layer = Socks5Layer::new(proxy("socks5://proxy.example"));
    let (outcome, proxy) = connect(layer, vec![vec![Close]], "http://localhost/").await;
    assert!(outcome.unwrap_err().is_proxy());
    assert_eq!(proxy.targets().len(), 1);
}
