//! Connectors by URI as ours, and ours by URI.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_transport::{
    connect::{ConnectInfo, Connected, MemoryConnector, UriConnector, UriService},
    options::Protocols,
    target::Route,
};

use crate::support::targets::{io_kind, ips, target};

type Bytes = TokioIo<DuplexStream>;

fn bytes(_: Uri) -> Ready<Result<Bytes, Infallible>> {
    ready(Ok(TokioIo::new(duplex(16).0)))
}

#[tokio::test]
async fn a_connector_by_uri_is_given_scheme_host_and_port() {
    let given = Arc::new(Mutex::new(Vec::new()));
    let notes = given.clone();
    let connector = UriConnector::new(service_fn(move |uri: Uri| {
        notes.lock().unwrap().push(uri.to_string());
        bytes(uri)
    }));
    for url in ["https://example.com/path?query", "http://[::1]:8080/", "https://example.com:443"] {
        connector.clone().oneshot(target(url)).await.unwrap();
    }
    let expected = ["https://example.com/", "http://[::1]:8080/", "https://example.com/"];
    assert_eq!(*given.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_is_known_about_the_bytes_can_be_said() {
    let address = "192.0.2.1:443".parse().unwrap();
    let connector = UriConnector::new(service_fn(bytes))
        .info(move |_: &Bytes| ConnectInfo::default().with_addrs(None, Some(address)));
    let connected = connector.oneshot(target("https://example.com/")).await.unwrap();
    assert_eq!(connected.info.peer_addr(), Some(address));
}

#[tokio::test]
async fn the_error_of_a_connector_by_uri_is_the_cause() {
    let refusing = service_fn(|_: Uri| {
        ready(Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionRefused)))
    });
    let connector = UriConnector::new(refusing);
    let error = connector.oneshot(target("https://example.com/")).await.unwrap_err();
    assert_eq!(error.to_string(), "connecting to example.com:443");
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
    assert!(error.is_connect());
}

#[tokio::test]
async fn what_a_uri_cannot_say_is_refused() {
    let connector = UriConnector::new(service_fn(bytes));
    let (mut routed, mut bound) = (target("http://example.com/"), target("http://example.com/"));
    routed.route = Route::Unix(Path::new("/run/x.sock").into());
    bound.local_address = Some(ips(["127.0.0.1"])[0]);
    for target in [routed, bound] {
        assert!(connector.clone().oneshot(target).await.unwrap_err().is_builder());
    }
}

#[tokio::test]
async fn our_connector_is_given_the_target_of_the_uri() {
    let (connector, mut listener) = MemoryConnector::pair();
    let connector = ServiceBuilder::new().map_response(Connected::encrypted).service(connector);
    let service = UriService::new(connector).protocols(Protocols::Http2Only);
    let _connected = service.oneshot(Uri::from_static("https://Example.com/x")).await.unwrap();
    let mut expected = target("https://example.com");
    expected.protocols = Protocols::Http2Only;
    assert_eq!(listener.accept().await.unwrap().1, expected);
}

#[tokio::test]
async fn what_our_connector_answers_is_bytes_for_hyper() {
    let (connector, mut listener) = MemoryConnector::pair();
    let service = UriService::new(connector);
    let connected = service.oneshot(Uri::from_static("http://example.com/")).await.unwrap();
    let mut client = TokioIo::new(connected);
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"ping").await.unwrap();
    client.flush().await.unwrap();
    let mut read = [0; 4];
    server.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"ping");
    server.write_all(b"pong").await.unwrap();
    client.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"pong");
}

#[tokio::test]
async fn a_uri_that_is_no_origin_is_refused() {
    let (connector, _listener) = MemoryConnector::pair();
    let service = UriService::new(connector);
    for uri in ["ftp://example.com/", "/path", "http://user@example.com/"] {
        let error = service.clone().oneshot(uri.parse().unwrap()).await.unwrap_err();
        assert!(error.is_builder(), "{uri}");
    }
}

#[tokio::test]
async fn the_error_of_somebody_elses_connector_is_the_cause() {
    let refusing = service_fn(|_: tower_transport::target::Target| {
        ready(Err::<Connected<Bytes>, _>(io::Error::from(io::ErrorKind::ConnectionRefused)))
    });
    let service = UriService::new(refusing);
    let error = service.oneshot(Uri::from_static("http://example.com/")).await.unwrap_err();
    assert_eq!(error.to_string(), "connecting to example.com:80");
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
}
