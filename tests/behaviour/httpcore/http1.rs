//! One HTTP/1.1 connection, seen from the transport.

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower_transport::{RequestExt, http::upgrade};

use super::script::{CLOSE, HELLO, http1, listened_to, rows};
use crate::support::{origin::run_ready_tasks, peer::Peer};

#[tokio::test]
async fn a_body_that_nobody_reads_is_read_away_if_it_is_short() {
    let transport = http1(&[&[HELLO, HELLO]]).build().unwrap();
    drop(transport.stream("GET", "http://example.com/").await.unwrap());
    run_ready_tasks().await;
    assert_eq!(rows(&transport), ["example.com:80 HTTP/1.1 Idle 1"]);
}

#[tokio::test]
async fn a_body_that_nobody_reads_and_is_long_costs_the_connection() {
    const LONG: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nHello";
    let transport = http1(&[&[LONG]]).build().unwrap();
    drop(transport.stream("GET", "http://example.com/").await.unwrap());
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
}

#[tokio::test]
async fn a_body_cut_short_is_an_error_and_leaves_no_connection() {
    const SHORT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, wor<close>";
    assert!(SHORT.ends_with(CLOSE));
    let transport = http1(&[&[SHORT]]).build().unwrap();
    let error = transport.request("GET", "http://example.com/").await.unwrap_err();
    assert!(error.is_protocol() && error.was_sent(), "{error:?}");
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
}

#[tokio::test]
async fn a_host_with_a_nul_in_it_is_refused_before_connecting() {
    let transport = http1(&[&[HELLO]]).build().unwrap();
    let request = transport.request("GET", "http://example.com/").header("host", "\0");
    let error = request.await.unwrap_err();
    assert!(error.is_builder(), "{error:?}");
    assert_eq!(
        (error.to_string().as_str(), transport.stats().opened),
        ("the value of the header `host` is not valid", 0)
    );
}

#[tokio::test]
async fn informational_answers_are_passed_over() {
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\
        Link: </script.js.css>; rel=preload; as=style\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";
    let transport = http1(&[&[CONTINUE, HINTS]]).build().unwrap();
    for expect in ["100-continue", ""] {
        let request = transport.request("GET", "http://example.com/").header("x-expect", expect);
        assert_eq!(request.await.unwrap().body(), "Hello, world!");
    }
}

#[tokio::test]
async fn a_head_of_100_kib_is_read() {
    let (builder, mut listener) = listened_to();
    let transport = builder.build().unwrap();
    tokio::spawn(async move {
        let mut peer = Peer::new(listener.accept().await.unwrap().0);
        let cookie = "x".repeat(100 * 1024 - 72);
        let head = format!("HTTP/1.1 200 OK\r\nCookie: {cookie}\r\nContent-Length: 0\r\n\r\n");
        peer.answer([head]).await.unwrap();
        peer.drain().await
    });
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
}

#[tokio::test]
async fn what_came_behind_an_upgrade_is_read_first() {
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\n\
        Connection: upgrade\r\nUpgrade: custom\r\n\r\nfoobar";
    let (builder, mut listener) = listened_to();
    let transport = builder.max_connections(1).build().unwrap();
    let server = tokio::spawn(async move {
        let mut peer = Peer::new(listener.accept().await.unwrap().0);
        peer.answer([SWITCH, "baz"]).await.unwrap();
        peer.read_to_end().await.unwrap()
    });
    let request = transport.stream("GET", "http://example.com/");
    let request = request.header("connection", "upgrade").header("upgrade", "custom");
    let mut io = TokioIo::new(upgrade(request.await.unwrap()).await.unwrap());
    for expected in [b"foo", b"bar", b"baz"] {
        let mut read = [0; 3];
        io.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, expected);
    }
    assert_eq!(transport.stats().active_connections(), 1);
    io.write_all(b"spam").await.unwrap();
    drop(io);
    assert_eq!(server.await.unwrap(), b"spam");
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
}
