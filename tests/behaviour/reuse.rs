//! A connection is used again, by whom it was made for.

use tower_transport::{
    RequestExt,
    connect::ConnectInfo,
    options::{ServerName, Timeouts},
};

use crate::support::origin::{Origin, run_ready_tasks};

#[tokio::test]
async fn a_second_request_uses_the_first_ones_connection() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for served in 1..=3 {
        let response = transport.request("GET", "http://a.example/").await.unwrap();
        assert_eq!(response.body(), "hello");
        let info = ConnectInfo::of(&response).unwrap();
        assert_eq!((info.served(), info.is_reused()), (served, served > 1));
    }
    assert_eq!(origin.opened(), 1);
    let text = "Transport [requests: 0 active, 0 queued | connections: 0 active, 1 idle]";
    assert_eq!(transport.to_string(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_after_the_other_they_need_one_connection_on_any_number_of_threads() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for _ in 0..500 {
        transport.request("GET", "http://a.example/").await.unwrap();
    }
    assert_eq!(origin.opened(), 1);
}

#[tokio::test]
async fn a_response_holds_its_connection_until_its_body_is_read() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    let mut response = transport.stream("GET", "http://a.example/").await.unwrap();
    let text = "Transport [requests: 1 active, 0 queued | connections: 1 active, 0 idle]";
    assert_eq!(transport.to_string(), text);
    response.body_mut().read().await.unwrap();
    run_ready_tasks().await;
    assert_eq!(transport.stats().idle_connections(), 1);
}

#[tokio::test]
async fn another_origin_has_another_connection() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for url in ["http://a.example/", "http://b.example/", "http://a.example:8080/"] {
        transport.request("GET", url).await.unwrap();
    }
    assert_eq!(origin.opened(), 3);
}

#[tokio::test]
async fn an_origin_written_otherwise_is_the_same() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for url in ["http://a.example/", "http://A.Example:80/path", "http://a.example?query"] {
        transport.request("GET", url).await.unwrap();
    }
    assert_eq!(origin.opened(), 1);
}

#[tokio::test]
async fn what_is_part_of_the_target_is_part_of_the_key() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for name in ["one.example", "two.example", "one.example"] {
        let request = transport.request("GET", "http://a.example/");
        request.extension(ServerName::new(name)).await.unwrap();
    }
    assert_eq!(origin.opened(), 2);
}

#[tokio::test]
async fn what_is_not_part_of_the_target_is_not() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    for timeouts in [Timeouts::none(), Timeouts::default()] {
        transport.request("GET", "http://a.example/").timeouts(timeouts).await.unwrap();
    }
    assert_eq!(origin.opened(), 1);
}

#[tokio::test]
async fn connection_close_ends_it() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    let request = transport.request("GET", "http://a.example/").header("connection", "close");
    request.await.unwrap();
    run_ready_tasks().await;
    assert!(transport.stats().connections.is_empty());
}

#[tokio::test]
async fn a_transport_without_idle_connections_keeps_none() {
    let origin = Origin::new();
    let transport = origin.http1().max_idle(0).build().unwrap();
    transport.request("GET", "http://a.example/").await.unwrap();
    run_ready_tasks().await;
    assert!(transport.stats().connections.is_empty());
    transport.request("GET", "http://a.example/").await.unwrap();
    assert_eq!(origin.opened(), 2);
}

#[tokio::test]
async fn dropping_the_transport_closes_what_was_idle() {
    let origin = Origin::new();
    let transport = origin.http1().build().unwrap();
    transport.request("GET", "http://a.example/").await.unwrap();
    drop(transport);
    run_ready_tasks().await;
    assert_eq!(origin.open(), 0);
}
