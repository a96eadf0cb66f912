//! WebSocket, by `Upgrade` over HTTP/1.1 and by an extended `CONNECT` over HTTP/2.

use std::convert::Infallible;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, ext::Protocol, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use tower_transport::{
    Body, Error, RequestExt, Transport,
    connect::MemoryConnector,
    http::{Upgraded, upgrade},
    options::{ConnectProtocol, Protocols},
};

use crate::support::scene::{predicates, wait_idle};

const CHAT: &str = "http://example.com/chat?room=1";
const BY_ITS_SCHEME: &str = "ws://example.com/chat?room=1";

/// A server of both versions, of which HTTP/2 knows extended CONNECT or not.
fn served(knows_connect: bool) -> MemoryConnector {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        while let Some((io, _)) = listener.accept().await {
            let mut server = auto::Builder::new(TokioExecutor::new());
            if knows_connect {
                server.http2().enable_connect_protocol();
            }
            let answer = service_fn(answer);
            tokio::spawn(async move {
                let _ = server.serve_connection_with_upgrades(TokioIo::new(io), answer).await;
            });
        }
    });
    connector
}

/// WebSocket where it is asked for, and a greeting elsewhere.
async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::empty());
    if request.uri().path() != "/chat" {
        *response.body_mut() = "hello".into();
        return Ok(response);
    }
    let by_connect =
        request.extensions().get::<Protocol>().is_some_and(|it| it.as_str() == "websocket");
    if !by_connect {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert("connection", "upgrade".parse().unwrap());
        response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    }
    tokio::spawn(async move { echo(hyper::upgrade::on(request).await.unwrap()).await });
    Ok(response)
}

/// Says something before it is asked, and then what it hears.
async fn echo(io: hyper::upgrade::Upgraded) {
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await;
    socket.send(Message::text("welcome")).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A transport of one connection, on which so many streams go.
fn transport(knows_connect: bool, protocols: Protocols) -> Transport {
    let builder = Transport::builder().connector(served(knows_connect)).max_connections(1);
    let builder = match protocols {
        Protocols::Http2PriorKnowledge => builder.http2_prior_knowledge(),
        _ => builder,
    };
    builder.build().unwrap()
}

async fn by_connect(transport: &Transport) -> Result<Upgraded, Error> {
    let request = transport.stream("CONNECT", CHAT).header("sec-websocket-version", "13");
    upgrade(request.extension(ConnectProtocol::websocket()).await?).await
}

async fn by_upgrade(transport: &Transport) -> Result<Upgraded, Error> {
    let request = transport.stream("GET", BY_ITS_SCHEME).header("connection", "upgrade");
    upgrade(request.header("upgrade", "websocket").await?).await
}

async fn converses(bytes: Upgraded) {
    let io = TokioIo::new(bytes);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("welcome"));
    for text in ["one", &"large".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    socket.close(None).await.unwrap();
}

async fn assert_usable(transport: &Transport) {
    wait_idle(transport).await;
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    assert_eq!(response.body(), "hello");
}

#[tokio::test]
async fn websocket_goes_by_upgrade_over_http1() {
    let transport = transport(false, Protocols::Negotiated);
    converses(by_upgrade(&transport).await.unwrap()).await;
    assert_usable(&transport).await;
}

#[tokio::test]
async fn websocket_goes_by_connect_over_http2() {
    let transport = transport(true, Protocols::Http2PriorKnowledge);
    converses(by_connect(&transport).await.unwrap()).await;
    assert_usable(&transport).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
async fn a_websocket_over_http2_leaves_its_connection_to_others() {
    let transport = transport(true, Protocols::Http2PriorKnowledge);
    let (one, other) =
        (by_connect(&transport).await.unwrap(), by_connect(&transport).await.unwrap());
    let response = transport.request("GET", "http://example.com/").await.unwrap();
    assert_eq!(response.body(), "hello");
    tokio::join!(converses(one), converses(other));
    assert_usable(&transport).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
async fn a_websocket_may_be_named_by_its_scheme() {
    let transport = transport(true, Protocols::Http2PriorKnowledge);
    let request = transport.stream("CONNECT", BY_ITS_SCHEME);
    let response = request.extension(ConnectProtocol::websocket()).await.unwrap();
    converses(upgrade(response).await.unwrap()).await;
}

#[tokio::test]
async fn a_server_that_does_not_know_connect_is_not_asked_and_stays() {
    let transport = transport(false, Protocols::Http2PriorKnowledge);
    let error = by_connect(&transport).await.unwrap_err();
    assert!(error.is_unsupported() && predicates(&error).is_empty(), "{error:?}");
    assert_eq!(error.to_string(), "asking for `websocket` by CONNECT of example.com:80");
    assert_usable(&transport).await;
    assert_eq!(transport.stats().opened, 1);
}

#[tokio::test]
async fn http1_knows_no_such_connect_and_its_connection_stays() {
    let transport = transport(true, Protocols::Negotiated);
    let error = by_connect(&transport).await.unwrap_err();
    assert!(error.is_unsupported() && predicates(&error).is_empty(), "{error:?}");
    assert_usable(&transport).await;
    assert_eq!(transport.stats().opened, 1);
}
