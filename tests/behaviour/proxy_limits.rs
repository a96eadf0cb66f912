//! Connections to HTTP proxies count like all others, also while they carry no tunnel.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::Connect,
    mock::CountingConnector,
    options::{Protocols, ProxyOverride},
    pool::ConnectionState,
    proxy::{Proxy, TunnelLayer},
    target::{Route, Target},
    transport::TransportBuilder,
};

use crate::support::{
    net::{Behavior, Net, Peer},
    origin::run_ready_tasks,
    proxy::tunneling,
    scene::wait_idle,
    targets::target,
    tasks::polled,
};

const WHO: &str =
    "HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";

/// Two proxies, two origins, and how many connections were open at once.
struct Scene {
    net: Net,
    proxy: Arc<Peer>,
    other: Arc<Peer>,
    most: Arc<AtomicUsize>,
}

impl Scene {
    fn new() -> Self {
        let net = Net::new();
        let [proxy, other] = ["proxy.example:8080", "other.example:8080"]
            .map(|name| net.plain(name, Behavior::Tunnel));
        for origin in ["a.example:80", "b.example:80"] {
            net.plain(origin, Behavior::Serve);
        }
        Self { net, proxy, other, most: Arc::default() }
    }

    fn builder(&self, limit: usize) -> TransportBuilder {
        let connector = watched(self.net.connector(), self.most.clone());
        Transport::builder().connector(connector).max_connections(limit)
    }

    fn transport(&self, limit: usize) -> Transport {
        self.builder(limit).build().unwrap()
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// Remembers how many of its connections were open at once.
fn watched<C>(connector: C, most: Arc<AtomicUsize>) -> impl Connect<Target> + Clone + Send + 'static
where
    C: Connect<Target, Future: Send> + Clone + Send + Sync + 'static,
{
    let counting = CountingConnector::new(connector);
    tower::service_fn(move |target| {
        most.fetch_max(counting.open_now() + 1, Ordering::SeqCst);
        counting.clone().oneshot(target)
    })
}

fn http2(host: &str) -> Proxy {
    tunneling(&format!("http://{host}:8080")).protocols(Protocols::Http2PriorKnowledge)
}

fn of_user(number: usize) -> Proxy {
    tunneling(&format!("http://user{number}:secret@proxy.example:8080"))
}

async fn get(transport: &Transport, host: &str, route: impl Into<Route>) -> Result<(), Error> {
    let request = transport.request("GET", format!("http://{host}/"));
    let response = request.extension(ProxyOverride::to(route)).await?;
    assert_eq!(response.body(), "hello");
    Ok(())
}

/// What each connection is doing, in the order of the statistics.
fn states(transport: &Transport) -> Vec<(String, ConnectionState)> {
    let rows = transport.stats().connections;
    rows.into_iter().map(|row| (row.key, row.state)).collect()
}

#[tokio::test]
async fn refusals_of_many_users_leave_one_connection() {
    let scene = Scene::new();
    scene.proxy.set_behavior(Behavior::Say(WHO));
    let transport = scene.transport(1);
    for user in 0..50 {
        let error = get(&transport, "a.example", of_user(user)).await.unwrap_err();
        assert_eq!(error.proxy_status().unwrap(), 407);
    }
    run_ready_tasks().await;
    assert_eq!((scene.proxy.open(), scene.most()), (1, 1));
    let idle = "http://***@proxy.example:8080".to_owned();
    assert_eq!(states(&transport), [(idle, ConnectionState::Idle)]);
    assert!(transport.to_string().ends_with("connections: 0 active, 1 idle]"), "{transport}");
}

#[tokio::test]
async fn tunnels_of_many_users_over_http2_leave_one_connection() {
    let scene = Scene::new();
    let transport = scene.transport(1);
    for user in 0..50 {
        let proxy = of_user(user).protocols(Protocols::Http2PriorKnowledge);
        get(&transport, "a.example", proxy).await.unwrap();
    }
    run_ready_tasks().await;
    assert_eq!((scene.proxy.open(), scene.most()), (1, 1));
}

#[tokio::test]
async fn requests_of_many_users_at_once_keep_to_the_limit() {
    let scene = Scene::new();
    let transport = scene.transport(3);
    let get = |user| {
        let proxy = of_user(user).protocols(match user % 2 {
            0 => Protocols::Http2PriorKnowledge,
            _ => Protocols::Http1Only,
        });
        let transport = &transport;
        async move { get(transport, "a.example", proxy).await }
    };
    for outcome in futures_util::future::join_all((0..60).map(get)).await {
        outcome.unwrap();
    }
    wait_idle(&transport).await;
    assert!(scene.most() <= 3 && scene.proxy.open() <= 3, "{} at once", scene.most());
    assert!(transport.stats().connections.len() <= 3);
}

#[tokio::test]
async fn a_tunnel_does_not_evict_the_connection_that_it_runs_in() {
    let scene = Scene::new();
    let transport = scene.transport(1);
    for host in ["a.example", "b.example"].into_iter().cycle().take(20) {
        get(&transport, host, http2("proxy.example")).await.unwrap();
    }
    assert_eq!((scene.proxy.opened(), scene.proxy.heads().len()), (1, 20));
}

#[tokio::test]
async fn a_dial_evicts_a_connection_to_a_proxy_that_carries_nothing_and_no_other() {
    let scene = Scene::new();
    let transport = scene.transport(2);
    get(&transport, "a.example", http2("proxy.example")).await.unwrap();
    let busy = transport.stream("GET", "http://b.example/");
    let busy = busy.extension(ProxyOverride::to(http2("other.example"))).await.unwrap();
    // The idle tunnel makes room, and leaves an idle connection to its proxy.
    get(&transport, "b.example", Route::Direct).await.unwrap();
    run_ready_tasks().await;
    assert_eq!((scene.proxy.open(), scene.other.open(), scene.most()), (0, 1, 2));
    assert_eq!(states(&transport).len(), 2);
    drop(busy);
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_longest_goes_first_to_a_proxy_or_to_an_origin() {
    let scene = Scene::new();
    scene.proxy.set_behavior(Behavior::Say(WHO));
    let second = || tokio::time::sleep(Duration::from_secs(1));
    for proxy_first in [true, false] {
        let transport = scene.transport(2);
        for goes_by_proxy in [proxy_first, !proxy_first] {
            let route = if goes_by_proxy { of_user(1).into() } else { Route::Direct };
            let outcome = get(&transport, "a.example", route).await;
            assert_eq!(outcome.is_err(), goes_by_proxy);
            second().await;
        }
        get(&transport, "b.example", Route::Direct).await.unwrap();
        wait_idle(&transport).await;
        let keys: Vec<_> = states(&transport).into_iter().map(|(key, _)| key).collect();
        let is_kept = |name: &str| keys.iter().any(|key| key.contains(name));
        assert_eq!((is_kept("proxy"), is_kept("a.example")), (!proxy_first, proxy_first));
    }
}

#[tokio::test]
async fn a_chain_counts_what_it_keeps_open() {
    let scene = Scene::new();
    let transport = scene.transport(1);
    for user in 0..20 {
        let last = of_user(user).protocols(Protocols::Http2PriorKnowledge);
        let chain = Route::through([http2("other.example"), last]);
        get(&transport, "a.example", chain).await.unwrap();
    }
    run_ready_tasks().await;
    assert_eq!((scene.other.open(), scene.proxy.open(), scene.most()), (1, 1, 1));
    get(&transport, "a.example", Route::Direct).await.unwrap();
    run_ready_tasks().await;
    assert_eq!((scene.other.open(), scene.proxy.open(), scene.most()), (0, 0, 1));
}

#[tokio::test]
async fn a_tunnel_inside_what_is_open_makes_room_too() {
    let scene = Scene::new();
    let transport = scene.transport(2);
    let other = |host: &'static str| {
        let request = transport.stream("GET", format!("http://{host}/"));
        request.extension(ProxyOverride::to(http2("other.example"))).into_future()
    };
    scene.proxy.set_behavior(Behavior::Say(WHO));
    get(&transport, "a.example", of_user(1)).await.unwrap_err();
    let one = other("a.example").await.unwrap();
    assert_eq!((scene.proxy.open(), states(&transport).len()), (1, 2));
    let two = other("b.example").await.unwrap();
    run_ready_tasks().await;
    assert_eq!((scene.proxy.open(), scene.other.open(), scene.most()), (0, 1, 2));
    assert_eq!(states(&transport).len(), 2);
    drop((one, two));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_holds_while_threads_race() {
    let scene = Scene::new();
    let transport = scene.transport(3);
    let tasks = (0..8).map(|task| {
        let transport = transport.clone();
        tokio::spawn(async move {
            for turn in 0..25 {
                let proxy = match turn % 4 {
                    0 => of_user(task).into(),
                    1 => of_user(turn).protocols(Protocols::Http2PriorKnowledge).into(),
                    2 => http2("other.example").into(),
                    _ => Route::Direct,
                };
                get(&transport, ["a.example", "b.example"][task % 2], proxy).await.unwrap();
            }
        })
    });
    futures_util::future::try_join_all(tasks).await.unwrap();
    assert!(scene.most() <= 3, "{} at once", scene.most());
}

#[tokio::test]
async fn idle_connections_to_proxies_are_among_those_that_may_be_idle() {
    let scene = Scene::new();
    scene.proxy.set_behavior(Behavior::Say(WHO));
    let transport = scene.builder(100).max_idle(2).build().unwrap();
    get(&transport, "a.example", Route::Direct).await.unwrap();
    for user in 0..5 {
        get(&transport, "a.example", of_user(user)).await.unwrap_err();
    }
    run_ready_tasks().await;
    assert_eq!((scene.proxy.open(), transport.stats().idle_connections()), (2, 2));
}

#[tokio::test]
async fn however_a_connection_becomes_idle_it_is_among_those_that_may_be() {
    let scene = Scene::new();
    scene.proxy.set_behavior(Behavior::Say(WHO));
    let transport = scene.builder(100).max_idle(2).build().unwrap();
    get(&transport, "a.example", of_user(0)).await.unwrap_err();
    // The first one schedules the end of its time, the other only becomes idle.
    for host in ["a.example", "b.example"] {
        get(&transport, host, Route::Direct).await.unwrap();
        run_ready_tasks().await;
        assert!(transport.stats().idle_connections() <= 2, "{host}");
    }
    assert_eq!(transport.stats().idle_connections(), 2);
}

#[tokio::test]
async fn a_request_that_is_dropped_while_room_is_made_leaves_nothing_behind() {
    for turns in 0..20 {
        let scene = Scene::new();
        let transport = scene.transport(1);
        get(&transport, "a.example", http2("proxy.example")).await.unwrap();
        let request = transport.request("GET", "http://b.example/");
        let mut direct = request.extension(ProxyOverride::to(Route::Direct)).into_future();
        let _ = polled(&mut direct, 1).await;
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        drop(direct);
        run_ready_tasks().await;
        get(&transport, "a.example", http2("other.example")).await.unwrap();
        wait_idle(&transport).await;
        let left = transport.stats().connections.len();
        assert_eq!((scene.most(), left), (1, 1), "after {turns} turns");
    }
}

#[tokio::test]
async fn closing_ends_connections_to_proxies_too() {
    for protocols in [Protocols::Http2PriorKnowledge, Protocols::Http1Only] {
        let scene = Scene::new();
        let transport = scene.transport(5);
        get(&transport, "a.example", of_user(1).protocols(protocols)).await.unwrap();
        scene.proxy.set_behavior(Behavior::Say(WHO));
        let refused = get(&transport, "b.example", of_user(2)).await;
        assert!(refused.is_err());
        assert!(transport.close().await);
        assert!(transport.stats().connections.is_empty());
        run_ready_tasks().await;
        assert_eq!(scene.proxy.open(), 0);
    }
}

#[tokio::test]
async fn a_tunnel_layer_alone_keeps_100_connections_that_carry_nothing() {
    let scene = Scene::new();
    scene.proxy.set_behavior(Behavior::Say(WHO));
    let mut tunnel = TunnelLayer::new(of_user(1)).layer(scene.net.connector());
    for number in 0..120 {
        // Another way to the proxy each time.
        let mut target = target("http://a.example/");
        target.local_address = Some([127, 0, 0, number].into());
        tunnel.call(target).await.unwrap_err();
    }
    run_ready_tasks().await;
    assert_eq!(scene.proxy.open(), 100);
}
