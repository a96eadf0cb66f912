//! The server behind the reverse proxy: it sends back bodies and WebSocket messages, and has one answer without an end.

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, extract::Request, response::Response, routing::any};
use futures_util::{SinkExt, StreamExt, stream};
use http::StatusCode;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime::Handle, sync::Notify};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

const CHUNK: &[u8] = &[b'.'; 64 * 1024];

/// Serves a router on a free port of the loopback and returns its URL.
pub(crate) async fn serve(router: Router) -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Handle::current().spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// `/echo` sends a body back as it comes, `/chat` speaks WebSocket, `/endless` notifies when its client is gone.
pub(crate) fn router(canceled: Arc<Notify>) -> Router {
    Router::new()
        .route("/echo", any(|request: Request| async { Response::new(request.into_body()) }))
        .route("/chat", any(chat))
        .route("/endless", any(move || async { endless(Canceled(canceled)) }))
}

struct Canceled(Arc<Notify>);

impl Drop for Canceled {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn endless(guard: Canceled) -> Response {
    let chunks = stream::repeat_with(move || {
        let _until_dropped = &guard;
        Ok::<_, Infallible>(CHUNK)
    });
    Response::new(Body::from_stream(chunks))
}

async fn chat(mut request: Request) -> Response {
    let key = request.headers().get("sec-websocket-key").map(|key| key.as_bytes().to_owned());
    let accept = derive_accept_key(&key.unwrap_or_default());
    let upgraded = hyper::upgrade::on(&mut request);
    Handle::current().spawn(async move {
        let Ok(io) = upgraded.await else { return };
        let io = TokioIo::new(io);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() && socket.send(message).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)]
    {
        response
            .headers_mut()
            .extend(value.parse().ok().map(|value| (http::HeaderName::from_static(name), value)));
    }
    response
}
