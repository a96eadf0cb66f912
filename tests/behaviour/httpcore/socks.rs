//! Whole requests through a SOCKS 5 proxy.

use std::{error::Error as _, sync::Arc};

use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Layer, ServiceBuilder};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    http::NegotiateLayer,
    pool::PoolLayer,
    proxy::{Socks5Error, Socks5Layer},
    rt::Runtime,
};

use super::script::{HELLO, rows};
use crate::support::{
    given_runtime,
    origin::run_ready_tasks,
    scripted::{
        ScriptedPeer,
        Step::{self, Head, Read},
        send,
    },
    socks_proxy::{proxy, start},
};

const REPLY: &[u8] = b"\x05\x00\x00\x01\xff\x00\x00\x01\x00\x50";
const REQUEST: Step = Read(7 + "example.com".len());

/// Through a proxy that plays these scripts.
fn through(url: &str, scripts: Vec<Vec<Step>>) -> (Transport, Arc<ScriptedPeer>) {
    let (socks, connector) = start(scripts);
    let connector = Socks5Layer::new(proxy(url)).layer(connector);
    (given_runtime::transport().connector(connector).build().unwrap(), socks)
}

/// Lets us in, and has an origin behind it that answers twice.
fn connects() -> Vec<Step> {
    let origin = [Head, send(HELLO.as_bytes()), Head, send(HELLO.as_bytes())];
    [Read(3), send(b"\x05\x00"), REQUEST, send(REPLY)].into_iter().chain(origin).collect()
}

async fn get(transport: &Transport, url: &str) -> Result<Vec<String>, Error> {
    let mut body = transport.stream("GET", url).await?.into_body();
    let during = rows(transport);
    assert_eq!(body.read().await?, "Hello, world!");
    Ok(during)
}

/// What a request fails with, which leaves no connection.
async fn refused(url: &str, script: Vec<Step>) -> Socks5Error {
    let (transport, socks) = through(url, vec![script]);
    let error = get(&transport, "http://example.com/").await.unwrap_err();
    assert!(error.is_proxy() && !error.was_sent(), "{error:?}");
    run_ready_tasks().await;
    assert!(rows(&transport).is_empty(), "{transport}");
    socks.received().await;
    *error.source().unwrap().downcast_ref().unwrap()
}

#[tokio::test]
async fn connections_through_a_proxy_are_kept_for_their_origin() {
    let (transport, _socks) = through("socks5h://localhost:8080", vec![connects(), connects()]);
    for request in 1..=2 {
        let during = get(&transport, "http://example.com/").await.unwrap();
        assert_eq!(during, [format!("example.com:80 HTTP/1.1 Active {request}")]);
        assert_eq!(rows(&transport), [format!("example.com:80 HTTP/1.1 Idle {request}")]);
    }
    get(&transport, "http://elsewhere.x/").await.unwrap();
    assert_eq!(rows(&transport).len(), 2);
}

#[tokio::test]
async fn a_proxy_that_asks_for_credentials_receives_them() {
    let auth = [Read(4), send(b"\x05\x02"), Read(3 + 8 + 8), send(b"\x01\x00")];
    let script = auth.into_iter().chain(connects().into_iter().skip(2)).collect();
    let (transport, _socks) = through("socks5h://username:password@localhost:8080", vec![script]);
    get(&transport, "http://example.com/").await.unwrap();
    assert_eq!(rows(&transport), ["example.com:80 HTTP/1.1 Idle 1"]);
}

#[tokio::test]
async fn a_proxy_that_cannot_connect_leaves_no_connection() {
    let reply = b"\x05\x05\x00\x01\0\0\0\0\0\0";
    let script = vec![Read(3), send(b"\x05\x00"), REQUEST, send(reply)];
    let error = refused("socks5h://localhost:8080", script).await;
    assert_eq!(error, Socks5Error::ConnectionRefused);
}

#[tokio::test]
async fn a_proxy_that_asks_who_nobody_is_leaves_no_connection() {
    let error = refused("socks5h://localhost:8080", vec![Read(3), send(b"\x05\x02")]).await;
    assert_eq!(error, Socks5Error::MethodNotOffered(2));
    assert!(error.to_string().contains("user and password"), "{error}");
}

#[tokio::test]
async fn a_wrong_password_leaves_no_connection() {
    let script = vec![Read(4), send(b"\x05\x02"), Read(3 + 8 + 7), send(b"\x01\x01")];
    let error = refused("socks5h://username:invalid@localhost:8080", script).await;
    assert_eq!(error, Socks5Error::CredentialsRefused);
}

#[tokio::test]
async fn the_layer_stands_in_a_stack_of_layers() {
    let (_socks, connector) = start(vec![connects()]);
    let runtime = Runtime::new(TokioExecutor::new(), TokioTimer::new());
    let stack = ServiceBuilder::new()
        .layer(PoolLayer::<Body>::new().runtime(runtime.clone()))
        .layer(NegotiateLayer::new().runtime(runtime))
        .layer(Socks5Layer::new(proxy("socks5h://proxy.example")))
        .service(connector);
    let response = stack.request("GET", "http://example.com/").await.unwrap();
    assert_eq!(response.body(), "Hello, world!");
}
