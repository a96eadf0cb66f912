use http::Request;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::peer::{CANCEL, DATA, END_STREAM, Peer, RST_STREAM, pair, run_ready_tasks, send, text};
use crate::{
    Body,
    connection::Connection,
    http::http2::Http2,
    upgrade::{Upgraded, upgrade},
};

fn connect() -> Request<Body> {
    Request::connect("https://example.com").body(Body::empty()).unwrap()
}

async fn tunnel() -> (TokioIo<Upgraded>, Http2<Body>, Peer) {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, connect()).await;
    let head = peer.next(super::peer::HEADERS).await;
    assert!(!head.ends());
    peer.fields(head.stream, 0, &[(":status", "200")]).await;
    let upgraded = upgrade(sending.await.unwrap()).await.unwrap();
    (TokioIo::new(upgraded), connection, peer)
}

#[tokio::test]
async fn bytes_go_through_both_ways() {
    let (mut tunnel, _connection, mut peer) = tunnel().await;
    tunnel.write_all(b"hello").await.unwrap();
    assert_eq!(&peer.next(DATA).await.payload[..], b"hello");
    peer.data(1, 0, "good").await;
    peer.data(1, END_STREAM, "bye").await;
    let mut read = String::new();
    tunnel.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "goodbye");
}

#[tokio::test]
async fn a_tunnel_is_shut_down_one_way_at_a_time() {
    let (mut tunnel, connection, mut peer) = tunnel().await;
    tunnel.shutdown().await.unwrap();
    assert!(peer.next(DATA).await.ends());
    peer.data(1, END_STREAM, "late").await;
    let mut read = String::new();
    tunnel.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "late");
    drop(tunnel);
    assert!(peer.settled().await.iter().all(|frame| frame.kind != RST_STREAM));
    assert_eq!(connection.conn.state().active(), 0);
}

#[tokio::test]
async fn no_more_is_written_than_the_window_holds() {
    let (mut tunnel, _connection, mut peer) = tunnel().await;
    let bytes = vec![7; 100_000];
    let reading = async {
        let mut received = 0;
        while received < 65_535 {
            received += peer.next(DATA).await.payload.len();
        }
        peer.open_window(1, 100_000).await;
        peer.open_window(0, 100_000).await;
        while received < 100_000 {
            received += peer.next(DATA).await.payload.len();
        }
    };
    let (written, ()) = tokio::join!(tunnel.write_all(&bytes), reading);
    written.unwrap();
}

#[tokio::test]
async fn a_reset_is_no_end() {
    let (mut tunnel, _connection, mut peer) = tunnel().await;
    peer.data(1, 0, "part").await;
    peer.reset(1, 0).await;
    run_ready_tasks().await;
    let mut read = Vec::new();
    let error = tunnel.read_to_end(&mut read).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let error = tunnel.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_tunnel_resets_its_stream_and_leaves_the_connection() {
    let (tunnel, connection, mut peer) = tunnel().await;
    drop(tunnel);
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    assert!(connection.is_open());
}

#[tokio::test]
async fn a_refused_tunnel_is_an_answer() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, connect()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "407")]).await;
    let response = sending.await.unwrap();
    assert!(peer.next(DATA).await.ends());
    peer.data(stream, END_STREAM, "who are you?").await;
    assert_eq!(text(response).await.unwrap(), "who are you?");
}

#[tokio::test]
async fn a_tunnel_that_nobody_takes_is_reset() {
    let (mut connection, mut peer) = pair().await;
    let sending = send(&mut connection, connect()).await;
    let stream = peer.request().await;
    peer.fields(stream, 0, &[(":status", "200")]).await;
    let (head, body) = sending.await.unwrap().into_parts();
    drop(head);
    assert_eq!(peer.next(RST_STREAM).await.code(), CANCEL);
    drop(body);
}

#[tokio::test]
async fn a_request_for_a_tunnel_has_no_body() {
    let (mut connection, mut peer) = pair().await;
    let request = connect().map(|_| Body::from("Hello"));
    let error = tower_service::Service::call(&mut connection, request).await.unwrap_err();
    assert!(error.into_error().is_builder());
    assert_eq!(peer.settled().await, []);
}
