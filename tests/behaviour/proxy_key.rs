//! What a connection is kept under: whatever of the way to the origin differs, differs in the connection.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request};
use tower::{ServiceBuilder, ServiceExt};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    auth::{Authorizing, Credentials},
    connect::ConnectInfo,
    http::NegotiateLayer,
    options::{Protocols, ProxyOverride, ServerName, TlsIdentity},
    pool::PoolLayer,
    proxy::{Proxy, ProxyLayer},
    target::{Origin, Route, Target},
    tls::{TlsConfig, TlsLayer},
};

use crate::support::{
    net::{Behavior, Net, Peer},
    proxy::tunneling,
    targets::target,
    tls_peer::Authority,
};

/// The origins and the proxies that all scenes have: each speaks whatever it is spoken to in.
struct World {
    net: Net,
    peers: Vec<Arc<Peer>>,
}

impl World {
    fn new() -> Self {
        let (net, leaf) = (Net::new(), Authority::new().certify("example"));
        let served = ["origin.example:80", "origin.example:443", "other.example:80"];
        let served =
            served.map(|name| net.tls(name, Behavior::Serve, leaf.server(&["h2", "http/1.1"])));
        let names = ["proxy.example:8080", "proxy.example:8081", "proxy2.example:8080"];
        let proxies = names.map(|name| net.tls(name, Behavior::Tunnel, leaf.server(&[])));
        let last = net.plain("last.example:3128", Behavior::Tunnel);
        let peers = served.into_iter().chain(proxies).chain([last]).collect();
        Self { net, peers }
    }

    fn transport(&self) -> Transport {
        let tls = TlsConfig::danger_accept_any_certificate();
        self.net.transport().tls(tls).build().unwrap()
    }

    /// On which of their connections the peers were asked, each in the order of the questions.
    fn asked(&self) -> Vec<Vec<usize>> {
        self.peers.iter().map(|peer| peer.request_connections()).collect()
    }
}

/// Whether the connection of a request was used before, and on which of their connections the peers were asked for it.
type Seen = (bool, Vec<Vec<usize>>);

async fn get(transport: &Transport, world: &World, url: &str, route: Route) -> Seen {
    let before = world.asked();
    let request = transport.request("GET", url).extension(ProxyOverride::to(route));
    let response = request.await.unwrap();
    let info = ConnectInfo::of(&response).unwrap();
    (info.is_reused(), since(&before, world.asked()))
}

/// What was asked since then.
fn since(before: &[Vec<usize>], now: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
    now.iter().zip(before).map(|(now, before)| now[before.len()..].to_vec()).collect()
}

/// The first value has a connection, the second another, and with the first again its own is used again.
fn are_apart(what: &str, [one, two, three]: [Seen; 3]) {
    assert!(!one.0 && !two.0 && three.0, "{what}: {one:?} {two:?} {three:?}");
    let answered = |seen: &Seen| {
        let last = |connections: &Vec<usize>| connections.last().copied();
        seen.1.iter().map(last).collect::<Vec<_>>()
    };
    assert_ne!(answered(&one), answered(&two), "{what}");
}

/// A pair of proxies, of which the field differs.
type Pair = (&'static str, fn() -> [Proxy; 2]);

fn plain() -> Proxy {
    tunneling("http://proxy.example:8080")
}

const USER: &str = "http://user:password@proxy.example:8080";

fn private() -> Proxy {
    tunneling("https://proxy.example:8080")
}

fn trusting_all() -> TlsConfig {
    TlsConfig::danger_accept_any_certificate()
}

fn headers(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("x-a".parse().unwrap(), HeaderValue::from_static(value))])
}

fn says(value: &'static str) -> Proxy {
    plain().header("x-a".parse().unwrap(), HeaderValue::from_static(value))
}

fn hooked(value: &'static str) -> Proxy {
    plain().connect_headers(move |_: &Target| Ok(headers(value)))
}

fn scheming(value: &'static str) -> Proxy {
    plain().authenticate(move |_: &Authorizing<'_>| Some(HeaderValue::from_static(value)))
}

/// Every field of a proxy, and within it whatever can differ.
const FIELDS: &[Pair] = &[
    ("scheme", || [plain(), private()]),
    ("origin", || [plain(), tunneling("http://proxy2.example:8080")]),
    ("origin", || [plain(), tunneling("http://proxy.example:8081")]),
    ("authenticator", || [plain(), tunneling("http://user@proxy.example:8080")]),
    ("authenticator", || {
        ["a", "b"].map(|user| tunneling(&format!("http://{user}:c@proxy.example:8080")))
    }),
    ("authenticator", || {
        ["a", "b"].map(|password| plain().credentials(Credentials::new("user", password)))
    }),
    ("authenticator", || [plain(), scheming("one")]),
    ("authenticator", || [scheming("one"), scheming("two")]),
    ("authenticator", || [true, false].map(|at_once| tunneling(USER).preemptive(at_once))),
    ("headers", || [plain(), says("one")]),
    ("headers", || [says("one"), says("two")]),
    ("connect_headers", || [plain(), hooked("one")]),
    ("connect_headers", || [hooked("one"), hooked("one")]),
    ("tls_identity", || [private(), private().tls(trusting_all())]),
    ("tls_identity", || [private().tls(trusting_all()), private().tls(trusting_all())]),
    ("server_name", || [private(), private().server_name(ServerName::new("a.example"))]),
    ("server_name", || {
        ["a.example", "b.example"].map(|name| private().server_name(ServerName::new(name)))
    }),
    ("protocols", || {
        [Protocols::Http1Only, Protocols::Http2PriorKnowledge].map(|p| plain().protocols(p))
    }),
    ("protocols", || [private(), private().protocols(Protocols::Http1Only)]),
    ("tunnels_http", || [plain(), plain().tunnel_http(false)]),
];

/// The ways in which a proxy can be part of a route.
fn routes(proxy: &Proxy) -> [Route; 4] {
    let last = tunneling("http://last.example:3128");
    [
        proxy.clone().into(),
        Route::through([proxy.clone(), last.clone()]),
        Route::through([last, proxy.clone()]),
        Route::first_of([Route::from(proxy.clone()), Route::Direct]),
    ]
}

#[tokio::test]
async fn proxies_that_differ_in_any_field_share_no_connection() {
    for (field, pair) in FIELDS {
        let proxies = pair();
        let [one, two] = &proxies;
        for (one, two) in routes(one).into_iter().zip(routes(two)) {
            let (world, what) = (World::new(), format!("{field}: {one} and {two}"));
            let transport = world.transport();
            let url = "http://origin.example/";
            let mut seen = Vec::new();
            for route in [one.clone(), two, one] {
                seen.push(get(&transport, &world, url, route).await);
            }
            are_apart(&what, seen.try_into().unwrap());
        }
    }
}

#[tokio::test]
async fn proxies_that_differ_share_no_connection_that_carries_tunnels() {
    for (field, pair) in FIELDS {
        let proxies = pair().map(|proxy| proxy.protocols(Protocols::Http2PriorKnowledge));
        let differs = !matches!(*field, "protocols" | "tunnels_http");
        let world = World::new();
        let transport = world.transport();
        for proxy in [&proxies[0], &proxies[1], &proxies[0]].into_iter().cloned() {
            get(&transport, &world, "http://origin.example/", proxy.into()).await;
        }
        let opened: usize = world.peers[3..].iter().map(|peer| peer.opened()).sum();
        assert!(!differs || opened == 2, "{field}: {opened} connections to proxies");
    }
}

#[tokio::test]
async fn proxies_that_are_made_twice_of_the_same_share_their_connections() {
    let same: [fn() -> Proxy; 6] = [
        plain,
        || tunneling("http://user:pass%77ord@PROXY.example:8080"),
        || says("one").protocols(Protocols::Http1Only),
        || private().server_name(ServerName::new("a.example")),
        || private().credentials(Credentials::new("user", "password")),
        || plain().tunnel_http(false),
    ];
    for same in same {
        for at in 0..4 {
            let world = World::new();
            let transport = world.transport();
            for times in 0..3 {
                let [a, b, c, d] = routes(&same());
                let route = [a, b, c, d].into_iter().nth(at).unwrap();
                let seen = get(&transport, &world, "http://origin.example/", route).await;
                assert_eq!(seen.0, times > 0, "{}", same());
            }
        }
    }
}

/// The fields of a struct, as its source has them.
fn fields_of(source: &str, name: &str) -> Vec<String> {
    let start = source.find(&format!("struct {name} {{")).expect("the struct is there");
    let body = source[start..].lines().skip(1).take_while(|line| !line.starts_with('}'));
    let code = body.map(str::trim).filter(|line| !line.starts_with('/') && !line.starts_with('#'));
    let named = code.filter_map(|line| line.split_once(": "));
    named.map(|(name, _)| name.trim_start_matches("pub ").to_owned()).collect()
}

fn all_are_tried(source: &str, name: &str, tried: impl Iterator<Item = &'static str>) {
    let mut tried: Vec<_> = tried.map(str::to_owned).collect();
    tried.dedup();
    assert_eq!(fields_of(source, name), tried, "a field of `{name}` has no row in the table");
}

#[test]
fn every_field_of_a_proxy_is_tried() {
    let source = include_str!("../../src/target/proxy.rs");
    all_are_tried(source, "ProxySettings", FIELDS.iter().map(|(field, _)| *field));
}

/// What changes a field of a target into something else.
type Change = (&'static str, fn(&mut Target));

fn origin(url: &str) -> Origin {
    target(url).origin
}

/// Every field of a target.
const CHANGES: &[Change] = &[
    ("origin", |target| target.origin = origin("https://other.example:80/")),
    ("origin", |target| target.origin = origin("https://origin.example:80/")),
    ("origin", |target| target.origin = origin("wss://origin.example/")),
    ("route", |target| target.route = Route::Direct),
    ("route", |target| target.route = tunneling("http://proxy2.example:8080").into()),
    ("protocols", |target| target.protocols = Protocols::Http1Only),
    ("protocols", |target| target.protocols = Protocols::Http2PriorKnowledge),
    ("server_name", |target| target.server_name = Some(ServerName::new("a.example"))),
    ("tls_identity", |target| target.tls_identity = Some(TlsIdentity::from(trusting_all()))),
    ("local_address", |target| target.local_address = Some([127, 0, 0, 2].into())),
];

#[test]
fn every_field_of_a_target_is_tried() {
    let source = include_str!("../../src/target.rs");
    all_are_tried(source, "Target", CHANGES.iter().map(|(field, _)| *field));
}

/// The target of each request, as a test has it.
fn wanted(request: &Request<Body>) -> Result<Target, Error> {
    request.extensions().get().cloned().map_or_else(|| Target::of(request), Ok)
}

/// The targets, one after the other, by a stack whose pool takes them as they are.
async fn visit<const N: usize>(world: &World, targets: [Target; N]) -> [Seen; N] {
    let stack = ServiceBuilder::new()
        .layer(PoolLayer::keyed(wanted))
        .layer(NegotiateLayer::new())
        .layer(TlsLayer::new(trusting_all()))
        .layer(ProxyLayer::new(Route::Direct).tls(trusting_all()))
        .service(world.net.connector());
    let mut seen = Vec::new();
    for target in targets {
        let before = world.asked();
        let url = format!("{}/", target.origin);
        let request = Request::get(url).extension(target).body(Body::empty()).unwrap();
        let response = stack.clone().oneshot(request).await.unwrap();
        let is_reused = ConnectInfo::of(&response).unwrap().is_reused();
        Body::new(response.into_body()).read().await.unwrap();
        seen.push((is_reused, since(&before, world.asked())));
    }
    seen.try_into().unwrap()
}

#[tokio::test]
async fn targets_that_differ_in_any_field_share_no_connection() {
    for route in [Route::Direct, plain().into(), private().into()] {
        for (field, change) in CHANGES {
            let mut one = target("https://origin.example/");
            one.route = route.clone();
            let mut two = one.clone();
            change(&mut two);
            if one == two {
                continue;
            }
            let (world, what) = (World::new(), format!("{field}: {one}"));
            are_apart(&what, visit(&world, [one.clone(), two, one]).await);
        }
    }
}

#[tokio::test]
async fn what_is_said_of_the_origin_alone_is_no_matter_of_the_connection_that_carries_tunnels() {
    let about_origin: [fn(&mut Target); 5] = [
        |target| target.origin = origin("https://other.example:80/"),
        |target| target.protocols = Protocols::Http1Only,
        |target| target.server_name = Some(ServerName::new("a.example")),
        |target| target.tls_identity = Some(TlsIdentity::from(trusting_all())),
        |target| target.origin = origin("http://origin.example/"),
    ];
    for change in about_origin {
        let mut one = target("https://origin.example/");
        one.route = plain().protocols(Protocols::Http2PriorKnowledge).into();
        let mut two = one.clone();
        change(&mut two);
        let world = World::new();
        are_apart("through a shared proxy", visit(&world, [one.clone(), two, one]).await);
        assert_eq!(world.net.dialed().len(), 1);
    }
}

#[tokio::test]
async fn a_connection_that_carries_tunnels_has_the_local_address_of_their_target() {
    let mut one = target("https://origin.example/");
    one.route = plain().protocols(Protocols::Http2PriorKnowledge).into();
    let mut two = one.clone();
    two.local_address = Some([127, 0, 0, 2].into());
    let world = World::new();
    visit(&world, [one.clone(), two, one]).await;
    let addresses: Vec<_> = world.net.dialed().iter().map(|target| target.local_address).collect();
    assert_eq!(addresses, [None, Some([127, 0, 0, 2].into())]);
}
