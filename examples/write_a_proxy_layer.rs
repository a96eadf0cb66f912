//! A proxy protocol of your own, as a layer: `cargo run --example write_a_proxy_layer`.
//!
//! The PROXY protocol, version 1, first sends the client's address to a load balancer. The connector below reaches the bytes; TLS and
//! HTTP above need no change.

use std::{
    error::Error,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::JoinSet,
};
use tower::{Layer, Service};
use tower_transport::{
    RequestExt, Transport,
    connect::{Connect, Connected, TcpConnector},
    target::Target,
};

#[path = "support/site.rs"]
mod site;

/// Sends the PROXY header with the client's address.
#[derive(Clone)]
struct OnBehalfOfLayer {
    client: SocketAddr,
}

#[derive(Clone)]
struct OnBehalfOf<C> {
    inner: C,
    client: SocketAddr,
}

impl<C> Layer<C> for OnBehalfOfLayer {
    type Service = OnBehalfOf<C>;

    fn layer(&self, inner: C) -> OnBehalfOf<C> {
        OnBehalfOf { inner, client: self.client }
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<C: Connect<Target>> Service<Target> for OnBehalfOf<C> {
    type Response = Connected<C::Io>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let (connecting, client) = (self.inner.call(target), self.client);
        Box::pin(async move {
            let Connected { io, info } = connecting.await.map_err(Into::into)?;
            let peer = info.peer_addr().ok_or("the way is not by TCP")?;
            let (from, to) = (client.ip(), peer.ip());
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let line = format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), peer.port());
            let mut io = TokioIo::new(io);
            io.write_all(line.as_bytes()).await?;
            Ok(Connected { io: io.into_inner(), info })
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://localhost:{}/", listener.local_addr()?.port());
    let mut balancer = JoinSet::new();
    balancer.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (mut stream, mut line) = (BufReader::new(stream), String::new());
            if stream.read_line(&mut line).await.is_ok() {
                println!("  the balancer reads {line:?}");
                site::serve(TokioIo::new(stream)).await;
            }
        }
    });

    let layer = OnBehalfOfLayer { client: ([192, 0, 2, 7], 50_000).into() };
    let connector = layer.layer(TcpConnector::new());
    let transport = Transport::builder().connector(connector).build()?;
    let response = transport.request("GET", &url).await?;
    println!("{} {:?}", response.status(), response.body());
    assert_eq!(response.body(), "Hello, world");
    Ok(())
}
