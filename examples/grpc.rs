//! gRPC by tonic over a transport, streaming both ways: `cargo run --example grpc`.
//!
//! tonic's clients take any service of requests. `support/grpc.rs` adds two features of tonic's `Channel`:
//! `grpc-timeout` limits the call, and errors become `Unavailable` or `DeadlineExceeded`.

use std::{error::Error, time::Duration};

use futures_util::stream;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::{Code, Request, client::Grpc};
use tower_transport::{Transport, http::Http2Config};

#[path = "support/grpc.rs"]
mod grpc;
#[path = "support/grpc_server.rs"]
mod server;

use server::{ECHO, SILENCE, Text};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::start().await?;
    let keep_alive = Http2Config::new().keep_alive_interval(Duration::from_secs(30));
    let transport = Transport::builder().http2_prior_knowledge().http2(keep_alive).build()?;
    let mut client = Grpc::with_origin(grpc::grpc(transport), server.url.parse()?);

    // Each message waits for the answer to the one before.
    let (say, mut said) = mpsc::channel(1);
    let messages = Request::new(stream::poll_fn(move |cx| said.poll_recv(cx)));
    client.ready().await?;
    let path = PathAndQuery::from_static(ECHO);
    let mut answers = client.streaming(messages, path, Text).await?.into_inner();
    for word in ["Hello", "dear", "world"] {
        say.send(word.to_owned()).await?;
        let answer = answers.message().await?;
        println!("{word} -> {answer:?}");
        assert_eq!(answer, Some(format!("{word}!")));
    }
    drop(say);
    assert_eq!(answers.message().await?, None);

    let mut late = Request::new("Anybody?".to_owned());
    late.set_timeout(Duration::from_millis(50));
    let status = client.unary(late, PathAndQuery::from_static(SILENCE), Text).await.unwrap_err();
    println!("{:?}: {}", status.code(), status.message());
    assert_eq!(status.code(), Code::DeadlineExceeded);

    drop(server);
    let nobody = Request::new("Anybody?".to_owned());
    let status = client.unary(nobody, PathAndQuery::from_static(ECHO), Text).await.unwrap_err();
    println!("{:?}: {}", status.code(), status.message());
    assert_eq!(status.code(), Code::Unavailable);
    Ok(())
}
