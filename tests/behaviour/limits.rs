//! The limits hold, and who waits is served in order.

use futures_util::future::join_all;
use tower_transport::{RequestExt, Transport};

use crate::support::origin::{Origin, run_ready_tasks};

/// Requests that the server holds back, each in a task of its own.
fn gated(transport: &Transport, urls: &[&'static str]) -> Vec<tokio::task::JoinHandle<()>> {
    let get = |url: &&'static str| {
        let request = transport.request("GET", *url);
        tokio::spawn(async move { assert_eq!(request.await.unwrap().body(), "hello") })
    };
    urls.iter().map(get).collect()
}

#[tokio::test]
async fn no_more_connections_are_open_than_allowed() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(3).build().unwrap();
    let urls = ["http://a.example/gated", "http://b.example/gated", "http://c.example/gated"];
    let requests = gated(&transport, &urls.repeat(10));
    run_ready_tasks().await;
    let text = "Transport [requests: 3 active, 27 queued | connections: 3 active, 0 idle]";
    assert_eq!(transport.to_string(), text);
    origin.gate.add_permits(30);
    join_all(requests).await;
    assert_eq!(origin.most_open(), 3);
}

#[tokio::test]
async fn no_more_connections_are_open_to_one_host_than_allowed() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections_per_host(2).build().unwrap();
    let requests = gated(&transport, &["http://a.example/gated"; 20]);
    run_ready_tasks().await;
    transport.request("GET", "http://b.example/").await.unwrap();
    assert_eq!(transport.stats().queued, 18);
    origin.gate.add_permits(20);
    join_all(requests).await;
    assert_eq!((origin.most_open(), origin.opened()), (3, 3));
}

#[tokio::test]
async fn no_more_connections_are_idle_than_allowed() {
    let origin = Origin::new();
    let transport = origin.http1().max_idle(2).build().unwrap();
    let requests = gated(&transport, &["http://a.example/gated"; 5]);
    origin.gate.add_permits(5);
    join_all(requests).await;
    run_ready_tasks().await;
    assert_eq!(transport.stats().idle_connections(), 2);
    assert_eq!(origin.open(), 2);
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room_for_another_host() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(2).build().unwrap();
    for url in ["http://a.example/", "http://b.example/", "http://c.example/"] {
        transport.request("GET", url).await.unwrap();
    }
    run_ready_tasks().await;
    let hosts: Vec<_> = transport.stats().connections.into_iter().map(|row| row.key).collect();
    assert_eq!(hosts, ["b.example:80", "c.example:80"]);
}

#[tokio::test]
async fn who_comes_first_is_served_first_across_hosts_and_clones() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(1).build().unwrap();
    let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
    let urls = ["http://a.example/", "http://b.example/", "http://a.example/", "http://c.example/"];
    for (number, url) in urls.into_iter().enumerate() {
        let (transport, served) = (transport.clone(), served.clone());
        tokio::spawn(async move {
            transport.request("GET", url).await.unwrap();
            served.send(number).unwrap();
        });
        run_ready_tasks().await;
    }
    drop(served);
    let mut numbers = Vec::new();
    while let Some(number) = order.recv().await {
        numbers.push(number);
    }
    assert_eq!(numbers, [0, 1, 2, 3]);
}

#[tokio::test]
async fn one_more_than_may_wait_fails_at_once() {
    let origin = Origin::new();
    let transport = origin.http1().max_connections(1).max_waiters(1).build().unwrap();
    let mut requests = gated(&transport, &["http://a.example/gated"]);
    run_ready_tasks().await;
    requests.extend(gated(&transport, &["http://a.example/gated"]));
    run_ready_tasks().await;
    let error = transport.request("GET", "http://a.example/").await.unwrap_err();
    assert!(error.is_queue_full() && !error.was_sent());
    assert!(error.to_string().contains("a.example:80"), "{error}");
    origin.gate.add_permits(2);
    join_all(requests).await;
}

#[tokio::test]
async fn a_transport_that_could_send_nothing_is_not_built() {
    let built = Transport::builder().max_connections(0).build();
    assert!(built.unwrap_err().is_builder());
    let built = Transport::builder().max_connections_per_host(0).build();
    assert!(built.unwrap_err().is_builder());
}
