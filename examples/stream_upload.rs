//! A body generated while it is sent: `cargo run --example stream_upload`.
//!
//! Its length is unknown, so HTTP/1.1 sends it in chunks. The body is produced only as fast as the server reads, so memory stays
//! constant.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tower_transport::{RequestExt, Transport};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::new();

    let piece = Bytes::from(vec![b'.'; 64 * 1024]);
    let pieces = stream::repeat(piece).take(1024).map(Ok::<_, Infallible>);
    let response = transport
        .request("POST", format!("{}/post", site.url))
        .header("content-type", "application/octet-stream")
        .body_stream(pieces)
        .await?;

    let answer = String::from_utf8_lossy(response.body());
    println!("{}\n{answer}", response.status());
    println!("{transport}");
    assert!(answer.contains("transfer-encoding: chunked") && answer.contains("(67108864 bytes)"));
    Ok(())
}
