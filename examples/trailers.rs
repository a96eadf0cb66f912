//! Fields after the content, both ways: `cargo run --example trailers`.
//!
//! A checksum is known only at the end. HTTP/1.1 sends trailers that `Trailer` has announced, and most HTTP/1.1 servers send trailers
//! only if `TE` accepts them. HTTP/2 needs neither.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use tower_transport::{Body, RequestExt, Transport};

#[path = "support/server.rs"]
mod server;
#[path = "support/summing.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = server::Server::start().await?;
    let http2 = Transport::builder().http2_prior_knowledge().build()?;
    for transport in [Transport::new(), http2] {
        let request = transport.stream("POST", &site.url).body(summed(&["Hello", ", ", "world"]));
        let request = request.header("trailer", "x-sum");
        let response = request.header("te", "trailers").header("connection", "te").await?;

        println!("{:?} {}", response.version(), response.status());
        let (mut body, mut trailers) = (response.into_body(), HeaderMap::new());
        while let Some(frame) = body.frame().await? {
            match frame.into_data() {
                Ok(chunk) => println!("  {chunk:?}"),
                Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
        println!("  {trailers:?}");
        assert_eq!(trailers["x-sum"], "12 of 12");
    }
    Ok(())
}

/// Chunks, and behind them how many bytes they have.
fn summed(chunks: &'static [&'static str]) -> Body {
    let sum: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from(sum));
    let chunks = chunks.iter().map(|chunk| Frame::data(Bytes::from_static(chunk.as_bytes())));
    let frames = chunks.chain([Frame::trailers(trailers)]);
    Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))))
}
