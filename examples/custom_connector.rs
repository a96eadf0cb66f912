//! The whole transport over a connector of your own: `cargo run --example custom_connector`.
//!
//! A connector is a tower service: it receives a `Target`, and returns a byte stream or any error. This one reaches
//! one host, through memory; TLS, retries and the pool are built around it as around TCP.

use std::{
    error::Error,
    future::{Ready, ready},
    io,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{DuplexStream, duplex},
    runtime::Handle,
};
use tower::Service;
use tower_transport::{RequestExt, Transport, connect::Connected, target::Target};

#[path = "support/site.rs"]
mod site;

#[derive(Clone)]
struct Inside {
    host: &'static str,
}

impl Service<Target> for Inside {
    type Response = Connected<TokioIo<DuplexStream>>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        if target.origin.host() != self.host {
            return ready(Err(io::Error::other("there is nobody else in here")));
        }
        let (ours, theirs) = duplex(64 * 1024);
        Handle::current().spawn(site::serve(TokioIo::new(theirs)));
        ready(Ok(Connected::new(TokioIo::new(ours))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let transport = Transport::builder().connector(Inside { host: "inside.example" }).build()?;

    let response = transport.request("GET", "http://inside.example/").await?;
    println!("inside.example: {} {:?}", response.status(), response.body());
    assert_eq!(response.body(), "Hello, world");

    let error = transport.request("GET", "http://outside.example/").await.unwrap_err();
    println!("outside.example: {error}, because {}", error.source().ok_or("it has a cause")?);
    assert!(error.is_connect() && !error.was_sent());
    println!("{transport}");
    Ok(())
}
