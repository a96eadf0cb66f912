//! Tunnels through HTTP proxies: what is asked, what opens one, and which hop receives what.

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, ServiceExt};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::MemoryConnector,
    options::Protocols,
    proxy::{ForwardLayer, Proxy, TunnelLayer},
    target::Target,
    transport::TransportBuilder,
};

use crate::support::{
    frames::{PREFACE, send, settings},
    net::{Behavior, Net},
    proxy::{OPEN, good, proxy, tunneling},
    scene::{Scene, wait_idle},
    scripted::{
        HELLO,
        Step::{Head, Hold, Read, Serve, ServeHttp2, Turn},
        say,
    },
    targets::target,
};

/// The head of the `CONNECT` that a GET of `url` causes.
async fn asked(url: &str, proxy: Proxy) -> String {
    let scene = Scene::tunnel_through(proxy, vec![good()]);
    let answer = scene.transport.request("GET", url).await.unwrap();
    assert_eq!(answer.body(), "hello");
    scene.origin.heads().remove(0)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn field(name: &str, text: &str) -> (HeaderName, HeaderValue) {
    (name.parse().unwrap(), value(text))
}

#[tokio::test(start_paused = true)]
async fn the_request_names_host_and_port_and_nothing_more() {
    for (url, authority) in [
        ("http://origin.example/path?query", "origin.example:80"),
        ("http://Origin.Example:80/", "Origin.Example:80"),
        ("http://origin.example:8081/", "origin.example:8081"),
        ("http://origin.example:0443/", "origin.example:443"),
        ("ws://origin.example/", "origin.example:80"),
        ("http://127.0.0.1/", "127.0.0.1:80"),
        ("http://[::1]/", "[::1]:80"),
        ("http://[fe80::1%25eth0]:81/", "[fe80::1]:81"),
    ] {
        let expected = format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n");
        assert_eq!(asked(url, proxy()).await.replace("Host", "host"), expected, "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_and_fields_of_the_proxy_are_sent() {
    let proxy = tunneling("http://user:pass%20word@proxy.example:8080");
    let (name, value) = field("x-client", "42");
    let head = asked("http://origin.example/", proxy.header(name, value)).await;
    assert!(head.contains("proxy-authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n"), "{head}");
    assert!(head.contains("x-client: 42\r\n"), "{head}");
}

/// A proxy that receives the host of each target in a field.
fn naming_targets() -> Proxy {
    let (name, text) = field("x-for", "nobody");
    proxy().header(name.clone(), text).connect_headers(move |target: &Target| {
        match target.origin.host() {
            "forbidden.example" => Err("there is no token for it".into()),
            host => Ok(HeaderMap::from_iter([(name.clone(), value(host))])),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn fields_for_a_target_replace_those_for_all() {
    for host in ["a.example", "b.example"] {
        let head = asked(&format!("http://{host}/"), naming_targets()).await;
        assert!(head.contains(&format!("x-for: {host}\r\n")), "{head}");
        assert!(!head.contains("nobody"), "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_fields_for_a_target_ends_the_attempt_before_it_begins() {
    let scene = Scene::tunnel_through(naming_targets(), vec![]);
    let error = scene.transport.request("GET", "http://forbidden.example/").await.unwrap_err();
    assert!(error.is_builder() && !error.was_sent() && !error.is_proxy(), "{error:?}");
    assert_eq!(scene.origin.accepted(), 0);
    scene.assert_usable().await;
}

#[tokio::test(start_paused = true)]
async fn fields_that_announce_content_are_refused_because_it_would_begin_the_tunnel() {
    for (name, text) in
        [("content-length", "5"), ("content-length", "0"), ("transfer-encoding", "chunked")]
    {
        let fixed = proxy().header(name.parse().unwrap(), value(text));
        let hooked =
            proxy().connect_headers(move |_| Ok(HeaderMap::from_iter([field(name, text)])));
        for proxy in [fixed, hooked] {
            let scene = Scene::tunnel_through(proxy, vec![]);
            let error = scene.transport.request("GET", "http://origin.example/").await.unwrap_err();
            assert!(error.is_builder() && error.to_string().contains(name), "{error:?}");
            assert_eq!(scene.origin.accepted(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fields_that_no_proxy_may_accept_are_refused_before_it_is_connected_to() {
    let hosts = |values: &'static [&'static str]| {
        proxy().connect_headers(move |_| {
            Ok(values.iter().map(|text| field("host", text)).collect::<HeaderMap>())
        })
    };
    let names = || {
        let name = |n: usize| (format!("x-{n}").parse::<HeaderName>().unwrap(), value("1"));
        (0..24_576).map(name).collect::<HeaderMap>()
    };
    let proxies = [
        hosts(&["a.example", "b.example"]),
        hosts(&[""]),
        hosts(&["a b"]),
        proxy().connect_headers(move |_| Ok(names())),
    ];
    for proxy in proxies {
        let scene = Scene::tunnel_through(proxy, vec![]);
        let error = scene.transport.request("GET", "http://origin.example/").await.unwrap_err();
        assert!(error.is_builder() && !error.was_sent(), "{error:?}");
        assert_eq!(scene.origin.accepted(), 0);
    }
    let fixed = names()
        .into_iter()
        .fold(proxy(), |proxy, (name, value)| proxy.header(name.unwrap(), value));
    assert!(Transport::builder().proxy(fixed).build().unwrap_err().is_builder());
}

#[tokio::test]
async fn proxies_and_origins_receive_only_what_is_for_them() {
    let net = Net::new();
    let (one, two) = (
        net.plain("proxy.example:8080", Behavior::Tunnel),
        net.plain("proxy.example:8082", Behavior::Tunnel),
    );
    let origin = net.plain("origin.example:80", Behavior::Serve);
    let http1 = tunneling("http://user:password@proxy.example:8080");
    let http2 = tunneling("http://user:password@proxy.example:8082");
    let (name, text) = field("x-proxy", "1");
    for proxy in [http1, http2.protocols(Protocols::Http2PriorKnowledge)] {
        let proxy = proxy.header(name.clone(), text.clone());
        let transport = net.transport().proxy(proxy).build().unwrap();
        let request = transport.request("GET", "http://origin.example/private?path");
        request.header("authorization", "Basic c2VjcmV0").header("cookie", "a=1").await.unwrap();
    }
    for proxy in [one, two] {
        assert!(proxy.received_text("proxy-authorization") && proxy.received_text("x-proxy"));
        for secret in ["\"authorization", "\nauthorization", "cookie", "private", "c2VjcmV0"] {
            assert!(!proxy.received_text(secret), "{secret}: {:?}", proxy.heads());
        }
    }
    assert_eq!(origin.heads().len(), 2);
    assert!(origin.received_text("c2VjcmV0") && origin.received_text("cookie"));
    assert!(!origin.received_text("proxy-authorization") && !origin.received_text("x-proxy"));
}

/// What a GET comes to through a proxy that answers with this.
async fn opened(answer: impl Into<String>) -> Result<String, Error> {
    let scene = Scene::tunnel([Head, say(answer), Serve]);
    let response = scene.get().await?;
    assert_eq!(scene.origin.accepted(), 1);
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1, "the tunnel is kept");
    Ok(String::from_utf8_lossy(response.body()).into_owned())
}

#[tokio::test(start_paused = true)]
async fn any_2xx_opens_a_tunnel() {
    for answer in [
        OPEN,
        "HTTP/1.1 201 Created\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 299 \r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\n\r\n",
        "HTTP/1.1 200 OK\nVia: 1.1 proxy\n\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nProxy-Agent: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
    ] {
        assert_eq!(opened(answer).await.unwrap(), "hello", "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn informational_answers_come_before_the_tunnel() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = format!("HTTP/1.1 100 Continue\r\n\r\n{hints}{hints}{OPEN}");
    assert_eq!(opened(answer).await.unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn a_length_of_what_has_no_end_means_nothing() {
    for framing in [
        "Content-Length: 0",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: five",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        assert_eq!(opened(answer).await.unwrap(), "hello", "{framing}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_byte_by_byte_opens_a_tunnel() {
    let answer = "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n";
    let bytes = answer.chars().flat_map(|byte| [Turn, Turn, say(byte)]);
    let steps: Vec<_> = [Head].into_iter().chain(bytes).chain([Serve]).collect();
    let scene = Scene::tunnel(steps);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    scene.assert_usable().await;
}

#[tokio::test]
async fn what_comes_behind_the_answer_belongs_to_the_tunnel() {
    let (connector, mut listener) = MemoryConnector::pair();
    let tunnel = TunnelLayer::new(proxy()).layer(connector);
    let connecting = tokio::spawn(tunnel.oneshot(target("http://origin.example/")));
    let (mut proxy, _) = listener.accept().await.unwrap();
    proxy.write_all(format!("{OPEN}early").as_bytes()).await.unwrap();
    let mut io = TokioIo::new(connecting.await.unwrap().unwrap().io);
    let mut early = [0; 5];
    io.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
}

#[tokio::test(start_paused = true)]
async fn settings_that_come_behind_the_answer_belong_to_the_tunnel() {
    let opened = [OPEN.as_bytes(), &settings(&[(3, 1)])].concat();
    let scripts = vec![vec![Head, send(opened), Read(PREFACE), ServeHttp2]];
    let http2 = |builder: TransportBuilder| builder.proxy(proxy()).http2_prior_knowledge();
    let scene = Scene::tunnel_with(scripts, http2);
    assert_eq!(scene.get().await.unwrap().body(), "hello");
    scene.assert_usable().await;
    assert_eq!(scene.origin.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_asked_for_is_not_taken_out_of_the_tunnel() {
    let scene = Scene::tunnel([Head, say(format!("{OPEN}{HELLO}")), Hold]);
    let outcome = scene.get().await;
    assert!(outcome.is_err(), "{outcome:?}");
    scene.assert_usable().await;
}

mod http2_proxy {
    use std::{sync::Arc, time::Duration};

    use tower_transport::Transport;

    use super::*;
    use crate::support::{net::Peer, origin::run_ready_tasks};

    const PROXY: &str = "http://user:password@proxy.example:8080";

    fn proxy() -> Proxy {
        tunneling(PROXY).protocols(Protocols::Http2PriorKnowledge)
    }

    fn scene() -> (Net, Arc<Peer>, Transport) {
        let net = Net::new();
        let peer = net.plain("proxy.example:8080", Behavior::Tunnel);
        let transport = net.transport().proxy(proxy()).build().unwrap();
        (net, peer, transport)
    }

    async fn get(transport: &Transport, host: &str) {
        let response = transport.request("GET", format!("http://{host}/")).await.unwrap();
        assert_eq!(response.body(), "hello");
    }

    #[tokio::test]
    async fn the_request_has_an_authority_and_no_scheme_or_path() {
        let (net, proxy, transport) = scene();
        net.plain("[fe80::1]:81", Behavior::Serve);
        get(&transport, "[fe80::1%25eth0]:81").await;
        let shown = "{\"proxy-authorization\": Sensitive}";
        let text = proxy.heads().remove(0).replace("\"Basic dXNlcjpwYXNzd29yZA==\"", "Sensitive");
        assert_eq!(text, format!("CONNECT [fe80::1]:81 {shown}"));
    }

    #[tokio::test]
    async fn one_connection_carries_many_tunnels() {
        let (net, proxy, transport) = scene();
        let hosts: Vec<_> = (0..50).map(|at| format!("origin{at}.example")).collect();
        for host in &hosts {
            net.plain(&format!("{host}:80"), Behavior::Serve);
        }
        let all = hosts.iter().map(|host| get(&transport, host));
        futures_util::future::join_all(all).await;
        assert_eq!((proxy.opened(), proxy.heads().len()), (1, 50));
        assert_eq!(net.dialed().len(), 1);
    }

    #[tokio::test]
    async fn more_tunnels_than_one_connection_takes_have_another() {
        let (net, proxy, _) = scene();
        let builder = net.transport().max_connections(300).proxy(self::proxy());
        let transport = builder.build().unwrap();
        // The server allows 200 at once, and says so.
        let hosts: Vec<_> = (0..250).map(|at| format!("origin{at}.example")).collect();
        for host in &hosts {
            net.plain(&format!("{host}:80"), Behavior::Serve);
        }
        futures_util::future::join_all(hosts.iter().map(|host| get(&transport, host))).await;
        assert_eq!((proxy.opened(), proxy.heads().len()), (2, 250));
        drop(transport);
        run_ready_tasks().await;
        assert_eq!(proxy.open(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_cannot_be_reached_fails_all_that_wait_for_it() {
        // One that refuses is asked once more for those that did not cause the first dial.
        for (does, dials) in [(Behavior::Refuse, 2), (Behavior::Nothing, 1)] {
            let (net, proxy, transport) = scene();
            proxy.set_behavior(does);
            let get =
                |at| transport.request("GET", format!("http://origin{at}.example/")).into_future();
            for outcome in futures_util::future::join_all((0..20).map(get)).await {
                let error = outcome.unwrap_err();
                assert!(error.is_connect() && !error.was_sent(), "{error:?}");
            }
            wait_idle(&transport).await;
            // Who says nothing has 15 s to answer a PING.
            tokio::time::sleep(Duration::from_secs(16)).await;
            assert_eq!((proxy.open(), net.dialed().len()), (0, dials));
        }
    }

    #[tokio::test]
    async fn a_tunnel_that_ends_leaves_the_others() {
        let (net, proxy, transport) = scene();
        let (a, b) = ("a.example", "b.example");
        let (one, other) = (
            net.plain("a.example:80", Behavior::Serve),
            net.plain("b.example:80", Behavior::Serve),
        );
        get(&transport, a).await;
        one.set_behavior(Behavior::Say(
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        ));
        get(&transport, b).await;
        get(&transport, a).await;
        wait_idle(&transport).await;
        get(&transport, b).await;
        assert_eq!((proxy.opened(), other.opened()), (1, 1));
    }

    #[tokio::test]
    async fn a_connection_that_has_died_is_replaced() {
        let (net, proxy, transport) = scene();
        let origin = net.plain("a.example:80", Behavior::Serve);
        get(&transport, "a.example").await;
        proxy.close_all();
        run_ready_tasks().await;
        get(&transport, "a.example").await;
        assert_eq!((proxy.opened(), proxy.open(), origin.opened()), (2, 1, 2));
    }

    #[tokio::test]
    async fn a_refusal_is_one_of_its_stream_alone() {
        let (net, proxy, transport) = scene();
        net.plain("a.example:80", Behavior::Serve);
        let error = transport.request("GET", "http://gone.example/").await.unwrap_err();
        assert_eq!(error.proxy_status().map(|status| status.as_u16()), Some(502));
        assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{error:?}");
        get(&transport, "a.example").await;
        assert_eq!(proxy.opened(), 1);
    }
}

#[tokio::test]
async fn a_proxy_that_is_to_be_private_receives_nothing_without_tls() {
    let (connector, mut listener) = MemoryConnector::pair();
    let proxy = tunneling("https://user:password@proxy.example");
    let tunnel = TunnelLayer::new(proxy.clone()).layer(connector.clone());
    let forward = ForwardLayer::new(proxy.tunnel_http(false)).layer(connector);
    let target = || target("http://origin.example/");
    let errors = [
        tunnel.oneshot(target()).await.map(drop).unwrap_err(),
        forward.oneshot(target()).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_builder() && format!("{error:?}").contains("not private"), "{error:?}");
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"");
    }
}

#[tokio::test]
async fn a_proxy_of_socks_opens_no_tunnel_by_http() {
    let (net, proxy) = (Net::new(), Proxy::new("socks5://proxy.example").unwrap());
    let tunnel = TunnelLayer::new(proxy).layer(net.connector());
    let error = tunnel.oneshot(target("https://origin.example/")).await.map(drop).unwrap_err();
    assert!(error.is_builder() && error.is_unsent(), "{error:?}");
    let text = "the proxy socks5://proxy.example:1080 is not an HTTP proxy";
    assert!(format!("{error:?}").contains(text), "{error:?}");
    assert!(net.dialed().is_empty());
}

#[cfg(feature = "mock")]
#[tokio::test]
async fn a_layer_keeps_a_connection_without_tunnels_for_the_time_that_is_set_by_its_runtime() {
    use std::time::Duration;

    use tower_transport::mock::PausedClock;

    use crate::support::origin::run_ready_tasks;
    let (net, clock) = (Net::new(), PausedClock::new(hyper_util::rt::TokioExecutor::new()));
    let peer = net.plain("proxy.example:8080", Behavior::Tunnel);
    net.plain("origin.example:80", Behavior::Serve);
    let layer = TunnelLayer::new(proxy().protocols(Protocols::Http2PriorKnowledge));
    let layer = layer.idle_timeout(Duration::from_secs(10)).runtime(clock.runtime());
    let tunnel = layer.layer(net.connector());
    drop(tunnel.clone().oneshot(target("http://origin.example/")).await.unwrap());
    for (seconds, open) in [(9, 1), (2, 0)] {
        run_ready_tasks().await;
        clock.advance(Duration::from_secs(seconds));
        run_ready_tasks().await;
        assert_eq!((peer.opened(), peer.open()), (1, open));
    }
}
