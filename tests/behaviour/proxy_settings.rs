//! Whatever is set for a direct connection acts on one through a proxy, too, or is an error.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    Error, RequestExt, Transport,
    auth::{Authorizing, Credentials},
    connect::{ConnectInfo, Name, Resolve, StaticResolver},
    options::{Protocols, ProxyOverride, ServerName, Timeouts},
    proxy::{Proxy, ProxyLayer, ProxyRules},
    target::Route,
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::{each_tunnel, proxy, tunneling},
    scene::{Scene, predicates, wait_idle},
    scripted::{
        HELLO,
        Step::{self, Head, Read},
        first, say, send,
    },
    socks_proxy,
    targets::{ips, target},
    tls_peer::Authority,
};

/// A proxy, and an origin with TLS and without.
fn scene() -> (Net, Arc<Peer>, Arc<Peer>) {
    let net = Net::new();
    let leaf = Authority::new().certify("origin.example");
    let proxy = net.plain("proxy.example:8080", Behavior::Tunnel);
    net.plain("origin.example:80", Behavior::Serve);
    let origin = net.tls("origin.example:443", Behavior::Serve, leaf.server(&["h2", "http/1.1"]));
    (net, proxy, origin)
}

fn http2_proxy() -> Proxy {
    proxy().protocols(Protocols::Http2PriorKnowledge)
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_refuses_connections_is_tried_again() {
    for proxy in [proxy(), http2_proxy()] {
        let (net, peer, _) = scene();
        peer.set_behavior(Behavior::Refuse);
        let transport = net.transport().proxy(proxy).connect_retries(3).build().unwrap();
        let error = transport.request("GET", "http://origin.example/").await.unwrap_err();
        assert!(error.is_proxy(), "{error:?}");
        assert_eq!(net.dialed().len(), 4);
        wait_idle(&transport).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_has_said_no_is_not_asked_again() {
    for status in ["403 Forbidden", "407 Proxy Authentication Required", "404 Not Found"] {
        let (net, peer, _) = scene();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        peer.set_behavior(Behavior::Say(answer.leak()));
        let transport = net.transport().proxy(proxy()).connect_retries(3).build().unwrap();
        transport.request("GET", "http://origin.example/").await.unwrap_err();
        assert_eq!(peer.heads().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn the_local_address_is_the_one_towards_the_proxy() {
    let address = IpAddr::from([127, 0, 0, 2]);
    let scene = Scene::tcp_with(each_tunnel(vec![]), |builder| builder.local_address(address));
    let response = scene.get_through_its_own_port().await.unwrap();
    let info = ConnectInfo::of(&response).unwrap();
    assert_eq!((info.local_addr().unwrap().ip(), info.proxies().len()), (address, 1));
}

#[tokio::test]
async fn the_resolver_is_asked_for_the_proxy_and_never_for_the_origin() {
    let origin = Scene::tcp(each_tunnel(vec![]));
    let port = origin.host.rsplit(':').next().unwrap().to_owned();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let resolver = tower::service_fn({
        let asked = asked.clone();
        move |name: Name| {
            asked.lock().unwrap().push(name.to_string());
            async { Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 1], 0))]) }
        }
    });
    let proxy = tunneling(&format!("http://proxy.example:{port}"));
    let transport = Transport::builder().resolver(resolver).proxy(proxy).build().unwrap();
    transport.request("GET", "http://origin.example/").await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["proxy.example"]);
}

#[tokio::test(start_paused = true)]
async fn the_connect_timeout_covers_every_part_of_the_way() {
    let (net, silent, _) = scene();
    net.plain("silent.example:80", Behavior::Nothing);
    let timeouts = Timeouts::none().connect(Duration::from_secs(2));
    for (proxy, does, url) in [
        (proxy(), Behavior::Nothing, "http://origin.example/"),
        (tunneling("https://proxy.example:8080"), Behavior::Nothing, "http://origin.example/"),
        (http2_proxy(), Behavior::Nothing, "http://origin.example/"),
        (proxy(), Behavior::Tunnel, "https://silent.example:80/"),
        (http2_proxy(), Behavior::Tunnel, "https://silent.example:80/"),
    ] {
        silent.set_behavior(does);
        let named = proxy.to_string();
        let transport = net.transport().timeouts(timeouts).proxy(proxy).build().unwrap();
        let before = Instant::now();
        let error = transport.request("GET", url).await.unwrap_err();
        assert_eq!(
            (predicates(&error).as_str(), before.elapsed().as_secs()),
            ("timeout, connect", 2)
        );
        let text = error.to_string();
        assert!(text.contains(".example:80 ") && text.contains(&named), "{text}");
        wait_idle(&transport).await;
    }
}

/// What the origin saw of TLS inside a tunnel.
async fn shaken(
    settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
) -> (Option<String>, Option<String>) {
    let (net, _, origin) = scene();
    let tls = TlsConfig::danger_accept_any_certificate();
    let transport = settings(net.transport().tls(tls).proxy(proxy())).build().unwrap();
    let request = transport.request("GET", "https://origin.example/");
    assert_eq!(request.await.unwrap().body(), "hello");
    let handshake = origin.handshakes().remove(0);
    (handshake.server_name, handshake.alpn)
}

#[tokio::test]
async fn versions_of_http_are_those_spoken_with_the_origin() {
    let name = || Some("origin.example".to_owned());
    let agreed = |alpn: &str| (name(), Some(alpn.to_owned()));
    assert_eq!(shaken(|b| b).await, agreed("h2"));
    assert_eq!(shaken(|b| b.http1_only()).await, agreed("http/1.1"));
    assert_eq!(shaken(|b| b.http2_only()).await, agreed("h2"));
    assert_eq!(shaken(|b| b.http2_prior_knowledge()).await, agreed("h2"));
}

#[tokio::test]
async fn prior_knowledge_holds_inside_a_tunnel_without_tls() {
    let (net, proxy_peer, _) = scene();
    let origin = net.plain("plain.example:80", Behavior::Serve);
    let transport = net.transport().http2_prior_knowledge().proxy(proxy()).build().unwrap();
    let response = transport.request("GET", "http://plain.example/").await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert!(origin.heads()[0].starts_with("GET http://plain.example/ "));
    assert!(proxy_peer.heads()[0].starts_with("CONNECT plain.example:80 HTTP/1.1"));
}

#[tokio::test]
async fn the_server_name_is_that_of_the_origin() {
    let (net, _, origin) = scene();
    let leaf = Authority::new().certify("secret.example");
    let peer = net.tls("secret.example:443", Behavior::Tunnel, leaf.server(&[]));
    let tls = TlsConfig::danger_accept_any_certificate();
    let proxy = tunneling("https://secret.example");
    let transport = net.transport().tls(tls).proxy(proxy).build().unwrap();
    let request = transport.request("GET", "https://origin.example/");
    request.extension(ServerName::new("other.example")).await.unwrap();
    assert_eq!(origin.handshakes()[0].server_name.as_deref(), Some("other.example"));
    assert_eq!(peer.handshakes()[0].server_name.as_deref(), Some("secret.example"));
}

#[tokio::test]
async fn the_scheme_says_whether_tls_is_spoken_inside_a_tunnel() {
    for (url, tls) in [
        ("http://both.example:1234/", false),
        ("ws://both.example:1234/", false),
        ("https://both.example:1234/", true),
        ("wss://both.example:1234/", true),
    ] {
        let net = Net::new();
        let leaf = Authority::new().certify("both.example");
        net.plain("proxy.example:8080", Behavior::Tunnel);
        let origin = net.tls("both.example:1234", Behavior::Serve, leaf.server(&[]));
        let any = TlsConfig::danger_accept_any_certificate();
        let transport = net.transport().tls(any).proxy(proxy()).build().unwrap();
        transport.request("GET", url).await.unwrap();
        assert_eq!(origin.handshakes().len(), usize::from(tls), "{url}");
    }
}

/// Every kind of way: forwarded, through tunnels and SOCKS, in line and in a list.
fn every_kind() -> Vec<Route> {
    let at = |scheme: &str| format!("{scheme}://proxy.example:8080");
    let socks = ["socks4", "socks4a", "socks5", "socks5h"];
    let one = |scheme: &str| Route::from(at(scheme).parse::<Proxy>().unwrap());
    let mut ways: Vec<_> = ["http", "https"].into_iter().chain(socks).map(one).collect();
    ways.extend([proxy().into(), tunneling(&at("https")).into(), http2_proxy().into()]);
    let last = || tunneling("http://192.0.2.9");
    ways.extend(socks.map(|scheme| Route::through([at(scheme).parse().unwrap(), last()])));
    ways.push(Route::through([proxy(), last()]));
    ways.push(Route::FirstOf([Route::from(proxy())].into()));
    ways
}

/// Everything of the transport that has to do with connecting.
fn set(builder: TransportBuilder, way: Route) -> Transport {
    let timeouts = Timeouts::none().connect(Duration::from_secs(2));
    let builder = builder.timeouts(timeouts).connect_retries(2);
    builder.local_address(IpAddr::from([127, 0, 0, 2])).proxy(way).build().unwrap()
}

const BY_ADDRESS: &str = "http://192.0.2.1/";

#[tokio::test(start_paused = true)]
async fn retries_and_the_local_address_act_on_every_kind_of_way() {
    for way in every_kind() {
        let (net, peer, _) = scene();
        peer.set_behavior(Behavior::Refuse);
        let transport = set(net.transport(), way.clone());
        let error = transport.request("GET", BY_ADDRESS).await.unwrap_err();
        assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{way}: {error:?}");
        let from: Vec<_> = net.dialed().iter().map(|target| target.local_address).collect();
        assert_eq!(from, [Some(IpAddr::from([127, 0, 0, 2])); 3], "{way}");
        wait_idle(&transport).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_connect_timeout_acts_on_every_kind_of_way() {
    for way in every_kind() {
        let (net, peer, _) = scene();
        peer.set_behavior(Behavior::Nothing);
        let transport = set(net.transport(), way.clone());
        let before = Instant::now();
        let ends = Duration::from_secs(5);
        match tokio::time::timeout(ends, transport.request("GET", BY_ADDRESS)).await {
            Ok(error) => {
                let error = error.unwrap_err();
                assert_eq!(predicates(&error), "timeout, connect", "{way}");
                assert_eq!(before.elapsed().as_secs(), 2, "{way}");
                let text = error.to_string();
                assert!(text.contains("proxy.example:8080"), "{text}");
            }
            // A connection to a proxy that forwards is one as soon as it is open: the rest is the answer's time.
            Err(_) => assert_eq!(way.to_string(), "through http://proxy.example:8080"),
        }
        drop(transport);
        run_ready_tasks().await;
        assert_eq!(peer.open(), 0, "{way}");
    }
}

/// Whether a setting of a proxy acts if it has this scheme.
type Setting = (&'static str, fn(Proxy) -> Proxy, fn(&str) -> bool);

const SETTINGS: &[Setting] = &[
    ("tls", |it| it.tls(TlsConfig::danger_accept_any_certificate()), |scheme| scheme == "https"),
    ("server_name", |it| it.server_name(ServerName::new("a.example")), |scheme| scheme == "https"),
    ("protocols", |it| it.protocols(Protocols::Http1Only), |scheme| scheme.starts_with("http")),
    ("header", |it| it.header(HOST_OF_NOBODY, HeaderValue::from_static("a")), of_http),
    ("connect_headers", |it| it.connect_headers(|_| Ok(HeaderMap::new())), of_http),
    ("authenticate", |it| it.authenticate(|_: &Authorizing<'_>| None), of_http),
    ("preemptive", |it| it.preemptive(false), |scheme| !scheme.starts_with("socks4")),
    ("tunnel_http", |it| it.tunnel_http(true), |_| true),
    ("credentials", |it| it.credentials(Credentials::new("user", "")), |_| true),
];

const HOST_OF_NOBODY: HeaderName = HeaderName::from_static("x-a");

fn of_http(scheme: &str) -> bool {
    scheme.starts_with("http")
}

#[tokio::test]
async fn a_setting_of_a_proxy_acts_or_is_an_error() {
    let (net, _, _) = scene();
    for scheme in ["http", "https", "socks4", "socks4a", "socks5", "socks5h"] {
        for (setter, set, acts) in SETTINGS {
            for url in ["http://127.0.0.1/", "https://127.0.0.1/"] {
                let proxy = set(format!("{scheme}://nobody.example").parse().unwrap());
                let transport = net.transport().build().unwrap();
                let request = transport.request("GET", url).extension(ProxyOverride::to(proxy));
                let error = request.await.unwrap_err();
                let named = error.to_string().contains(&format!("no place for `{setter}`"));
                assert_eq!(
                    (error.is_builder(), named),
                    (!acts(scheme), !acts(scheme)),
                    "{error:?}"
                );
                assert_eq!(net.take_dialed().len(), usize::from(acts(scheme)), "{scheme} {setter}");
            }
        }
    }
}

#[test]
fn a_unix_socket_and_a_proxy_exclude_each_other() {
    let error = Transport::builder().unix_socket("/tmp/socket").proxy(proxy()).build().unwrap_err();
    assert!(
        error.is_builder() && error.to_string().contains("`unix_socket` and `proxy`"),
        "{error}"
    );
}

/// A setting each that its scheme has no place for.
fn misplaced() -> [Proxy; 3] {
    let given = |url| Proxy::new(url).unwrap();
    [
        given("http://proxy.example:8080").tls(TlsConfig::danger_accept_any_certificate()),
        given("http://proxy.example:8080").server_name(ServerName::new("other.example")),
        given("socks5h://proxy.example").header("x-a".parse().unwrap(), "b".parse().unwrap()),
    ]
}

#[test]
fn a_setting_without_a_place_in_a_proxy_of_the_rules_is_a_mistake_of_the_transport() {
    for proxy in misplaced() {
        for rules in [
            ProxyRules::all(proxy.clone()),
            ProxyRules::none().host("origin.example", proxy.clone()).unwrap(),
            ProxyRules::none().https(Route::first_of([Route::Direct, proxy.clone().into()])),
        ] {
            let error = Transport::builder().proxy(rules).build().unwrap_err();
            let cause = error.cause::<Error>().map(ToString::to_string);
            let says = cause.is_some_and(|cause| cause.contains("no place for"));
            assert!(error.is_builder() && says, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_setting_without_a_place_in_a_proxy_is_an_error_before_it_is_connected_to() {
    for proxy in misplaced() {
        for url in ["http://origin.example/", "https://origin.example/"] {
            let (net, _, _) = scene();
            let transport = net.transport().build().unwrap();
            let request = transport.request("GET", url).extension(ProxyOverride::to(proxy.clone()));
            let error = request.await.unwrap_err();
            assert!(error.is_builder() && error.to_string().contains("no place for"), "{error:?}");
            assert!(net.dialed().is_empty());
        }
    }
}

/// How often the proxy is asked when a request has this way of its own.
async fn asked(
    builder: impl FnOnce(TransportBuilder) -> TransportBuilder,
    way: ProxyOverride,
) -> usize {
    let (net, peer, _) = scene();
    let transport = builder(net.transport()).build().unwrap();
    let request = transport.request("GET", "http://origin.example/").extension(way);
    assert_eq!(request.await.unwrap().body(), "hello");
    peer.heads().len()
}

#[tokio::test]
async fn a_request_may_go_another_way_than_its_transport() {
    assert_eq!(asked(|builder| builder.proxy(proxy()), ProxyOverride::direct()).await, 0);
    assert_eq!(asked(|builder| builder, ProxyOverride::to(proxy())).await, 1);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_connections_that_carry_tunnels() {
    let (net, peer, _) = scene();
    let transport = net.transport().proxy(http2_proxy()).build().unwrap();
    transport.request("GET", "http://origin.example/").await.unwrap();
    assert_eq!(peer.open(), 1);
    assert!(transport.close().await);
    run_ready_tasks().await;
    assert_eq!(peer.open(), 0);
    let error = transport.request("GET", "http://origin.example/").await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn connections_that_carry_no_tunnel_end_after_the_idle_timeout() {
    let (net, peer, _) = scene();
    let builder = net.transport().proxy(http2_proxy()).idle_timeout(Duration::from_secs(5));
    let transport = builder.build().unwrap();
    transport.request("GET", "http://origin.example/").await.unwrap();
    // The tunnel is idle for 5 s, and then what has carried it.
    sleep(Duration::from_secs(9)).await;
    let stats = transport.stats();
    assert_eq!((peer.open(), stats.connections.len(), stats.idle_connections()), (1, 1, 1));
    sleep(Duration::from_secs(2)).await;
    assert_eq!((peer.open(), transport.stats().connections.len()), (0, 0));
}

#[tokio::test]
async fn the_limit_of_connections_counts_tunnels() {
    let (net, peer, _) = scene();
    let transport = net.transport().proxy(proxy()).max_connections(1).build().unwrap();
    net.plain("other.example:80", Behavior::Serve);
    for host in ["origin.example", "other.example", "origin.example"] {
        transport.request("GET", format!("http://{host}/")).await.unwrap();
        run_ready_tasks().await;
        assert_eq!((peer.open(), transport.stats().connections.len()), (1, 1));
    }
}

/// Plays a proxy of SOCKS 5 that opens a connection to an IPv4 address.
fn socks5() -> Vec<Step> {
    let granted = send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38");
    vec![Read(3), send(b"\x05\x00"), Read(10), granted]
}

/// Asks for 192.0.2.7:80.
const ASKED_FOR: &[u8] = b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x07\x00\x50";

/// Knows the address of the origin, and panics if it is asked before it is ready.
fn resolver() -> impl Resolve<Error: Send> + Clone + Send + 'static {
    let known = StaticResolver::new().address("origin.example", ips(["192.0.2.7"]));
    tower::limit::ConcurrencyLimit::new(known, 1)
}

#[tokio::test]
async fn a_layer_gives_a_proxy_of_socks_5_the_address_that_its_resolver_knows() {
    let (peer, connector) = socks_proxy::start(vec![socks5()]);
    let layer = ProxyLayer::new(Proxy::new("socks5://proxy.example").unwrap());
    let layer = layer.resolver(resolver()).layer(connector);
    drop(layer.clone().oneshot(target("http://origin.example/")).await.unwrap());
    assert_eq!(peer.received().await, [ASKED_FOR]);
    let error = layer.oneshot(target("http://unknown.example/")).await.map(drop).unwrap_err();
    assert!(error.is_dns() && !error.is_proxy() && error.is_unsent(), "{error:?}");
    assert!(error.to_string().contains("unknown.example"), "{error}");
}

#[tokio::test]
async fn a_transport_gives_a_proxy_of_socks_5_the_address_that_its_resolver_knows() {
    let script = first([socks5(), vec![Head, say(HELLO)]].concat());
    let scene = Scene::tcp_with(script, |_| Transport::builder().resolver(resolver()));
    // By its address: the name of the scene is that of the origin behind it.
    let at = scene.host.replace("origin.example", "127.0.0.1");
    let proxy = Proxy::new(&format!("socks5://{at}")).unwrap();
    let request = scene.transport.request("GET", "http://origin.example/");
    let response = request.extension(ProxyOverride::to(proxy)).await.unwrap();
    assert_eq!(response.body(), "hello");
    assert!(scene.origin.received().await[0].starts_with(ASKED_FOR));
}

#[tokio::test]
async fn rules_that_have_no_route_fail_a_layer_before_it_connects() {
    let (net, ..) = scene();
    let rules = ProxyRules::from_vars(|name| (name == "HTTP_PROXY").then(|| "ftp://p".to_owned()));
    let mut layer = ProxyLayer::new(rules).layer(net.connector());
    let error = layer.call(target("http://origin.example/")).await.map(drop).unwrap_err();
    assert!(error.is_builder() && format!("{error:?}").contains("HTTP_PROXY"), "{error:?}");
    assert!(net.dialed().is_empty());
}

#[tokio::test]
async fn a_route_through_no_proxies_is_direct() {
    let (net, ..) = scene();
    let mut target = target("http://origin.example/");
    target.route = Route::Proxies([].into());
    let layer = ProxyLayer::new(ProxyRules::all(proxy())).layer(net.connector());
    assert!(layer.oneshot(target).await.is_ok());
    assert_eq!(net.dialed()[0].origin.host(), "origin.example");
}
