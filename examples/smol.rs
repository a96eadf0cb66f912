//! A program on smol, without a runtime of tokio: `cargo run --features smol --example smol`.
//!
//! With `default-features = false` and the feature `smol`, tokio's runtime is not even built, and smol is the default. Here
//! both are built in, so the program sets the runtime of the transport.

use std::{error::Error, io, time::Duration};

use smol::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    stream::StreamExt,
};
use tower_transport::{RequestExt, Transport, options::Timeouts, rt::Runtime};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let site = format!("http://localhost:{}", listener.local_addr()?.port());
    let server = smol::spawn(serve(listener));

    let transport = Transport::builder().runtime(Runtime::smol()).build()?;
    let response = transport.request("GET", format!("{site}/first")).await?;
    print!("{}", String::from_utf8_lossy(response.body()));
    assert_eq!(response.body(), "you asked for /first\n");

    // Ten at once: a request may be a task of its own.
    let tasks: Vec<_> = (0..10)
        .map(|number| transport.request("GET", format!("{site}/{number}")))
        .map(|request| smol::spawn(request.into_future()))
        .collect();
    for task in tasks {
        assert_eq!(task.await?.status(), 200);
    }
    println!("{transport}");

    // Timers are smol's, too.
    let limit = Timeouts::default().read(Duration::from_millis(50));
    let error = transport.request("GET", format!("{site}/slow")).timeouts(limit).await.unwrap_err();
    println!("failed: {error}");
    assert!(error.is_timeout());

    assert!(transport.close().await, "all requests have ended");
    server.cancel().await;
    Ok(())
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let mut connections = listener.incoming();
    while let Some(stream) = connections.try_next().await? {
        smol::spawn(answer(stream)).detach();
    }
    Ok(())
}

/// Answers each request with its path, and leaves the slow one unanswered.
async fn answer(stream: TcpStream) -> io::Result<()> {
    let (mut lines, mut output) = (BufReader::new(stream.clone()).lines(), stream);
    while let Some(request) = lines.try_next().await? {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        while lines.try_next().await?.is_some_and(|field| !field.is_empty()) {}
        if path == "/slow" {
            smol::future::pending().await
        }
        let body = format!("you asked for {path}\n");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        output.write_all(format!("{head}{body}").as_bytes()).await?;
    }
    Ok(())
}
