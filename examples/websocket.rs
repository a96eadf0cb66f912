//! WebSocket through a proxy and TLS: `cargo run --example websocket`.
//!
//! The transport does the HTTP part and returns the bytes; tokio-tungstenite speaks WebSocket on them. Over HTTP/2 the socket is one
//! stream among others (RFC 8441). If the server does not support that, the request fails before it is sent; then use `Upgrade` of
//! HTTP/1.1 (RFC 6455), which offers only HTTP/1.1 and has a connection of its own.

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};
use tower_transport::{
    RequestExt, Transport,
    http::{Upgraded, upgrade},
    options::{ConnectProtocol, Protocols},
    proxy::Proxy,
    tls::TlsConfig,
};

#[path = "support/http_proxy.rs"]
mod http_proxy;
#[path = "support/echo.rs"]
mod site;
#[path = "support/tls_server.rs"]
mod tls_server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = tls_server::TlsServer::start().await?;
    let running = http_proxy::HttpProxy::start().await?;
    let proxy: Proxy = format!("http://user:password@{}", running.address).parse()?;
    let tls = TlsConfig::roots_pem(&server.root_pem)?;
    let transport = Transport::builder().tls(tls).proxy(proxy).build()?;
    let url = server.url.replace("https://", "wss://");

    println!("by CONNECT over HTTP/2");
    converse(by_connect(&transport, &url).await?).await?;
    println!("by Upgrade over HTTP/1.1");
    converse(by_upgrade(&transport, &url).await?).await?;
    println!("the proxy saw {:?}", running.log());

    let http1 = transport.stream("CONNECT", &url).extension(Protocols::Http1Only);
    let error = http1.extension(ConnectProtocol::websocket()).await.unwrap_err();
    println!("{error}");
    assert!(error.is_unsupported() && !error.was_sent());
    Ok(())
}

async fn by_connect(transport: &Transport, url: &str) -> Result<Upgraded, Box<dyn Error>> {
    let request = transport.stream("CONNECT", url).header("sec-websocket-version", "13");
    let response = request.extension(ConnectProtocol::websocket()).await?;
    Ok(upgrade(response).await?)
}

async fn by_upgrade(transport: &Transport, url: &str) -> Result<Upgraded, Box<dyn Error>> {
    let key = generate_key();
    let request = transport.stream("GET", url);
    let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", &key);
    let response = request.await?;
    let proof = response.headers().get("sec-websocket-accept").ok_or("no proof came")?;
    assert_eq!(proof, &derive_accept_key(key.as_bytes()));
    Ok(upgrade(response).await?)
}

async fn converse(bytes: Upgraded) -> Result<(), Box<dyn Error>> {
    let io = TokioIo::new(bytes);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Client, None).await;
    for text in ["Hello", "world"] {
        socket.send(Message::text(text)).await?;
        let echo = socket.next().await.ok_or("the server hung up")??;
        println!("  {text} → {echo}");
        assert_eq!(echo, Message::text(text));
    }
    Ok(socket.close(None).await?)
}
