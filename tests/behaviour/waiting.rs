//! Who waits for a connection: for how long, and for whose.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tower::service_fn;
use tower_transport::{
    Error, RequestExt,
    connect::MemoryConnector,
    error::Phase,
    options::{Protocols, Timeouts},
    target::Target,
};

use crate::support::{
    given_runtime,
    origin::{Origin, run_ready_tasks},
};

/// Connects, or fails, after so many seconds, and counts how often it was asked to.
fn slowly(
    connector: MemoryConnector,
    seconds: u64,
    dials: Arc<AtomicUsize>,
    fails: bool,
) -> tower_transport::transport::TransportBuilder {
    given_runtime::transport().connector(service_fn(move |target: Target| {
        let mut connector = connector.clone();
        dials.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            match fails {
                true => Err("out of order".into()),
                false => tower_service::Service::call(&mut connector, target)
                    .await
                    .map_err(Into::<tower_transport::error::BoxError>::into),
            }
        }
    }))
}

#[tokio::test(start_paused = true)]
async fn the_pool_timeout_ends_the_wait_and_says_for_whom() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(1).build().unwrap();
    let _held = transport.stream("GET", "http://a.example/").await.unwrap();
    let timeouts = Timeouts::default().pool(Duration::from_secs(3));
    let before = tokio::time::Instant::now();
    let request = transport.request("GET", "http://b.example/").timeouts(timeouts);
    let error = request.await.unwrap_err();
    assert_eq!(before.elapsed().as_secs(), 3);
    assert_eq!(error.timeout_phase(), Some(Phase::Pool));
    assert!(!error.was_sent() && error.to_string().contains("b.example:80"), "{error}");
    assert_eq!(transport.stats().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn the_connect_timeout_ends_the_attempt() {
    let (connector, _listener) = MemoryConnector::pair();
    let transport = slowly(connector, 60, Arc::default(), false).build().unwrap();
    let timeouts = Timeouts::default().connect(Duration::from_secs(2));
    let request = transport.request("GET", "http://a.example/").timeouts(timeouts);
    let error = request.await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect));
    assert!(error.is_connect() && !error.was_sent());
    assert!(error.to_string().contains("a.example:80"), "{error}");
    assert!(transport.stats().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dial_outlives_the_request_that_caused_it() {
    let (connector, mut listener) = MemoryConnector::pair();
    let dials = Arc::new(AtomicUsize::new(0));
    let transport = slowly(connector, 2, dials.clone(), false).build().unwrap();
    let request = transport.request("GET", "http://a.example/").into_future();
    let given_up = tokio::time::timeout(Duration::from_secs(1), request).await;
    assert!(given_up.is_err());
    let text = "Transport [requests: 0 active, 0 queued | connections: 1 active, 0 idle]";
    assert_eq!(transport.to_string(), text);
    let _server = listener.accept().await.unwrap();
    run_ready_tasks().await;
    let text = "Transport [requests: 0 active, 0 queued | connections: 0 active, 1 idle]";
    assert_eq!(transport.to_string(), text);
    assert_eq!(dials.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_dial_of_a_connection_for_many_is_reported_after_one_more() {
    let (connector, _listener) = MemoryConnector::pair();
    let dials = Arc::new(AtomicUsize::new(0));
    let transport = slowly(connector, 1, dials.clone(), true).build().unwrap();
    let get =
        |_| transport.request("GET", "http://a.example/").extension(Protocols::Http2PriorKnowledge);
    let requests = (0..20).map(get).map(IntoFuture::into_future);
    for answer in join_all(requests).await {
        let error: Error = answer.unwrap_err();
        assert!(error.is_connect() && !error.was_sent());
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "out of order");
    }
    assert_eq!(dials.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_returned_connection_serves_who_waits() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(1).build().unwrap();
    let held = transport.stream("GET", "http://a.example/").await.unwrap();
    let waiting = tokio::spawn(transport.request("GET", "http://a.example/").into_future());
    run_ready_tasks().await;
    assert_eq!(transport.stats().queued, 1);
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap().body(), "hello");
    assert_eq!(origin.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_request_to_a_host_teaches_how_to_dial_for_the_next() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    let gated = |n| (0..n).map(|_| transport.request("GET", "http://a.example/gated"));
    let requests: Vec<_> = gated(10).map(|request| tokio::spawn(request.into_future())).collect();
    run_ready_tasks().await;
    assert_eq!(origin.opened(), 10);
    origin.gate.add_permits(10);
    join_all(requests).await;
}

#[cfg(feature = "http2")]
mod shared {
    use super::*;

    #[tokio::test]
    async fn a_hundred_requests_at_once_open_one_connection() {
        let origin = Origin::new();
        let transport = origin.http2().build().unwrap();
        let requests =
            (0..100).map(|_| transport.request("GET", "http://a.example/").into_future());
        for answer in join_all(requests).await {
            assert_eq!(answer.unwrap().body(), "hello");
        }
        assert_eq!((origin.opened(), transport.stats().opened), (1, 1));
    }

    #[tokio::test]
    async fn another_connection_is_opened_when_the_streams_run_out() {
        let origin = Origin::new();
        let transport = origin.http2_with_streams(2).build().unwrap();
        transport.request("GET", "http://a.example/").await.unwrap();
        let requests: Vec<_> = (0..10)
            .map(|_| transport.request("GET", "http://a.example/gated").into_future())
            .map(tokio::spawn)
            .collect();
        run_ready_tasks().await;
        origin.gate.add_permits(10);
        for answer in join_all(requests).await {
            assert_eq!(answer.unwrap().unwrap().body(), "hello");
        }
        assert_eq!(origin.requests(), 11, "none was refused and sent again");
    }
}
