//! The stack written by hand, and one layer of it replaced: `cargo run --example layers`.
//!
//! `Transport::new()` wires the same layers, from the request down to the socket, and a `ProxyLayer` below TLS. You can leave out a
//! layer or replace it by your own: here a layer that prints each connection replaces `ConnectRetryLayer`.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tower::{Service, ServiceBuilder, layer::layer_fn};
use tower_transport::{
    RequestExt,
    connect::{Connect, ConnectRetryLayer, Connected, TcpConnector},
    http::NegotiateLayer,
    pool::PoolLayer,
    target::Target,
    tls::{TlsConfig, TlsLayer},
};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

/// Tells of every connection that is made. Any service of targets that answers with bytes is a connector.
#[derive(Clone)]
struct Announce<C> {
    inner: C,
}

impl<C: Connect<Target>> Service<Target> for Announce<C> {
    type Response = Connected<C::Io>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        println!("  connecting to {target}");
        let connecting = self.inner.call(target);
        Box::pin(async move {
            let connected = connecting.await?;
            println!("  connected to {:?}", connected.info.peer_addr());
            Ok(connected)
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = server::Server::start().await?;

    println!("Like `Transport::new()`, without proxies:");
    let whole = ServiceBuilder::new()
        .layer(PoolLayer::new())
        .layer(NegotiateLayer::new())
        .layer(ConnectRetryLayer::new(0))
        .layer(TlsLayer::new(TlsConfig::platform()))
        .service(TcpConnector::new());
    println!("  {:?}", whole.request("GET", &site.url).await?.body());

    println!("With a layer of our own:");
    let ours = ServiceBuilder::new()
        .layer(PoolLayer::new())
        .layer(NegotiateLayer::new())
        .layer(layer_fn(|inner| Announce { inner }))
        .layer(TlsLayer::new(TlsConfig::platform()))
        .service(TcpConnector::new());
    println!("  {:?}", ours.request("GET", &site.url).await?.body());
    println!("  {:?}", ours.request("GET", &site.url).await?.body());
    println!("  {}", ours.stats());
    assert_eq!(ours.stats().opened, 1);
    Ok(())
}
