//! A WebSocket server that echoes, by `Upgrade` (RFC 6455) or by `CONNECT` (RFC 8441).

use std::convert::Infallible;

use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Response, StatusCode};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    service::service_fn,
    upgrade,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::runtime::Handle;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};
use tower_transport::Body;

/// Speaks HTTP/1.1 or HTTP/2, whichever comes, until the client is gone.
pub(crate) async fn serve(io: impl Read + Write + Unpin + Send + 'static) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http2().enable_connect_protocol();
    // A client that disconnects is no error of the server.
    let _ = server.serve_connection_with_upgrades(io, service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let response = switching(&request);
    Handle::current().spawn(async move {
        if let Ok(io) = upgrade::on(request).await {
            echo(WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, None).await)
                .await;
        }
    });
    Ok(response)
}

/// A proof that WebSocket is meant goes with `Upgrade` alone: `CONNECT` has named it.
fn switching(request: &Request<Incoming>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if request.method() == Method::CONNECT {
        return response;
    }
    let key = request.headers().get("sec-websocket-key");
    let proof = derive_accept_key(key.map_or(b"", |key| key.as_bytes()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &proof)];
    for (name, value) in fields {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn echo(mut socket: WebSocketStream<TokioIo<upgrade::Upgraded>>) {
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}
