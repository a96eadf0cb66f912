//! A client by tower-http's layers: `cargo run --example tower_http_on_top`.
//!
//! A `Transport` is a `Service<http::Request<B>>`, so layers of tower and tower-http fit on top: here a timeout, redirects, a
//! header and decompression. `request` and `stream` work on the whole stack.
//!
//! For requests to others than yourself, take the layers of `tower_transport::client` instead of tower-http's redirects, timeout
//! and decompression. `FollowRedirectLayer` keeps `Host` and secrets of your own, like `X-Api-Key`, on the way to
//! another host, and returns a 307 with a body unfollowed; `TimeoutLayer` answers 408 instead of failing; `DecompressionLayer` ends
//! at the first member of a gzip file and has no limit. Headers, traces and request ids are fine as they are.

use std::time::Duration;

use http::{HeaderValue, header::USER_AGENT};
use tower::ServiceBuilder;
use tower_http::{
    decompression::DecompressionLayer, follow_redirect::FollowRedirectLayer,
    set_header::SetRequestHeaderLayer,
};
use tower_transport::{RequestExt, Transport};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::new();

    let agent = HeaderValue::from_static("on-top/1");
    let client = ServiceBuilder::new()
        .timeout(Duration::from_secs(30))
        .layer(FollowRedirectLayer::new())
        .layer(SetRequestHeaderLayer::overriding(USER_AGENT, agent))
        .layer(DecompressionLayer::new())
        .service(transport.clone());

    let response = client.request("GET", format!("{}/moved", site.url)).await?;
    let answer = String::from_utf8_lossy(response.body());
    println!("{}\n{answer}", response.status());
    println!("{transport}");

    // Redirected, and compressed.
    assert!(answer.starts_with("GET /headers"));
    assert!(answer.contains("user-agent: on-top/1") && answer.contains("accept-encoding: gzip"));
    Ok(())
}
