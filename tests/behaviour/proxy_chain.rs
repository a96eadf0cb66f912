//! Routes through several proxies: each receives the name of the next hop, and nothing of the others.

use std::sync::Arc;

use tower::{Layer, ServiceExt};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::Connect,
    options::{Protocols, ProxyOverride},
    proxy::{ForwardLayer, Proxy, Socks5Layer, TunnelLayer},
    target::{Route, Target},
    tls::{TlsConfig, TlsLayer},
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scene::wait_idle,
    socks_proxy::texts,
    targets::target,
    tls_peer::Authority,
};

const ONE: &str = "one.example:8080";
const TWO: &str = "two.example:8080";
const ORIGIN: &str = "origin.example:80";

/// Two proxies and an origin, which speak whatever they are spoken to in.
struct Scene {
    net: Net,
    one: Arc<Peer>,
    two: Arc<Peer>,
    origin: Arc<Peer>,
    tls: TlsConfig,
}

impl Scene {
    fn new() -> Self {
        let (net, authority) = (Net::new(), Authority::new());
        let proxy = |name: &str| {
            let host = name.split(':').next().unwrap();
            net.tls(name, Behavior::Tunnel, authority.certify(host).server(&[]))
        };
        let (one, two) = (proxy(ONE), proxy(TWO));
        let origin = net.plain(ORIGIN, Behavior::Serve);
        Self { net, one, two, origin, tls: TlsConfig::roots_pem(authority.pem()).unwrap() }
    }

    fn through(&self, proxies: [Proxy; 2]) -> Transport {
        let builder = self.net.transport().max_connections(1).tls(self.tls.clone());
        builder.proxy_chain(proxies).build().unwrap()
    }

    /// Each proxy received the name of the next hop, and its own credentials alone.
    fn assert_routed_in_order(&self) {
        let asked = |peer: &Peer, name: &str| {
            let head = peer.heads().remove(0);
            assert!(head.starts_with(&format!("CONNECT {name} ")), "{head}");
        };
        asked(&self.one, TWO);
        asked(&self.two, ORIGIN);
        // Base64 of one:first and two:second.
        for (peer, own, others) in [
            (&self.one, "b25lOmZpcnN0", "dHdvOnNlY29uZA=="),
            (&self.two, "dHdvOnNlY29uZA==", "b25lOmZpcnN0"),
        ] {
            assert!(peer.received_text(own) && !peer.received_text(others), "{:?}", peer.heads());
        }
        assert!(!self.origin.received_text("proxy-authorization"));
    }
}

fn chain(schemes: [&str; 2]) -> [Proxy; 2] {
    let [one, two] = schemes;
    [
        tunneling(&format!("{one}://one:first@{ONE}")),
        tunneling(&format!("{two}://two:second@{TWO}")),
    ]
}

async fn get(transport: &Transport) -> Result<(), Error> {
    let response = transport.request("GET", "http://origin.example/").await?;
    assert_eq!(response.body(), "hello");
    Ok(())
}

#[tokio::test]
async fn the_nearest_is_asked_for_the_next_and_the_last_for_the_origin() {
    for schemes in [["http", "http"], ["https", "http"], ["http", "https"], ["https", "https"]] {
        let scene = Scene::new();
        get(&scene.through(chain(schemes))).await.unwrap();
        scene.assert_routed_in_order();
        let private = [&scene.one, &scene.two].map(|proxy| !proxy.handshakes().is_empty());
        assert_eq!(private, schemes.map(|scheme| scheme == "https"));
    }
}

#[tokio::test]
async fn a_request_can_ask_for_a_chain() {
    let scene = Scene::new();
    let transport = scene.net.transport().build().unwrap();
    let request = transport.request("GET", "http://origin.example/");
    let chain = ProxyOverride::to(Route::through(chain(["http", "http"])));
    assert_eq!(request.extension(chain).await.unwrap().body(), "hello");
    scene.assert_routed_in_order();
}

#[tokio::test]
async fn http2_in_http2_carries_many_tunnels_on_two_connections() {
    let scene = Scene::new();
    let http2 = |proxy: Proxy| proxy.protocols(Protocols::Http2PriorKnowledge);
    let proxies = chain(["http", "http"]).map(http2);
    let transport = scene.net.transport().proxy_chain(proxies).build().unwrap();
    for port in 1..=20 {
        scene.net.plain(&format!("origin.example:{port}"), Behavior::Serve);
    }
    let get =
        |port| transport.request("GET", format!("http://origin.example:{port}/")).into_future();
    for response in futures_util::future::join_all((1..=20).map(get)).await {
        assert_eq!(response.unwrap().body(), "hello");
    }
    assert_eq!((scene.one.opened(), scene.two.opened()), (1, 1));
    assert_eq!((scene.one.heads().len(), scene.two.heads().len()), (1, 20));
}

async fn is_open(connector: impl Connect<Target>) {
    let connecting = connector.oneshot(target("http://origin.example/"));
    assert!(connecting.await.is_ok());
}

#[tokio::test]
async fn tunnels_can_be_stacked_by_hand() {
    let scene = Scene::new();
    let [one, two] = chain(["http", "https"]);
    let to_one = TunnelLayer::new(one).layer(scene.net.connector());
    let to_two = TlsLayer::new(scene.tls.clone()).layer(to_one);
    is_open(TunnelLayer::new(two).layer(to_two)).await;
    scene.assert_routed_in_order();
    assert!(scene.origin.heads().is_empty());
}

/// A way through so many proxies of this scheme.
fn long(scheme: &str, length: usize) -> Route {
    let proxy = |number| tunneling(&format!("{scheme}://{number}.example:8080"));
    Route::through((0..length).map(proxy))
}

#[tokio::test]
async fn a_way_through_more_than_sixteen_proxies_is_an_error() {
    let net = Net::new();
    for (scheme, length) in [("http", 17), ("https", 10_000), ("socks5h", 10_000), ("socks4", 20)] {
        let transport = net.transport().proxy(long(scheme, length)).build().unwrap();
        let error = transport.request("GET", "http://origin.example/").await.unwrap_err();
        assert!(error.is_builder(), "{error:?}");
        let text = format!("the route to http://origin.example has {length} proxies: 16 at most");
        assert_eq!(error.to_string(), text);
        wait_idle(&transport).await;
    }
    assert!(net.dialed().is_empty());
}

#[tokio::test]
async fn sixteen_proxies_in_line_are_gone_through() {
    let net = Net::new();
    let tls = Authority::new();
    net.plain(ORIGIN, Behavior::Serve);
    for number in 0..16 {
        let leaf = tls.certify(&format!("{number}.example"));
        net.tls(&format!("{number}.example:8080"), Behavior::Tunnel, leaf.server(&[]));
    }
    for scheme in ["http", "https"] {
        let trust = TlsConfig::roots_pem(tls.pem()).unwrap();
        let builder = net.transport().tls(trust).proxy(long(scheme, 16));
        get(&builder.build().unwrap()).await.unwrap();
    }
}

/// What comes of a connector that believes to be at the second proxy, where the first reads and forwards.
async fn misled<C: Connect<Target>>(scene: &Scene, connector: C) {
    let outcome = connector.oneshot(target("http://origin.example/")).await;
    let error: Box<dyn std::error::Error + Send + Sync> = outcome.err().unwrap().into();
    let error = error.downcast::<Error>().unwrap();
    assert!(error.is_builder() && !error.is_proxy() && !error.was_sent(), "{error:?}");
    let text = "http://***@one.example:8080 forwards requests, so it cannot lead to the proxy";
    assert!(texts(&error).contains(text), "{error:?}");
    run_ready_tasks().await;
    assert_eq!((scene.one.heads().len(), scene.one.open()), (0, 0), "nothing was sent");
}

#[tokio::test]
async fn a_proxy_that_forwards_does_not_receive_what_is_for_the_next() {
    let scene = Scene::new();
    let proxy = |url: &str| url.parse::<Proxy>().unwrap();
    let one = || ForwardLayer::new(proxy("http://one:first@one.example:8080"));
    let forwarding = || one().layer(scene.net.connector());
    let two = |scheme: &str| proxy(&format!("{scheme}://two:second@two.example:80"));
    misled(&scene, TunnelLayer::new(two("http")).layer(forwarding())).await;
    misled(&scene, ForwardLayer::new(two("http")).layer(forwarding())).await;
    misled(&scene, Socks5Layer::new(two("socks5h")).layer(forwarding())).await;
}

/// What a GET comes to if the peer does this, and who is named by the error.
async fn failed(peer: fn(&Scene) -> &Arc<Peer>, does: Behavior) -> Error {
    for schemes in [["http", "http"], ["https", "https"]] {
        let scene = Scene::new();
        peer(&scene).set_behavior(does);
        let transport = scene.through(chain(schemes));
        let error = get(&transport).await.unwrap_err();
        assert!(error.is_proxy() && error.is_connect() && !error.was_sent(), "{error:?}");
        wait_idle(&transport).await;
        peer(&scene).set_behavior(Behavior::Tunnel);
        get(&transport).await.unwrap();
        drop(transport);
        run_ready_tasks().await;
        assert_eq!([&scene.one, &scene.two, &scene.origin].map(|peer| peer.open()), [0, 0, 0]);
    }
    let scene = Scene::new();
    peer(&scene).set_behavior(does);
    get(&scene.through(chain(["http", "http"]))).await.unwrap_err()
}

const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn the_nearest_that_cannot_be_reached_is_named() {
    let error = failed(|scene| &scene.one, Behavior::Refuse).await;
    assert_eq!(error.to_string(), format!("connecting to the proxy http://***@{ONE}"));
}

#[tokio::test]
async fn the_nearest_that_refuses_is_named_with_the_next() {
    let error = failed(|scene| &scene.one, Behavior::Say(FORBIDDEN)).await;
    let text = format!("opening a tunnel to {TWO} through the proxy http://***@{ONE}");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert_eq!(error.proxy_status().unwrap().as_u16(), 403);
}

#[tokio::test]
async fn a_next_that_cannot_be_reached_is_what_the_nearest_says() {
    let error = failed(|scene| &scene.two, Behavior::Refuse).await;
    let text = format!("opening a tunnel to {TWO} through the proxy http://***@{ONE}");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert_eq!(error.proxy_status().unwrap().as_u16(), 502);
}

#[tokio::test]
async fn a_last_that_refuses_is_named_with_the_origin_and_the_way_to_it() {
    let error = failed(|scene| &scene.two, Behavior::Say(FORBIDDEN)).await;
    let (one, two) = (format!("http://***@{ONE}"), format!("http://***@{TWO}"));
    let text = format!("opening a tunnel to {ORIGIN} through the proxy {two} through {one}");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert_eq!(error.proxy_status().unwrap().as_u16(), 403);
}
