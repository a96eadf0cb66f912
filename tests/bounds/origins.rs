//! Origins that are seen once.

use std::{io, ops::Range, time::Duration};

use allocation_counter::measure;
use tokio::runtime::Runtime;
use tower::service_fn;
use tower_transport::{
    RequestExt, Transport,
    connect::Connected,
    options::ProxyOverride,
    proxy::Proxy,
    target::{Route, Target},
};

use crate::{
    in_memory::{Canned, CannedConnector, Gate},
    number, runtime,
};

/// More than a transport has connections to or remembers, several times.
const WARM_UP: usize = 6_000;

pub(crate) fn url(origin: usize) -> String {
    format!("http://origin-{origin:07}.example/")
}

/// How many are seen after the warm-up. `ORIGINS=1000000 cargo test --profile bench --test bounds` sees a million.
pub(crate) fn origins() -> usize {
    number("ORIGINS", 20_000)
}

/// Bytes that the origins after the warm-up leave allocated, and the most they had allocated at once.
pub(crate) fn growth(runtime: &Runtime, origins: usize, see: impl AsyncFn(usize)) -> (i64, u64) {
    let see_all = |origins: Range<usize>| async {
        for origin in origins {
            see(origin).await;
        }
        // Tasks that have ended are dropped in a turn of the runtime.
        tokio::task::yield_now().await;
    };
    runtime.block_on(see_all(0..WARM_UP));
    let later = measure(|| runtime.block_on(see_all(WARM_UP..WARM_UP + origins)));
    println!("{origins} more origins: {} bytes, at most {}", later.bytes_current, later.bytes_max);
    (later.bytes_current, later.bytes_max)
}

/// What maps and lists may differ in between two moments.
pub(crate) const FLUCTUATION: i64 = 512 << 10;

#[test]
fn origins_seen_once_leave_nothing() {
    let runtime = runtime();
    let lifetime = measure(|| {
        let connector = CannedConnector(Gate::until(0));
        let transport = Transport::builder().connector(connector).build().unwrap();
        let (left, most) = growth(&runtime, origins(), async |origin| {
            let response = transport.request("GET", url(origin)).await.unwrap();
            assert_eq!(response.body(), "Hello, world");
        });
        assert!(left < FLUCTUATION && most < FLUCTUATION as u64, "{left}, {most}");
        assert_eq!(transport.stats().connections.len(), 100);
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(91)).await });
        assert!(transport.stats().connections.is_empty());
        let remembered = measure(|| drop(transport));
        // The protocols of 1000 hosts, and how requests to them are spelled.
        let remembered = -remembered.bytes_current;
        println!("without connections: {remembered} bytes");
        assert!((0..2 << 20).contains(&remembered), "{remembered} bytes");
        runtime.block_on(tokio::task::yield_now());
    });
    println!("without the transport: {} bytes", lifetime.bytes_current);
    assert!(lifetime.bytes_current < 16 << 10, "{} bytes", lifetime.bytes_current);
}

#[test]
fn origins_that_refuse_connections_leave_nothing() {
    let refuse = |_: Target| async {
        Err::<Connected<Canned>, _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    };
    let transport = Transport::builder().connector(service_fn(refuse)).build().unwrap();
    let (left, most) = growth(&runtime(), origins() / 5, async |origin| {
        assert!(transport.request("GET", url(origin)).await.unwrap_err().is_connect());
    });
    assert!(left < FLUCTUATION && most < FLUCTUATION as u64, "{left}, {most}");
    assert!(transport.stats().connections.is_empty());
}

#[test]
fn proxies_that_fail_once_leave_nothing() {
    let connect = |target: Target| async move {
        match target.origin.authority_form().starts_with("proxy-") {
            true => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            false => Ok(Connected::new(Canned::behind(Gate::until(0)))),
        }
    };
    let transport = Transport::builder().connector(service_fn(connect)).build().unwrap();
    let (left, most) = growth(&runtime(), origins() / 10, async |origin| {
        let proxy: Proxy = format!("http://proxy-{origin:07}.example:8080").parse().unwrap();
        let route = Route::first_of([Route::from(proxy), Route::Direct]);
        let request = transport.request("GET", url(origin));
        let response = request.extension(ProxyOverride::to(route)).await.unwrap();
        assert_eq!(response.body(), "Hello, world");
    });
    assert!(left < FLUCTUATION && most < FLUCTUATION as u64, "{left}, {most}");
}
