//! Requests are given to a proxy that forwards them.

use std::convert::Infallible;

use http::{HeaderName, HeaderValue, Method};
use tower::{Layer, ServiceExt, service_fn};
use tower_transport::{
    Error, RequestExt,
    connect::{ConnectInfo, Connected, MemoryConnector, MemoryIo},
    options::{Protocols, RawTarget},
    pool::ConnectionState,
    proxy::{ForwardLayer, Proxy},
    target::{Route, Target},
};

use crate::support::{
    forwarding::{Client, PROXY, proxy, scripted, shared, through},
    origin::run_ready_tasks,
    scene::Scene,
    scripted::{Script, ScriptedPeer, Step::Serve, first},
    targets::target,
};

mod challenge;
#[cfg(feature = "http2")]
mod http2;

fn serving() -> Script {
    first([Serve])
}

/// The head that the last request had.
fn last_head(origin: &ScriptedPeer) -> String {
    origin.heads().pop().unwrap()
}

#[tokio::test]
async fn the_request_line_has_the_url_and_host_its_authority() {
    let table = [
        ("http://example.com", "http://example.com/", "example.com"),
        ("http://example.com/a?b#c", "http://example.com/a?b", "example.com"),
        ("http://example.com?b", "http://example.com/?b", "example.com"),
        ("http://example.com:80/", "http://example.com/", "example.com"),
        ("http://example.com:8080/", "http://example.com:8080/", "example.com:8080"),
        ("http://127.0.0.1/", "http://127.0.0.1/", "127.0.0.1"),
        ("http://[::1]:81/a", "http://[::1]:81/a", "[::1]:81"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1]/", "[fe80::1]"),
    ];
    let (client, proxy) = scripted(&proxy(PROXY), serving());
    for (url, line, host) in table {
        let response = client.request("GET", url).await.unwrap();
        assert_eq!(response.body(), "hello");
        let expected = format!("GET {line} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(last_head(&proxy), expected, "{url}");
    }
    assert_eq!(proxy.accepted(), 1, "the key was the same for all");
}

#[tokio::test]
async fn origins_with_keys_of_their_own_have_connections_of_their_own() {
    let origin = ScriptedPeer::new(serving());
    let client = through(&proxy(PROXY), origin.listen());
    for url in ["http://a.example/", "http://b.example/", "http://a.example/again"] {
        client.request("GET", url).await.unwrap();
    }
    assert_eq!(origin.accepted(), 2);
}

/// What httpcore calls `forwarding`.
#[tokio::test]
async fn a_forwarded_connection_is_active_until_its_answer_was_read() {
    let origin = ScriptedPeer::new(serving());
    let client = through(&proxy("http://localhost:8080/"), origin.listen());
    let mut response = client.stream("GET", "http://example.com/").await.unwrap();
    assert_eq!(rows(&client), [("example.com:80".into(), ConnectionState::Active, 1)]);
    assert_eq!(response.body_mut().read().await.unwrap(), "hello");
    run_ready_tasks().await;
    assert_eq!(rows(&client), [("example.com:80".into(), ConnectionState::Idle, 1)]);
}

fn rows(client: &Client) -> Vec<(String, ConnectionState, u64)> {
    let rows = client.stats().connections.into_iter();
    rows.map(|row| (row.key, row.state, row.served)).collect()
}

#[tokio::test]
async fn the_response_says_through_whom_it_came() {
    let named = proxy(PROXY);
    let (client, _) = scripted(&named, serving());
    let response = client.request("GET", "http://example.com/").await.unwrap();
    let info = ConnectInfo::of(&response).unwrap();
    assert_eq!((info.forwarder(), info.proxies()), (Some(&named), std::slice::from_ref(&named)));
}

#[tokio::test]
async fn the_proxy_has_its_headers_and_credentials_with_every_request() {
    let proxy = proxy("http://me:secret@proxy.example")
        .header(HeaderName::from_static("x-tag"), HeaderValue::from_static("1"));
    let (client, origin) = scripted(&proxy, serving());
    for host in ["a.example", "b.example"] {
        client.request("GET", format!("http://{host}/")).header("accept", "*/*").await.unwrap();
        let expected = format!(
            "GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\nx-tag: 1\r\n\
             proxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n"
        );
        assert_eq!(last_head(&origin), expected);
    }
}

#[tokio::test]
async fn what_the_request_says_itself_goes_before_what_is_said_of_the_proxy() {
    let proxy = proxy("http://me:secret@proxy.example")
        .header(HeaderName::from_static("x-tag"), HeaderValue::from_static("1"));
    let (client, origin) = scripted(&proxy, serving());
    let request = client.request("GET", "http://a.example/").header("x-tag", "mine");
    let request = request.header("proxy-authorization", "Mine x").header("proxy-connection", "x");
    request.await.unwrap();
    assert_eq!(
        last_head(&origin),
        "GET http://a.example/ HTTP/1.1\r\nhost: a.example\r\nx-tag: mine\r\n\
         proxy-authorization: Mine x\r\n\r\n"
    );
}

#[tokio::test]
async fn what_is_said_to_a_proxy_by_hand_stays_as_it_is() {
    let (client, origin) = scripted(&proxy(PROXY), serving());
    let table = [
        ("GET", "https", "ftp://us:er@c.example/d", "GET ftp://us:er@c.example/d", "c.example"),
        ("GET", "http", "/path", "GET /path", "a.example"),
        ("CONNECT", "https", "c.example:443", "CONNECT c.example:443", "c.example:443"),
    ];
    for (method, scheme, raw, line, host) in table {
        let raw = raw.parse::<RawTarget>().unwrap();
        let request = client.request(method, format!("{scheme}://a.example/")).extension(raw);
        request.await.unwrap();
        let expected = format!("{line} HTTP/1.1\r\nhost: {host}\r\n");
        assert!(last_head(&origin).starts_with(&expected), "{}", last_head(&origin));
    }
}

#[tokio::test]
async fn a_request_that_is_not_for_every_eye_is_refused_before_a_byte_of_it() {
    let (client, origin) = scripted(&proxy(PROXY), serving());
    for url in ["https://a.example/", "ws://a.example/", "wss://a.example/"] {
        let error = client.request("GET", url).await.unwrap_err();
        assert!(error.is_builder() && !error.was_sent(), "{error:?}");
        let path = "/%7Epath".parse::<RawTarget>().unwrap();
        let error = client.request("GET", url).extension(path).await.unwrap_err();
        assert!(error.is_builder(), "a path says to nobody that it is for a proxy: {error:?}");
    }
    client.request("GET", "http://a.example/").await.unwrap();
    assert_eq!((origin.accepted(), origin.heads().len()), (1, 1), "a mistake costs nothing");
}

#[tokio::test]
async fn what_was_said_by_hand_opens_no_way_for_what_is_not() {
    let (client, origin) = scripted(&proxy(PROXY), serving());
    let by_hand = "https://a.example/path".parse::<RawTarget>().unwrap();
    client.request("GET", "https://a.example/").extension(by_hand).await.unwrap();
    let error = client.request("GET", "https://a.example/").await.unwrap_err();
    assert!(error.is_builder() && !error.was_sent(), "{error:?}");
    assert_eq!((origin.accepted(), origin.heads().len()), (1, 1));
}

#[tokio::test]
async fn options_for_a_whole_server_is_refused_over_http1() {
    let (client, origin) = scripted(&proxy(PROXY), serving());
    let asterisk = "*".parse::<RawTarget>().unwrap();
    let request = client.request("OPTIONS", "http://a.example/").extension(asterisk);
    assert!(request.await.unwrap_err().is_builder());
    assert!(origin.heads().is_empty());
}

/// What a connector is asked for by a [`ForwardLayer`] over it.
async fn hop_of(proxy: &Proxy, target: Target) -> Result<Target, Error> {
    let (sender, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (connector, _listener) = MemoryConnector::pair();
    let connector = service_fn(move |target: Target| {
        let (sender, connector) = (sender.clone(), connector.clone());
        async move {
            sender.send(target.clone()).unwrap();
            let Connected { io, info } = connector.oneshot(target).await.unwrap();
            // As a layer of TLS has it.
            let info = info.with_tls(Some("TLSv1.3"), "proxy.example", Vec::new());
            Ok::<Connected<MemoryIo>, Infallible>(Connected { io, info })
        }
    });
    ForwardLayer::new(proxy.clone()).layer(connector).oneshot(target).await?;
    Ok(asked.recv().await.unwrap())
}

#[tokio::test]
async fn the_connector_below_is_asked_for_the_proxy() {
    let proxy = proxy("https://me:secret@proxy.example:3129").protocols(Protocols::Http2Only);
    let mut target = target("http://a.example/");
    target.local_address = Some([127, 0, 0, 1].into());
    target.route = Route::Direct;
    let hop = hop_of(&proxy, target).await.unwrap();
    assert_eq!(hop.origin.to_string(), "https://proxy.example:3129");
    assert_eq!((hop.protocols, hop.route), (Protocols::Http2Only, Route::Direct));
    assert_eq!(hop.local_address, Some([127, 0, 0, 1].into()));
}

#[tokio::test]
async fn a_target_for_http1_alone_offers_nothing_else_to_the_proxy() {
    let mut target = target("http://a.example/");
    target.protocols = Protocols::Http1Only;
    let hop = hop_of(&proxy("https://proxy.example"), target).await.unwrap();
    assert_eq!(hop.protocols, Protocols::Http1Only);
}

#[tokio::test]
async fn what_cannot_be_forwarded_is_refused_before_connecting() {
    use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
    let plain = proxy(PROXY);
    let http2 = plain.clone().protocols(Http2PriorKnowledge);
    let table = [
        ("https://a.example/", Negotiated, plain.clone()),
        ("ws://a.example/", Negotiated, plain.clone()),
        ("http://a.example/", Http2PriorKnowledge, plain.clone()),
        ("http://a.example/", Negotiated, plain.clone().tunnel_http(true)),
        ("http://a.example/", Negotiated, proxy("socks5://proxy.example")),
        ("http://a.example/", Negotiated, plain.protocols(Http2Only)),
    ];
    for (url, protocols, proxy) in table {
        let mut target = target(url);
        target.protocols = protocols;
        let error = hop_of(&proxy, target).await.unwrap_err();
        assert!(error.is_builder() && !error.is_proxy(), "{error:?}");
    }
    let mut target = target("http://a.example/");
    target.protocols = Http1Only;
    let error = hop_of(&http2, target).await.unwrap_err();
    assert!(error.is_unsupported() && !error.is_proxy(), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    let (connector, listener) = MemoryConnector::pair();
    drop(listener);
    let client = shared(&proxy("http://me:secret@proxy.example:3128"), connector);
    let error = client.request("GET", "http://a.example/").await.unwrap_err();
    assert!(error.is_connect() && error.to_string().contains("proxy.example:3128"), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn an_origin_never_receives_what_is_for_proxies() {
    let scene = Scene::memory(serving());
    let request = scene.transport.request("GET", scene.url("/"));
    let request = request.header("proxy-authorization", "x").header("proxy-connection", "x");
    request.await.unwrap();
    assert_eq!(last_head(&scene.origin), "GET / HTTP/1.1\r\nhost: origin.example\r\n\r\n");
}

#[tokio::test]
async fn whoever_speaks_to_a_proxy_by_hand_says_who_they_are() {
    let scene = Scene::memory(serving());
    let whole = "http://a.example/".parse::<RawTarget>().unwrap();
    let request = scene.transport.request("GET", scene.url("/")).extension(whole);
    request.header("proxy-authorization", "Mine x").await.unwrap();
    let head = last_head(&scene.origin);
    assert!(head.contains("proxy-authorization: Mine x\r\n"), "{head}");
    let request = scene.transport.request(Method::CONNECT, scene.url("/"));
    request.header("proxy-authorization", "Mine x").await.unwrap();
    let head = last_head(&scene.origin);
    assert!(head.contains("proxy-authorization: Mine x\r\n"), "{head}");
}
