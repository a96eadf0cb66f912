//! Lists of ways: the first that can be gone is, and who cannot be reached is left alone for a while.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::{Connect, StaticResolver},
    options::{ProxyOverride, Timeouts},
    proxy::{Proxy, ProxyLayer},
    target::{Route, Target},
    tls::TlsConfig,
    transport::TransportBuilder,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scene::{predicates, wait_idle},
    targets::target,
};

const ONE: &str = "one.example:8080";
const TWO: &str = "two.example:8080";

/// Two proxies, and origins that can be reached through them and directly.
struct Scene {
    net: Net,
    one: Arc<Peer>,
    two: Arc<Peer>,
    transport: Transport,
}

impl Scene {
    fn new(one: Behavior, two: Behavior) -> Self {
        Self::by(one, two, |builder| builder.proxy(Route::first_of([proxy(ONE), proxy(TWO)])))
    }

    fn by(
        one: Behavior,
        two: Behavior,
        by: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        let net = Net::new();
        let (one, two) = (net.plain(ONE, one), net.plain(TWO, two));
        let transport = by(net.transport().timeouts(Timeouts::none())).build().unwrap();
        Self { net, one, two, transport }
    }

    /// The first takes connections and no handshakes.
    fn with_a_silent_one(two: Behavior, timeouts: Timeouts) -> Self {
        Self::by(Behavior::Nothing, two, |builder| {
            let list = Route::first_of([private(ONE), proxy(TWO)]);
            builder.timeouts(timeouts).proxy(list)
        })
    }

    /// A GET to an origin that was not asked before, so that it needs a connection.
    async fn get(&self, number: usize) -> Result<(), Error> {
        let host = format!("origin{number}.example");
        self.net.plain(&format!("{host}:80"), Behavior::Serve);
        let response = self.transport.request("GET", format!("http://{host}/")).await?;
        assert_eq!(response.body(), "hello");
        Ok(())
    }

    /// Who was connected to since the last time.
    fn dialed(&self) -> Vec<String> {
        let dialed = self.net.take_dialed();
        dialed.iter().map(|target| target.origin.host().replace(".example", "")).collect()
    }
}

/// A proxy that is spoken with over TLS: one that is silent is then never reached.
fn private(name: &str) -> Proxy {
    tunneling(&format!("https://{name}")).tls(TlsConfig::danger_accept_any_certificate())
}

fn proxy(name: &str) -> Proxy {
    tunneling(&format!("http://{name}"))
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_reached_is_passed_over_and_remembered_for_a_minute() {
    let scene = Scene::new(Behavior::Refuse, Behavior::Tunnel);
    scene.get(1).await.unwrap();
    assert_eq!(scene.dialed(), ["one", "two"]);
    advance(Duration::from_secs(59)).await;
    scene.get(2).await.unwrap();
    assert_eq!(scene.dialed(), ["two"]);
    advance(Duration::from_secs(2)).await;
    scene.get(3).await.unwrap();
    assert_eq!(scene.dialed(), ["one", "two"]);
    scene.get(4).await.unwrap();
    assert_eq!(scene.dialed(), ["two"]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_remembers_who_cannot_be_reached_for_the_time_that_is_set() {
    for seconds in [0, 5] {
        let net = Net::new();
        net.plain(ONE, Behavior::Refuse);
        net.plain(TWO, Behavior::Tunnel);
        net.plain("origin.example:80", Behavior::Serve);
        let layer = ProxyLayer::new(Route::first_of([proxy(ONE), proxy(TWO)]));
        let layer = layer.failure_ttl(Duration::from_secs(seconds)).layer(net.connector());
        let dialed = async || {
            let connected = layer.clone().oneshot(target("http://origin.example/")).await;
            assert!(connected.is_ok());
            net.take_dialed().len()
        };
        assert_eq!(dialed().await, 2);
        assert_eq!(dialed().await, if seconds == 0 { 2 } else { 1 });
        advance(Duration::from_secs(5)).await;
        assert_eq!(dialed().await, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_back_is_used_again() {
    let scene = Scene::new(Behavior::Refuse, Behavior::Tunnel);
    scene.get(1).await.unwrap();
    scene.one.set_behavior(Behavior::Tunnel);
    advance(Duration::from_secs(61)).await;
    scene.dialed();
    scene.get(2).await.unwrap();
    scene.get(3).await.unwrap();
    assert_eq!(scene.dialed(), ["one", "one"]);
}

#[tokio::test(start_paused = true)]
async fn who_failed_is_asked_again_before_all_fail() {
    let scene = Scene::new(Behavior::Refuse, Behavior::Tunnel);
    scene.get(1).await.unwrap();
    scene.one.set_behavior(Behavior::Tunnel);
    scene.two.set_behavior(Behavior::Refuse);
    scene.dialed();
    scene.get(2).await.unwrap();
    assert_eq!(scene.dialed(), ["two", "one"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_way_can_be_the_direct_one() {
    let direct = [Route::from(proxy(ONE)), Route::Direct];
    let scene = Scene::by(Behavior::Refuse, Behavior::Refuse, |b| b.proxy(Route::first_of(direct)));
    scene.get(1).await.unwrap();
    assert_eq!(scene.dialed(), ["one", "origin1"]);
}

#[tokio::test(start_paused = true)]
async fn a_direct_way_that_fails_is_passed_over_for_its_origin() {
    let last = [Route::Direct, Route::from(proxy(ONE))];
    let scene = Scene::by(Behavior::Tunnel, Behavior::Refuse, |b| b.proxy(Route::first_of(last)));
    let error = scene.transport.request("GET", "http://nobody.example/").await.unwrap_err();
    assert_eq!(scene.dialed(), ["nobody", "one"]);
    assert!(error.is_proxy(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn that_one_origin_is_not_reached_directly_is_no_matter_of_others() {
    let last = [Route::Direct, Route::from(proxy(ONE))];
    let scene = Scene::by(Behavior::Tunnel, Behavior::Refuse, |b| b.proxy(Route::first_of(last)));
    scene.transport.request("GET", "http://nobody.example/").await.unwrap_err();
    scene.dialed();
    scene.get(1).await.unwrap();
    assert_eq!(scene.dialed(), ["origin1"]);
    scene.transport.request("GET", "http://nobody.example/").await.unwrap_err();
    assert_eq!(
        scene.dialed(),
        ["one"],
        "it is remembered of itself, and the proxy has the last word"
    );
}

#[tokio::test(start_paused = true)]
async fn a_proxy_has_the_last_word_also_in_a_list_inside_a_list() {
    let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let scene = Scene::by(Behavior::Refuse, Behavior::Say(no), |builder| builder);
    let proxies = Route::FirstOf([proxy(ONE).into(), proxy(TWO).into()].into());
    let nested = Route::FirstOf([proxies, Route::Direct].into());
    scene.net.plain("origin1.example:80", Behavior::Serve);
    let request = scene.transport.request("GET", "http://origin1.example/");
    let error = request.extension(ProxyOverride::to(nested)).await.unwrap_err();
    assert_eq!(error.proxy_status().map(|status| status.as_u16()), Some(403));
    assert_eq!(scene.dialed(), ["one", "two"], "and not the origin itself");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_answers_is_not_passed_over() {
    let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    for answer in [no, "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "no HTTP\r\n\r\n"] {
        let scene = Scene::new(Behavior::Say(answer), Behavior::Tunnel);
        assert!(scene.get(1).await.unwrap_err().is_proxy());
        scene.get(2).await.unwrap_err();
        assert_eq!((scene.one.heads().len(), scene.two.opened()), (2, 0), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_silent_before_it_is_reached_is_given_up_after_three_seconds() {
    let scene = Scene::with_a_silent_one(Behavior::Tunnel, Timeouts::none());
    let before = Instant::now();
    scene.get(1).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 3);
    run_ready_tasks().await;
    assert_eq!(scene.one.open(), 0);
    scene.get(2).await.unwrap();
    assert_eq!((before.elapsed().as_secs(), scene.one.opened()), (3, 1));
}

/// A network in which connecting to this host never ends.
fn hanging(net: &Net, host: &'static str) -> impl Connect<Target> + Clone + Send + 'static {
    let inner = net.connector();
    tower::service_fn(move |target: Target| {
        let hangs = target.origin.host() == host;
        let dialing = inner.clone().oneshot(target);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            dialing.await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_way_that_hangs_is_given_up_after_three_seconds_whatever_it_is() {
    let through = |url: &str| Route::from(url.parse::<Proxy>().unwrap());
    for (way, host) in [
        (Route::Direct, "origin.example"),
        (through("http://one.example:8080"), "one.example"),
        (through("socks4a://one.example:1080"), "one.example"),
        (through("socks5h://one.example:1080"), "one.example"),
        (Route::from(proxy(ONE)), "one.example"),
        (Route::from(private(ONE)), "one.example"),
    ] {
        let net = Net::new();
        net.plain(TWO, Behavior::Tunnel);
        net.plain("origin.example:80", Behavior::Serve);
        let shown = format!("{way:?}");
        let transport = Transport::builder()
            .connector(hanging(&net, host))
            .timeouts(Timeouts::none())
            .proxy(Route::first_of([way, proxy(TWO).into()]))
            .build()
            .unwrap();
        let before = Instant::now();
        let response = transport.request("GET", "http://origin.example/").await.unwrap();
        assert_eq!((response.body(), before.elapsed().as_secs()), (&"hello".into(), 3), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_was_reached_is_not_passed_over_because_its_origin_is_slow() {
    let scene = Scene::by(Behavior::Nothing, Behavior::Tunnel, |builder| {
        let timeouts = Timeouts::none().connect(Duration::from_secs(8));
        builder.timeouts(timeouts).proxy(Route::first_of([proxy(ONE), proxy(TWO)]))
    });
    let before = Instant::now();
    let error = scene.get(1).await.unwrap_err();
    assert_eq!((predicates(&error).as_str(), before.elapsed().as_secs()), ("timeout, connect", 8));
    assert_eq!(scene.two.opened(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_way_has_no_more_than_its_share_of_the_time_for_all() {
    let timeouts = Timeouts::none().connect(Duration::from_secs(2));
    let scene = Scene::with_a_silent_one(Behavior::Tunnel, timeouts);
    let before = Instant::now();
    scene.get(1).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_way_has_the_time_that_is_left() {
    let scene = Scene::by(Behavior::Refuse, Behavior::Nothing, |builder| {
        let timeouts = Timeouts::none().connect(Duration::from_secs(8));
        builder.timeouts(timeouts).proxy(Route::first_of([proxy(ONE), proxy(TWO)]))
    });
    let before = Instant::now();
    let error = scene.get(1).await.unwrap_err();
    assert_eq!((predicates(&error).as_str(), before.elapsed().as_secs()), ("timeout, connect", 8));
    let text = error.to_string();
    assert!(text.contains("origin1.example:80") && text.contains(ONE) && text.contains(TWO));
    wait_idle(&scene.transport).await;
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_error_says_how_many_and_the_last_is_the_cause() {
    let scene = Scene::new(Behavior::Refuse, Behavior::Refuse);
    let error = scene.get(1).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("origin1.example:80") && text.contains("2 ways tried"), "{text}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains(TWO), "{cause}");
    assert_eq!((predicates(&error).as_str(), error.is_proxy()), ("connect, io", true));
    wait_idle(&scene.transport).await;
}

#[tokio::test(start_paused = true)]
async fn many_at_once_all_find_the_way() {
    for scene in [
        Scene::new(Behavior::Refuse, Behavior::Tunnel),
        Scene::with_a_silent_one(Behavior::Tunnel, Timeouts::none()),
    ] {
        let before = Instant::now();
        for outcome in join_all((0..50).map(|number| scene.get(number))).await {
            outcome.unwrap();
        }
        assert!(before.elapsed() < Duration::from_secs(4));
        assert_eq!(scene.two.opened(), 50);
        scene.dialed();
        scene.get(50).await.unwrap();
        assert_eq!(scene.dialed(), ["two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_in_between_leaves_nothing_behind() {
    for milliseconds in [0, 1, 1_500, 2_999, 3_001] {
        let scene = Scene::with_a_silent_one(Behavior::Nothing, Timeouts::none());
        let giving_up = tokio::time::timeout(Duration::from_millis(milliseconds), scene.get(1));
        assert!(giving_up.await.is_err());
        drop(scene.transport);
        // The dial of a pool is its own; with the pool it ends.
        sleep(Duration::from_secs(1)).await;
        run_ready_tasks().await;
        assert_eq!((scene.one.open(), scene.two.open()), (0, 0), "{milliseconds}");
    }
}

/// By SOCKS, which needs the origin's address, or else by HTTP.
async fn by_socks_or_http(socks: &str, resolver: StaticResolver) {
    let net = Net::new();
    net.plain(TWO, Behavior::Tunnel);
    net.plain("origin.example:443", Behavior::Serve);
    let socks: Proxy = socks.parse().unwrap();
    let layer = ProxyLayer::new(Route::first_of([socks, proxy(TWO)])).resolver(resolver);
    layer.layer(net.connector()).oneshot(target("https://origin.example/")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_way_that_needs_a_name_to_be_resolved_here_is_passed_over_if_it_cannot_be() {
    by_socks_or_http("socks5://one.example", StaticResolver::new()).await;
    let address = [std::net::Ipv6Addr::LOCALHOST];
    let no_ipv4 = StaticResolver::new().address("origin.example", address);
    by_socks_or_http("socks4://one.example", no_ipv4).await;
}
