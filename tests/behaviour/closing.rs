//! A transport that is closed lets go in order.

use std::time::Duration;

use tower_transport::RequestExt;

use crate::support::origin::{Origin, run_ready_tasks};

#[tokio::test(start_paused = true)]
async fn closing_waits_for_what_is_under_way() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    let request = tokio::spawn(transport.request("GET", "http://a.example/gated").into_future());
    run_ready_tasks().await;
    let closing = tokio::spawn({
        let transport = transport.clone();
        async move { transport.close().await }
    });
    run_ready_tasks().await;
    assert!(!closing.is_finished());
    origin.gate.add_permits(1);
    assert_eq!(request.await.unwrap().unwrap().body(), "hello");
    assert!(closing.await.unwrap());
    assert_eq!(origin.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn closing_cuts_off_what_takes_longer_than_its_grace() {
    let origin = Origin::new();
    let transport = origin.http1().close_grace(Duration::from_secs(5)).build().unwrap();
    let request = tokio::spawn(transport.request("GET", "http://a.example/gated").into_future());
    run_ready_tasks().await;
    let before = tokio::time::Instant::now();
    assert!(!transport.close().await);
    assert_eq!(before.elapsed().as_secs(), 5);
    let error = request.await.unwrap().unwrap_err();
    assert!(error.was_sent(), "{error:?}");
    run_ready_tasks().await;
    assert!(transport.stats().connections.is_empty());
    assert_eq!(origin.open(), 0);
}

#[tokio::test]
async fn a_closed_transport_takes_no_requests() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(1).build().unwrap();
    let held = transport.stream("GET", "http://a.example/").await.unwrap();
    let queued = tokio::spawn(transport.request("GET", "http://a.example/").into_future());
    run_ready_tasks().await;
    let closing = tokio::spawn({
        let transport = transport.clone();
        async move { transport.close().await }
    });
    assert!(queued.await.unwrap().unwrap_err().is_closed());
    let error = transport.request("GET", "http://a.example/").await.unwrap_err();
    assert!(error.is_closed() && !error.was_sent());
    drop(held);
    assert!(closing.await.unwrap());
}
