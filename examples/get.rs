//! A small `curl -i`: `cargo run --example get -- URL`.

use std::io::Write;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("usage: get URL");
        std::process::exit(2);
    };
    let response = tower_transport::stream("GET", url).await?;
    println!("{:?} {}", response.version(), response.status());
    for (name, value) in response.headers() {
        println!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    println!();
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        std::io::stdout().write_all(&chunk)?;
    }
    Ok(())
}
