//! The pool by itself, over bytes of your own: `cargo run --example pool_only`.
//!
//! No TCP, no TLS, no `Transport`: the connector is a closure, and its bytes go through memory to a server in this
//! process.

use std::io;

use hyper_util::rt::TokioIo;
use tokio::{io::duplex, runtime::Handle};
use tower::{ServiceBuilder, service_fn};
use tower_transport::{
    RequestExt, connect::Connected, http::NegotiateLayer, pool::PoolLayer, target::Target,
};

#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let connector = service_fn(|target: Target| async move {
        println!("connecting to {target}");
        let (ours, theirs) = duplex(64 * 1024);
        Handle::current().spawn(site::serve(TokioIo::new(theirs)));
        Ok::<_, io::Error>(Connected::new(TokioIo::new(ours)))
    });
    let pool = ServiceBuilder::new()
        .layer(PoolLayer::new().max_connections_per_host(2))
        .layer(NegotiateLayer::new())
        .service(connector);

    for host in ["one.example", "two.example", "one.example"] {
        let response = pool.request("GET", format!("http://{host}/")).await?;
        println!("{host}: {} {:?}", response.status(), response.body());
    }
    println!("{}", pool.stats());
    assert_eq!(pool.stats().opened, 2, "one connection for each host");
    Ok(())
}
