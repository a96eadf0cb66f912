//! TLS to proxies, and TLS to origins inside of it: each hop has its own trust, name, certificate and versions.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::{
    ServerConfig,
    server::{ServerSessionMemoryCache, StoresServerSessions},
};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::ConnectInfo,
    options::{Protocols, ServerName},
    proxy::Proxy,
    target::Route,
    tls::TlsConfig,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scene::{predicates, wait_idle},
    tls_peer::{Authority, Leaf},
};

/// A proxy and an origin, each with an authority of its own.
struct Scene {
    net: Net,
    of_proxy: Authority,
    of_origin: Authority,
}

impl Scene {
    fn new() -> Self {
        Self { net: Net::new(), of_proxy: Authority::new(), of_origin: Authority::new() }
    }

    fn proxy(&self, tls: ServerConfig) -> Arc<Peer> {
        self.net.tls("proxy.example:443", Behavior::Tunnel, tls)
    }

    fn origin(&self, tls: ServerConfig) -> Arc<Peer> {
        self.net.tls("origin.example:443", Behavior::Serve, tls)
    }

    /// Both with good certificates, and those who trust them.
    fn good(&self) -> (Arc<Peer>, Arc<Peer>, Proxy, TlsConfig) {
        let proxy = self.proxy(self.of_proxy.certify("proxy.example").server(&["http/1.1"]));
        let origin = self.origin(self.of_origin.certify("origin.example").server(&["h2"]));
        let trusted = tunneling("https://proxy.example").tls(trusting(&self.of_proxy));
        (proxy, origin, trusted, trusting(&self.of_origin))
    }

    fn transport(&self, proxy: Proxy, tls: TlsConfig) -> Transport {
        self.net.transport().max_connections(1).tls(tls).proxy(proxy).build().unwrap()
    }
}

fn trusting(authority: &Authority) -> TlsConfig {
    TlsConfig::roots_pem(authority.pem()).unwrap()
}

fn with(tls: TlsConfig, leaf: &Leaf) -> TlsConfig {
    tls.identity_pem(&leaf.certificate_pem, &leaf.key_pem).unwrap()
}

async fn get(transport: &Transport) -> Result<ConnectInfo, Error> {
    let response = transport.request("GET", "https://origin.example/").await?;
    assert_eq!(response.body(), "hello");
    Ok(ConnectInfo::of(&response).unwrap().clone())
}

#[tokio::test]
async fn tls_inside_tls_has_a_name_and_versions_for_each_hop() {
    let scene = Scene::new();
    let (proxy, origin, trusted, tls) = scene.good();
    let info = get(&scene.transport(trusted, tls)).await.unwrap();
    assert_eq!((info.server_name(), info.alpn()), (Some("origin.example"), Some(&b"h2"[..])));
    let seen = [&proxy, &origin].map(|peer| {
        let handshake = peer.handshakes().remove(0);
        (handshake.server_name.unwrap(), handshake.alpn.unwrap(), handshake.client.is_some())
    });
    let (name, http1, http2) = (str::to_owned, "http/1.1".to_owned(), "h2".to_owned());
    let expected = [(name("proxy.example"), http1, false), (name("origin.example"), http2, false)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_proxy_may_choose_http2_by_alpn() {
    let scene = Scene::new();
    let (_, origin, trusted, tls) = scene.good();
    let leaf = scene.of_proxy.certify("proxy.example");
    for (offered, allowed, agreed) in [
        (&["h2", "http/1.1"], Protocols::Negotiated, "h2"),
        (&["h2", "http/1.1"], Protocols::Http2Only, "h2"),
        (&["h2", "http/1.1"], Protocols::Http1Only, "http/1.1"),
    ] {
        let proxy = scene.proxy(leaf.server(offered));
        let transport = scene.transport(trusted.clone().protocols(allowed), tls.clone());
        get(&transport).await.unwrap();
        assert_eq!(proxy.handshakes()[0].alpn.as_deref(), Some(agreed));
    }
    assert_eq!(origin.handshakes().len(), 3);
}

#[tokio::test]
async fn a_proxy_has_the_trust_of_the_transport_unless_it_has_its_own() {
    let scene = Scene::new();
    scene.good();
    let plain = || tunneling("https://proxy.example");
    let both = TlsConfig::roots_pem(scene.of_proxy.pem()).unwrap();
    let both = both.add_roots_pem(scene.of_origin.pem()).unwrap();
    get(&scene.transport(plain(), both.clone())).await.unwrap();
    let error = get(&scene.transport(plain(), trusting(&scene.of_origin))).await.unwrap_err();
    assert!(error.is_proxy() && error.is_tls(), "{error:?}");
    let own = plain().tls(trusting(&Authority::new()));
    let error = get(&scene.transport(own, both)).await.unwrap_err();
    assert!(error.is_proxy() && error.is_tls(), "{error:?}");
}

#[tokio::test]
async fn the_trust_of_a_proxy_is_not_that_of_the_origin() {
    let scene = Scene::new();
    let (_, _, trusted, _) = scene.good();
    let error = get(&scene.transport(trusted, trusting(&scene.of_proxy))).await.unwrap_err();
    assert!(!error.is_proxy() && error.is_tls(), "{error:?}");
}

#[tokio::test]
async fn a_proxy_may_have_another_name_than_its_host() {
    let scene = Scene::new();
    let (_, _, trusted, tls) = scene.good();
    let proxy = scene.proxy(scene.of_proxy.certify("other.example").server(&[]));
    let error = get(&scene.transport(trusted.clone(), tls.clone())).await.unwrap_err();
    assert!(error.is_proxy() && error.is_tls(), "{error:?}");
    let named = trusted.server_name(ServerName::new("other.example"));
    get(&scene.transport(named, tls)).await.unwrap();
    assert_eq!(proxy.handshakes()[0].server_name.as_deref(), Some("other.example"));
}

/// Both ask for a certificate of `clients`, and take none, too: what each was shown.
async fn shown(
    of_proxy: impl FnOnce(TlsConfig) -> Option<TlsConfig>,
    of_origin: impl FnOnce(TlsConfig) -> TlsConfig,
    clients: &Authority,
) -> [Option<Vec<u8>>; 2] {
    let scene = Scene::new();
    let asking = |leaf: Leaf| leaf.server_asking_clients_of(clients);
    let proxy = scene.proxy(asking(scene.of_proxy.certify("proxy.example")));
    let origin = scene.origin(asking(scene.of_origin.certify("origin.example")));
    let both = trusting(&scene.of_origin).add_roots_pem(scene.of_proxy.pem()).unwrap();
    let to_proxy = tunneling("https://proxy.example");
    let to_proxy = match of_proxy(trusting(&scene.of_proxy)) {
        Some(tls) => to_proxy.tls(tls),
        None => to_proxy,
    };
    get(&scene.transport(to_proxy, of_origin(both))).await.unwrap();
    [proxy, origin].map(|peer| peer.handshakes().remove(0).client)
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_whom_it_is_for() {
    let clients = Authority::new();
    let (a, b) = (clients.certify("a.example"), clients.certify("b.example"));
    let of = |leaf: &Leaf| Some(leaf.der().to_vec());
    let none = shown(|_| None, |tls| tls, &clients).await;
    assert_eq!(none, [None, None]);
    let origin_alone = shown(|_| None, |tls| with(tls, &a), &clients).await;
    assert_eq!(origin_alone, [None, of(&a)], "that of the origin is not for the proxy");
    let proxy_alone = shown(|tls| Some(with(tls, &b)), |tls| tls, &clients).await;
    assert_eq!(proxy_alone, [of(&b), None], "that of the proxy is not for the origin");
    let each = shown(|tls| Some(with(tls, &b)), |tls| with(tls, &a), &clients).await;
    assert_eq!(each, [of(&b), of(&a)]);
}

#[tokio::test]
async fn a_client_certificate_that_is_given_per_target_is_not_shown_to_a_proxy() {
    let clients = Authority::new();
    let (leaf, scene) = (clients.certify("a.example"), Scene::new());
    let asking = |leaf: Leaf| leaf.server_asking_clients_of(&clients);
    let proxy = scene.proxy(asking(scene.of_proxy.certify("proxy.example")));
    let origin = scene.origin(asking(scene.of_origin.certify("origin.example")));
    let config = Arc::new(leaf.client(&[&scene.of_proxy, &scene.of_origin]));
    let tls = TlsConfig::per_target(move |_| config.clone());
    get(&scene.transport(tunneling("https://proxy.example"), tls)).await.unwrap();
    let shown = [proxy, origin].map(|peer| peer.handshakes().remove(0).client);
    assert_eq!(shown, [None, Some(leaf.der().to_vec())]);
}

/// What is wrong with a certificate for a name.
type Wrong = fn(&Authority, &str) -> ServerConfig;

const WRONG: [Wrong; 5] = [
    |_, name| Leaf::self_signed(name).server(&[]),
    |_, name| Authority::new().certify(name).server(&[]),
    |authority, _| authority.certify("other.example").server(&[]),
    |authority, name| {
        let expired = |params: &mut rcgen::CertificateParams| {
            params.not_after = date_time_ymd(2020, 1, 1);
        };
        authority.certify_as(name, expired).server(&[])
    },
    |authority, name| {
        let of_a_client = |params: &mut rcgen::CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        authority.certify_as(name, of_a_client).server(&[])
    },
];

/// What comes of a GET by this route, on which one certificate is wrong: nothing is heard of it, and all is closed but for
/// so many connections.
async fn refused(scene: &Scene, route: Route, peers: &[&Peer], kept: usize) -> Error {
    let tls = trusting(&scene.of_origin);
    let transport = scene.net.transport().max_connections(1).tls(tls).proxy(route).build().unwrap();
    let error = get(&transport).await.unwrap_err();
    assert_eq!((predicates(&error).as_str(), error.was_sent()), ("connect, tls", false));
    wait_idle(&transport).await;
    run_ready_tasks().await;
    assert_eq!(transport.stats().connections.len(), kept);
    for peer in peers {
        assert_eq!(peer.open(), 0);
        assert!(!peer.received_text("get "), "{:?}", peer.heads());
    }
    error
}

/// The sessions of a server, and how many were resumed.
#[derive(Debug)]
struct Sessions(Arc<dyn StoresServerSessions>, AtomicUsize);

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let session = self.0.take(key);
        self.1.fetch_add(usize::from(session.is_some()), Ordering::SeqCst);
        session
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn no_session_with_a_proxy_is_resumed_with_an_origin_of_the_same_name() {
    let (net, authority) = (Net::new(), Authority::new());
    let mut server = authority.certify("same.example").server(&["http/1.1"]);
    let resumed = |sessions: &Sessions| sessions.1.load(Ordering::SeqCst);
    let sessions = Arc::new(Sessions(ServerSessionMemoryCache::new(100), AtomicUsize::new(0)));
    server.session_storage = sessions.clone();
    net.tls("same.example:8443", Behavior::Tunnel, server.clone());
    net.tls("same.example:443", Behavior::Serve, server);
    let transport = net.transport().tls(trusting(&authority)).max_idle(0);
    let transport = transport.proxy(tunneling("https://same.example:8443")).build().unwrap();
    // One handshake with the proxy and one with the origin; the second two resume what belongs to them.
    for expected in [0, 2] {
        let response = transport.request("GET", "https://same.example/").await.unwrap();
        assert_eq!(response.body(), "hello");
        assert_eq!(resumed(&sessions), expected);
        run_ready_tasks().await;
    }
}

#[tokio::test]
async fn a_wrong_certificate_fails_on_every_way() {
    for wrong in WRONG {
        let scene = Scene::new();
        let (proxy, _, trusted, _) = scene.good();
        let origin = scene.origin(wrong(&scene.of_origin, "origin.example"));
        let plain = scene.net.plain("plain.example:8080", Behavior::Tunnel);
        let in_plain = tunneling("http://plain.example:8080");
        let http2 = in_plain.clone().protocols(Protocols::Http2PriorKnowledge);
        let chain = Route::through([in_plain.clone(), trusted.clone()]);
        let socks = ["socks5h", "socks4a"].map(|scheme| {
            Route::from(format!("{scheme}://plain.example:8080").parse::<Proxy>().unwrap())
        });
        let ways = [Route::Direct, in_plain.into(), trusted.into(), chain];
        for route in ways.into_iter().chain(socks) {
            let error = refused(&scene, route, &[&proxy, &origin, &plain], 0).await;
            assert!(!error.is_proxy() && error.to_string().contains("origin.example"), "{error:?}");
        }
        // The connection to the proxy is as good as before.
        let error = refused(&scene, http2.into(), &[&origin], 1).await;
        assert!(!error.is_proxy(), "{error:?}");
    }
}

#[tokio::test]
async fn a_wrong_certificate_of_a_proxy_fails_on_every_way() {
    for wrong in WRONG {
        let scene = Scene::new();
        let (_, origin, trusted, _) = scene.good();
        let proxy = scene.proxy(wrong(&scene.of_proxy, "proxy.example"));
        let plain = scene.net.plain("plain.example:8080", Behavior::Tunnel);
        let nearer = tunneling("http://plain.example:8080");
        let further = Route::through([trusted.clone(), nearer.clone()]);
        let nearer = Route::through([nearer, trusted.clone()]);
        for route in [trusted.into(), nearer, further] {
            let error = refused(&scene, route, &[&proxy, &origin, &plain], 0).await;
            assert!(error.is_proxy() && error.to_string().contains("proxy.example"), "{error:?}");
        }
        assert_eq!(origin.opened(), 0);
    }
}

#[tokio::test]
async fn plain_text_where_a_proxy_should_speak_tls_is_its_fault() {
    let scene = Scene::new();
    let peer = scene.net.plain("proxy.example:443", Behavior::Serve);
    let tls = trusting(&scene.of_origin);
    let transport = scene.transport(tunneling("https://proxy.example"), tls);
    let error = get(&transport).await.unwrap_err();
    assert!(error.is_proxy() && error.is_tls() && !error.was_sent(), "{error:?}");
    wait_idle(&transport).await;
    run_ready_tasks().await;
    assert_eq!(peer.open(), 0);
}

#[tokio::test]
async fn a_proxy_with_a_wrong_certificate_is_not_passed_over_in_a_list() {
    let scene = Scene::new();
    let (_, origin, trusted, tls) = scene.good();
    scene.proxy(Authority::new().certify("proxy.example").server(&[]));
    let list = Route::first_of([trusted.into(), Route::Direct]);
    let transport = scene.net.transport().tls(tls).proxy(list).build().unwrap();
    let error = get(&transport).await.unwrap_err();
    assert!(error.is_tls() && error.is_proxy(), "{error:?}");
    assert_eq!(origin.opened(), 0);
}

#[tokio::test]
async fn tls_that_is_cut_off_inside_a_tunnel_is_nobodys_fault_that_is_known() {
    let (scene, open) = (Scene::new(), "HTTP/1.1 200 OK\r\n\r\n\x16\x03");
    let peer = scene.net.plain("proxy.example:80", Behavior::Say(open));
    let tls = trusting(&scene.of_origin);
    let transport = scene.transport(tunneling("http://proxy.example"), tls);
    let getting = tokio::spawn(async move { get(&transport).await });
    while peer.heads().is_empty() {
        run_ready_tasks().await;
    }
    peer.close_all();
    let error = getting.await.unwrap().unwrap_err();
    // Whoever cut it off: it was the origin that was spoken with.
    assert!(error.is_tls() && error.is_connect() && !error.is_proxy(), "{error:?}");
    assert!(!error.was_sent() && error.to_string().contains("origin.example"), "{error:?}");
    assert!(error.to_string().contains("through http://proxy.example"), "{error}");
}
