//! Unix sockets, by the route or for every target.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};
use tower::ServiceExt;
use tower_transport::{
    connect::UnixConnector,
    target::{Route, Target},
};

use crate::support::targets::{io_kind, ips, target};

/// A path for a socket, which is removed at the end.
struct SocketPath(PathBuf);

impl SocketPath {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("tower-transport-{}-{}.sock", std::process::id(), {
            NEXT.fetch_add(1, Ordering::Relaxed)
        });
        Self(std::env::temp_dir().join(name))
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(&self.0).unwrap()
    }

    fn routed(&self) -> Target {
        let mut target = target("http://example.com/");
        target.route = Route::Unix(self.0.as_path().into());
        target
    }
}

impl Drop for SocketPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn the_route_names_the_socket() {
    let path = SocketPath::new();
    let listener = path.listen();
    let mut client = UnixConnector::new().oneshot(path.routed()).await.unwrap().io.into_stream();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"hello").await.unwrap();
    drop(client);
    let mut said = String::new();
    server.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello");
}

#[tokio::test]
async fn one_socket_may_be_for_every_target() {
    let path = SocketPath::new();
    let _listener = path.listen();
    let connector = UnixConnector::to(path.0.as_path());
    assert!(connector.clone().oneshot(target("http://example.com/")).await.is_ok());
    assert!(connector.oneshot(path.routed()).await.is_ok());
}

#[tokio::test]
async fn a_route_to_another_socket_is_refused() {
    let path = SocketPath::new();
    let connector = UnixConnector::to(Path::new("/run/one.sock"));
    let error = connector.oneshot(path.routed()).await.unwrap_err();
    assert!(error.is_builder());
    assert!(error.to_string().contains("/run/one.sock"), "{error}");
}

#[tokio::test]
async fn a_target_without_a_socket_is_refused() {
    let error = UnixConnector::new().oneshot(target("http://example.com/")).await.unwrap_err();
    assert!(error.is_builder() && !error.was_sent());
}

#[tokio::test]
async fn a_local_address_is_refused() {
    let path = SocketPath::new();
    let mut target = path.routed();
    target.local_address = Some(ips(["127.0.0.1"])[0]);
    assert!(UnixConnector::new().oneshot(target).await.unwrap_err().is_builder());
}

#[tokio::test]
async fn an_error_names_the_path() {
    let path = SocketPath::new();
    let error = UnixConnector::new().oneshot(path.routed()).await.unwrap_err();
    let expected = format!("connecting to example.com:80 at {}", path.0.display());
    assert_eq!(error.to_string(), expected);
    assert_eq!(io_kind(&error), Some(io::ErrorKind::NotFound));
    assert!(error.is_connect() && !error.was_sent());
}

#[tokio::test]
async fn a_socket_can_be_rechecked() {
    let path = SocketPath::new();
    let listener = path.listen();
    let connected = UnixConnector::new().oneshot(path.routed()).await.unwrap();
    drop(listener.accept().await.unwrap());
    connected.info.recheck().unwrap().request();
    assert_eq!(TokioIo::new(connected.io).read(&mut [0; 8]).await.unwrap(), 0);
}
