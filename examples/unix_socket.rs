//! HTTP over a Unix socket, as Docker and systemd speak it: `cargo run --example unix_socket`.
//!
//! Every request goes to the socket. The host of the URL becomes `Host` and is not resolved.

#[cfg(unix)]
#[path = "support/site.rs"]
mod site;

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use tower_transport::{RequestExt, Transport};

    let name = format!("tower-transport-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let listener = tokio::net::UnixListener::bind(&path)?;
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            site::serve(hyper_util::rt::TokioIo::new(stream)).await;
        }
    });

    let transport = Transport::builder().unix_socket(&path).build()?;
    let response = transport.request("GET", "http://docker/headers").await?;
    println!("{}\n{}", response.status(), String::from_utf8_lossy(response.body()));
    println!("{transport}");

    std::fs::remove_file(&path)?;
    assert_eq!(response.body(), "GET /headers HTTP/1.1\nhost: docker\n");
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    println!("There are no Unix sockets here.");
}
