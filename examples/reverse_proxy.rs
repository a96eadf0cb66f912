//! A reverse proxy by axum and a `Transport`: `cargo run --example reverse_proxy`.
//!
//! Bodies are streamed both ways, WebSocket passes through, and a client that goes away cancels the request to the upstream.
//! The proxy is `support/gateway.rs`, to be copied.

use std::{error::Error, sync::Arc};

use futures_util::{SinkExt, StreamExt, stream};
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::client::generate_key, protocol::Role},
};
use tower_transport::{RequestExt, Transport, http::upgrade};

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/upstream.rs"]
mod upstream;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let canceled = Arc::new(Notify::new());
    let upstream = upstream::serve(upstream::router(canceled.clone())).await?.parse()?;
    let transport = Transport::new();
    let gateway = gateway::Gateway { transport: transport.clone(), upstream };
    let proxy = upstream::serve(gateway.router()).await?;
    let client = Transport::new();

    // Each word comes back before the next one is sent.
    let (words, mut sent) = mpsc::channel(1);
    let upload = stream::poll_fn(move |cx| sent.poll_recv(cx)).map(Ok::<_, std::io::Error>);
    words.send("Hello").await?;
    let request = client.stream("POST", format!("{proxy}/echo")).body_stream(upload);
    let mut body = request.await?.into_body();
    for word in ["Hello", "dear", "world"] {
        if word != "Hello" {
            words.send(word).await?;
        }
        let chunk = body.chunk().await?.ok_or("the answer ended early")?;
        println!("echo: {}", String::from_utf8_lossy(&chunk));
        assert_eq!(chunk, word);
    }
    drop(words);
    assert_eq!(body.chunk().await?, None);

    let request = client.stream("GET", format!("{proxy}/chat"));
    let request = request.header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13");
    let response = request.header("sec-websocket-key", generate_key()).await?;
    let io = TokioIo::new(upgrade(response).await?);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    socket.send(Message::text("through the proxy")).await?;
    let message = socket.next().await.ok_or("the socket closed early")??;
    println!("WebSocket: {message}");
    assert_eq!(message, Message::text("through the proxy"));
    socket.close(None).await?;

    let mut endless = client.stream("GET", format!("{proxy}/endless")).await?.into_body();
    assert!(endless.chunk().await?.is_some());
    drop(endless);
    canceled.notified().await;
    println!("The client went away and the upstream request was canceled. {transport}");
    Ok(())
}
