//! HTTP/2 without TLS, with prior knowledge: `cargo run --example http2_prior_knowledge`.
//!
//! Services on a trusted network know that the other side speaks HTTP/2 (RFC 9113 §3.3). Fifty concurrent requests
//! share one connection.

use futures_util::future::try_join_all;
use tower_transport::{RequestExt, Transport};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::builder().http2_prior_knowledge().build()?;

    let requests = (0..50).map(|_| transport.request("GET", &site.url).into_future());
    let responses = try_join_all(requests).await?;
    let version = responses[0].version();
    println!("{} answers by {version:?}", responses.len());
    println!("{transport}");

    let stats = transport.stats();
    println!("connections opened: {}", stats.opened);
    assert_eq!((version, stats.opened), (http::Version::HTTP_2, 1));
    Ok(())
}
