//! Connections do not rest for ever.

use std::time::Duration;

use tower_transport::{RequestExt, Transport};

use crate::support::origin::{Origin, run_ready_tasks};

async fn get(transport: &Transport) {
    transport.request("GET", "http://a.example/").await.unwrap();
    run_ready_tasks().await;
}

async fn after(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    run_ready_tasks().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_time_without_a_request() {
    let origin = Origin::new();
    let transport = origin.http1().idle_timeout(Duration::from_secs(10)).build().unwrap();
    get(&transport).await;
    after(9).await;
    assert_eq!(origin.open(), 1);
    after(2).await;
    assert_eq!((origin.open(), transport.stats().connections.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn use_begins_the_time_anew() {
    let origin = Origin::new();
    let transport = origin.http1().idle_timeout(Duration::from_secs(10)).build().unwrap();
    for _ in 0..5 {
        get(&transport).await;
        after(9).await;
    }
    assert_eq!(origin.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn ninety_seconds_are_the_default() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    get(&transport).await;
    after(89).await;
    assert_eq!(origin.open(), 1);
    after(2).await;
    assert_eq!(origin.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_it_for_less_is_believed() {
    let origin = Origin::new().keep_alive("timeout=5");
    let transport = origin.http1().build().unwrap();
    get(&transport).await;
    after(3).await;
    assert_eq!(origin.open(), 1);
    after(1).await;
    assert_eq!(origin.open(), 0, "closed a second before the server does");
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_age_takes_no_more_requests() {
    let origin = Origin::new();
    let transport = origin.http1().max_age(Duration::from_secs(60)).build().unwrap();
    get(&transport).await;
    after(50).await;
    get(&transport).await;
    assert_eq!(origin.opened(), 1);
    after(17).await;
    get(&transport).await;
    assert_eq!(origin.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_request_on_a_connection_of_age_is_finished() {
    let origin = Origin::new();
    let transport = origin.http1().max_age(Duration::from_secs(10)).build().unwrap();
    let request = transport.request("GET", "http://a.example/gated").into_future();
    let request = tokio::spawn(request);
    after(25).await;
    origin.gate.add_permits(1);
    assert_eq!(request.await.unwrap().unwrap().body(), "hello");
    run_ready_tasks().await;
    assert_eq!(origin.open(), 0);
}

#[tokio::test]
async fn a_connection_serves_no_more_requests_than_allowed() {
    let origin = Origin::new();
    let transport = origin.http1().max_requests(2).build().unwrap();
    for _ in 0..4 {
        get(&transport).await;
    }
    assert_eq!(origin.opened(), 2);
}

#[tokio::test]
async fn an_idle_timeout_of_zero_keeps_nothing_and_yet_serves() {
    let origin = Origin::new();
    let transport = origin.http1().idle_timeout(Duration::ZERO).build().unwrap();
    get(&transport).await;
    get(&transport).await;
    assert_eq!((origin.opened(), origin.open()), (2, 0));
}
