//! Connections do not rest for ever.

use std::time::Duration;

use tower::{ServiceExt, service_fn};
use tower_transport::{RequestExt, Transport, target::Target};

use crate::support::{
    given_runtime,
    origin::{Origin, run_ready_tasks},
};

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

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn connections_that_idle_shortly_beside_one_that_idles_long_leave_no_tasks_behind() {
    let long = Origin::new().http1_connector();
    let short = Origin::new().keep_alive("timeout=1").http1_connector();
    let connector = service_fn(move |target: Target| match target.origin.host() {
        "long.example" => long.clone().oneshot(target),
        _ => short.clone().oneshot(target),
    });
    let transport = given_runtime::transport()
        .connector(connector)
        .idle_timeout(Duration::from_secs(3600))
        .build()
        .unwrap();
    transport.request("GET", "http://long.example/").await.unwrap();
    run_ready_tasks().await;
    let before = alive_tasks();
    for _ in 0..20 {
        transport.request("GET", "http://short.example/").await.unwrap();
        after(2).await;
        assert_eq!((alive_tasks(), transport.stats().connections.len()), (before, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_is_dropped_leaves_no_task_behind() {
    let mut before = None;
    for _ in 0..2 {
        let origin = Origin::new();
        let transport = origin.http1().build().unwrap();
        get(&transport).await;
        drop(transport);
        run_ready_tasks().await;
        assert_eq!(origin.open(), 0);
        assert_eq!(alive_tasks(), *before.get_or_insert_with(alive_tasks));
    }
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
