//! A tunnel that is given up at any moment leaves nothing behind: no place taken, no socket open.

use std::sync::Arc;

use futures_util::FutureExt;
use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    RequestExt, Transport,
    connect::Connect,
    options::Protocols,
    proxy::{Proxy, Tunnel, TunnelLayer},
    target::{Route, Target},
    tls::TlsConfig,
};

use crate::support::{
    moments::{Sent, at_every_moment, get, post, queued, second},
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::{OPEN, proxy, tunneling},
    scene::{Scene, wait_idle},
    scripted::{
        Step::{self, Head, Serve, Turn},
        say,
    },
    targets::target,
    tasks::polled,
    tls_peer::Authority,
};

/// A proxy that answers in pieces, and an origin that does.
fn piecemeal() -> Scene {
    let tunnel = ["HTTP/1.1 20", "0 OK\r\nVia: x", "\r\n\r\n"];
    let answer = ["HTTP/1.1 20", "0 OK\r\nContent-", "Length: 5\r\n\r\n", "he", "llo"];
    let said = |pieces: &[&'static str]| -> Vec<Step> {
        pieces.iter().flat_map(|piece| [Turn, Turn, Turn, say(*piece)]).collect()
    };
    Scene::tunnel([vec![Head], said(&tunnel), vec![Head], said(&answer), vec![Serve]].concat())
}

/// A proxy that wants to know who we are, first.
fn asked_again() -> Scene {
    let who = "HTTP/1.1 407 Who\r\nContent-Length: 4\r\n\r\nwho?";
    let steps = [Head, Turn, say(who), Turn, Head, Turn, Turn, say(OPEN), Turn, Serve];
    let answers = |asked: &tower_transport::auth::Authorizing<'_>| {
        (!asked.challenge.is_empty()).then(|| "Custom me".parse().unwrap())
    };
    Scene::tunnel_through(proxy().authenticate(answers), vec![steps.into()])
}

/// A proxy that refuses, so that the pool connects again.
fn refusing() -> Scene {
    let answer = ["HTTP/1.1 403 No\r\n", "Content-Length: 4\r\n\r\n", "ev", "il"];
    let steps = answer.into_iter().flat_map(|piece| [Turn, Turn, say(piece)]);
    Scene::tunnel([Head].into_iter().chain(steps).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn a_request_through_a_tunnel_leaves_nothing_behind() {
    at_every_moment(piecemeal, get).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_through_a_tunnel_leaves_nothing_behind() {
    at_every_moment(piecemeal, post).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_request_through_a_tunnel_leaves_nothing_behind() {
    at_every_moment(piecemeal, second).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_in_line_for_a_tunnel_leaves_nothing_behind() {
    at_every_moment(piecemeal, queued).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_asks_again_leaves_nothing_behind() {
    at_every_moment(asked_again, get).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_leaves_nothing_behind() {
    fn tried(scene: &Scene) -> Sent {
        let request = scene.transport.request("GET", scene.url("/"));
        Box::pin(async move { assert!(request.await.unwrap_err().is_proxy()) })
    }
    at_every_moment(refusing, tried).await;
}

/// A tunnel alone, with no pool of requests above it, and those whom it reaches.
struct Alone {
    tunnel: Tunnel,
    proxy: Arc<Peer>,
    origin: Arc<Peer>,
}

impl Alone {
    fn http1() -> Self {
        let net = Net::new();
        let peer = net.plain("proxy.example:8080", Behavior::Tunnel);
        Self::through(&net, peer, proxy())
    }

    fn http2() -> Self {
        let net = Net::new();
        let peer = net.plain("proxy.example:8080", Behavior::Tunnel);
        Self::through(&net, peer, proxy().protocols(Protocols::Http2PriorKnowledge))
    }

    fn through(net: &Net, peer: Arc<Peer>, proxy: Proxy) -> Self {
        let origin = net.plain("origin.example:80", Behavior::Serve);
        let tunnel = TunnelLayer::new(proxy).layer(slow(net.connector()));
        Self { tunnel, proxy: peer, origin }
    }
}

/// Connections that take their time.
fn slow<C>(connector: C) -> impl Connect<Target> + Clone + Send + 'static
where
    C: Connect<Target, Future: Send> + Clone + Send + Sync + 'static,
{
    tower::service_fn(move |target| {
        let connector = connector.clone();
        async move {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            connector.oneshot(target).await
        }
    })
}

/// Gives a tunnel up after its first poll, another after its second, until one is open; `left` is what the proxy has open
/// then.
async fn at_every_poll(alone: fn() -> Alone, left: usize) {
    for times in 1.. {
        let mut scene = alone();
        let mut future = scene.tunnel.call(target("http://origin.example/"));
        let outcome = polled(&mut future, times).await;
        drop(future);
        let is_over = outcome.map(|connected| drop(connected.unwrap())).is_some();
        run_ready_tasks().await;
        assert_eq!(scene.origin.open(), 0, "after {times} polls");
        assert!(scene.proxy.open() <= left, "after {times} polls");
        if is_over {
            return assert!(times > 1, "it was never dropped");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_alone_closes_all_that_it_opened() {
    at_every_poll(Alone::http1, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_over_http2_keeps_no_more_than_the_connection_to_the_proxy() {
    at_every_poll(Alone::http2, 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_closed_with_the_last_handle_or_in_time() {
    let mut scene = Alone::http2();
    let connected = scene.tunnel.call(target("http://origin.example/")).await.unwrap();
    drop(connected);
    run_ready_tasks().await;
    assert_eq!(scene.proxy.open(), 1);
    let mut other = scene.tunnel.clone();
    drop(scene.tunnel);
    run_ready_tasks().await;
    assert_eq!(scene.proxy.open(), 1);
    assert!(other.call(target("http://origin.example/")).now_or_never().is_none());
    drop(other);
    run_ready_tasks().await;
    assert_eq!(scene.proxy.open(), 0);
}

/// A transport, and those whom it reaches.
struct Through {
    transport: Transport,
    origin: Arc<Peer>,
}

impl Through {
    /// By this route to an origin with TLS; all of the proxies speak it, too, if it is spoken to them.
    fn route(route: impl Into<Route>) -> Self {
        let (net, leaf) = (Net::new(), Authority::new().certify("example"));
        for name in ["one.example:8080", "two.example:8080"] {
            net.tls(name, Behavior::Tunnel, leaf.server(&["h2", "http/1.1"]));
        }
        let origin =
            net.tls("origin.example:443", Behavior::Serve, leaf.server(&["h2", "http/1.1"]));
        net.plain("silent.example:8080", Behavior::Refuse);
        let tls = TlsConfig::danger_accept_any_certificate();
        let builder = Transport::builder().connector(slow(net.connector())).tls(tls);
        let transport = builder.max_connections(1).proxy(route.into()).build().unwrap();
        Self { transport, origin }
    }

    fn get(&self) -> Sent {
        let request = self.transport.request("GET", "https://origin.example/");
        Box::pin(async move { assert_eq!(request.await.unwrap().body(), "hello") })
    }
}

/// Drops a request after its first poll, in another scene after its second, and so on: the next one is answered.
async fn at_every_poll_of_a_request(route: fn() -> Route) {
    for times in 1.. {
        let scene = Through::route(route());
        let is_over = polled(&mut scene.get(), times).await.is_some();
        wait_idle(&scene.transport).await;
        scene.get().await;
        wait_idle(&scene.transport).await;
        run_ready_tasks().await;
        assert!(scene.origin.open() <= 1, "after {times} polls");
        let Through { transport, origin } = scene;
        drop(transport);
        run_ready_tasks().await;
        assert_eq!(origin.open(), 0, "after {times} polls");
        if is_over {
            return;
        }
    }
}

fn one(scheme: &str) -> Proxy {
    tunneling(&format!("{scheme}://one.example:8080"))
}

#[tokio::test(start_paused = true)]
async fn a_request_through_a_shared_connection_to_a_proxy_leaves_nothing_behind() {
    at_every_poll_of_a_request(|| one("http").protocols(Protocols::Http2PriorKnowledge).into())
        .await;
    at_every_poll_of_a_request(|| one("https").into()).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_by_tls_inside_tls_leaves_nothing_behind() {
    at_every_poll_of_a_request(|| one("https").protocols(Protocols::Http1Only).into()).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_through_a_chain_leaves_nothing_behind() {
    fn chain() -> Route {
        Route::through([one("https"), tunneling("http://two.example:8080")])
    }
    at_every_poll_of_a_request(chain).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_by_the_second_way_leaves_nothing_behind() {
    fn second() -> Route {
        Route::first_of([tunneling("http://silent.example:8080"), one("http")])
    }
    at_every_poll_of_a_request(second).await;
}
