//! Connections within the process.

use std::io;

use futures_util::FutureExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::ServiceExt;
use tower_transport::connect::MemoryConnector;

use crate::support::targets::{io_kind, target};

#[tokio::test]
async fn the_listener_has_the_other_end_and_the_target() {
    let (connector, mut listener) = MemoryConnector::pair();
    let connected = connector.oneshot(target("https://example.com/")).await.unwrap();
    let (mut server, target) = listener.accept().await.unwrap();
    assert_eq!(target.to_string(), "example.com:443");
    server.write_all(b"hello").await.unwrap();
    drop(server);
    let mut said = String::new();
    TokioIo::new(connected.io).read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn connections_wait_to_be_accepted_in_order() {
    let (connector, mut listener) = MemoryConnector::pair();
    let first = connector.clone().oneshot(target("http://one.example/")).await.unwrap();
    let second = connector.oneshot(target("http://two.example/")).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().1, target("http://one.example/"));
    assert_eq!(listener.accept().await.unwrap().1, target("http://two.example/"));
    assert!(listener.accept().await.is_none(), "all connectors are gone");
    drop((first, second));
}

#[tokio::test]
async fn without_a_listener_connections_are_refused() {
    let (connector, listener) = MemoryConnector::pair();
    drop(listener);
    let error = connector.oneshot(target("http://example.com/")).await.unwrap_err();
    assert_eq!(error.to_string(), "connecting to example.com:80");
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
    assert!(error.is_connect() && !error.was_sent());
}

#[tokio::test]
async fn giving_up_accepting_loses_no_connection() {
    let (connector, mut listener) = MemoryConnector::pair();
    assert!(listener.accept().now_or_never().is_none());
    let _connected = connector.oneshot(target("http://example.com/")).await.unwrap();
    assert!(listener.accept().now_or_never().is_some());
}
