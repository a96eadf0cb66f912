//! Which connections are kept, and what the transport says about them.

use std::{future::IntoFuture, time::Duration};

use futures_util::future::join_all;
use tower_transport::{RequestExt, Transport, error::Phase, options::Timeouts};

use super::script::{CLOSE, HELLO, http1, listened_to, rows};
use crate::support::{origin::run_ready_tasks, peer::Peer};

const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n<close>";

fn said(requests: &str, connections: &str) -> String {
    format!("Transport [requests: {requests} queued | connections: {connections} idle]")
}

/// One request from its head to the end of its body, and what is said while it is under way.
async fn seen(transport: &Transport, url: &str) -> (Vec<String>, String) {
    let mut body = transport.stream("GET", url).await.unwrap().into_body();
    let seen = (rows(transport), transport.to_string());
    assert_eq!(body.read().await.unwrap(), "Hello, world!");
    seen
}

#[tokio::test]
async fn connections_are_kept_for_their_origin() {
    let transport = http1(&[&[HELLO, HELLO], &[HELLO]]).build().unwrap();

    let (during, text) = seen(&transport, "http://example.com/").await;
    assert_eq!(during, ["example.com:80 HTTP/1.1 Active 1"]);
    assert_eq!(text, said("1 active, 0", "1 active, 0"));
    assert_eq!(rows(&transport), ["example.com:80 HTTP/1.1 Idle 1"]);
    assert_eq!(transport.to_string(), said("0 active, 0", "0 active, 1"));

    let (during, _) = seen(&transport, "http://example.com/").await;
    assert_eq!(during, ["example.com:80 HTTP/1.1 Active 2"]);

    let (during, text) = seen(&transport, "http://example.com:8080/").await;
    let both = ["example.com:80 HTTP/1.1 Idle 2", "example.com:8080 HTTP/1.1 Active 1"];
    assert_eq!(during, both);
    assert_eq!(text, said("1 active, 0", "1 active, 1"));
    assert_eq!(transport.to_string(), said("0 active, 0", "0 active, 2"));
}

#[tokio::test]
async fn a_request_that_asks_for_the_end_of_the_connection_gets_it() {
    let transport = http1(&[&[HELLO]]).build().unwrap();
    let request = transport.stream("GET", "http://example.com/").header("connection", "close");
    let mut body = request.await.unwrap().into_body();
    assert_eq!(body.read().await.unwrap(), "Hello, world!");
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
}

#[tokio::test]
async fn what_is_no_answer_leaves_no_connection() {
    const BAD: &str = "Wait, this isn't valid HTTP!<close>";
    assert!(BAD.ends_with(CLOSE));
    let transport = http1(&[&[BAD]]).build().unwrap();
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol(), "{error:?}");
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_leaves_none() {
    let transport = http1(&[]).build().unwrap();
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_connect() && !error.was_sent(), "{error:?}");
    assert!(rows(&transport).is_empty(), "{transport}");
}

#[tokio::test]
async fn without_time_or_room_to_be_idle_no_connection_is_kept() {
    for builder in [http1(&[&[HELLO]]).idle_timeout(Duration::ZERO), http1(&[&[HELLO]]).max_idle(0)]
    {
        let transport = builder.build().unwrap();
        let (during, _) = seen(&transport, "http://example.com/").await;
        assert_eq!(during, ["example.com:80 HTTP/1.1 Active 1"]);
        run_ready_tasks().await;
        assert!(rows(&transport).is_empty(), "{transport}");
    }
}

#[tokio::test]
async fn five_hosts_take_turns_over_one_slot() {
    let transport = http1(&[&[HELLO] as &[&str]; 5]).max_connections(1).build().unwrap();
    let urls = ["a", "b", "c", "d", "e"].map(|host| format!("http://{host}.com/"));
    for (during, _) in join_all(urls.iter().map(|url| seen(&transport, url))).await {
        assert_eq!(during.len(), 1);
        assert!(during[0].ends_with(" HTTP/1.1 Active 1"), "{during:?}");
    }
}

#[tokio::test]
async fn five_requests_take_turns_on_one_connection() {
    let transport = http1(&[&[HELLO; 5]]).max_connections(1).build().unwrap();
    let all = join_all((0..5).map(|_| seen(&transport, "http://a.com/"))).await;
    let during: Vec<_> = all.into_iter().flat_map(|(during, _)| during).collect();
    let expected = [1, 2, 3, 4, 5].map(|served| format!("a.com:80 HTTP/1.1 Active {served}"));
    assert_eq!(during, expected);
}

#[tokio::test]
async fn connections_that_the_server_ends_are_replaced_one_by_one() {
    let transport = http1(&[&[LAST] as &[&str]; 5]).max_connections(1).build().unwrap();
    let requests = (0..5).map(|_| transport.request("GET", "http://a.com/").into_future());
    for response in join_all(requests).await {
        assert_eq!(response.unwrap().status(), 200);
    }
    assert_eq!(transport.stats().opened, 5);
}

#[tokio::test]
async fn schemes_that_are_not_spoken_are_refused() {
    let transport = http1(&[]).build().unwrap();
    for url in ["ftp://www.example.com/", "://www.example.com/"] {
        assert!(transport.request("GET", url).await.unwrap_err().is_builder());
    }
}

#[tokio::test]
async fn without_time_to_wait_only_what_need_not_wait_is_served() {
    let timeouts = Timeouts::default().pool(Duration::ZERO);
    let (builder, mut listener) = listened_to();
    let transport = builder.max_connections(1).timeouts(timeouts).build().unwrap();
    let first = tokio::spawn({
        let request = transport.stream("GET", "http://example.com/").timeouts(Timeouts::none());
        async move { request.await.unwrap() }
    });
    let mut peer = Peer::new(listener.accept().await.unwrap().0);
    peer.answer([HELLO]).await.unwrap();
    let mut first = first.await.unwrap();

    let second = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert_eq!(second.timeout_phase(), Some(Phase::Pool));
    assert_eq!(first.body_mut().read().await.unwrap(), "Hello, world!");
}
