//! A form with a file that need not fit into memory: `cargo run --release --features multipart,progress
//! --example upload [-- MIB]`, by default 64.
//!
//! The file is read in pieces as the server takes them, its length is sent beforehand, and the bar shows how far it is.

use std::{error::Error, fs::File};

use indicatif::{BinaryBytes, ProgressBar};
use tower::Layer;
use tower_transport::{
    RequestExt, Transport,
    client::{Form, Part, ProgressLayer},
};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = server::Server::start().await?;
    let mib: u64 = std::env::args().nth(1).map_or(Ok(64), |mib| mib.parse())?;
    let path = std::env::temp_dir().join(format!("tower-transport-upload-{}", std::process::id()));
    // A file of zeros that takes no room on the disk.
    File::create(&path)?.set_len(mib << 20)?;

    let client = ProgressLayer::new().layer(Transport::new());
    let form = Form::new().text("title", "A film").part("film", Part::file(&path).await?);
    let bar = ProgressBar::new(mib << 20);
    let drawn = bar.clone();
    let response = client
        .request("POST", format!("{}/post", site.url))
        .multipart(form)
        .on_upload(move |progress| drawn.set_position(progress.bytes()))
        .await;
    std::fs::remove_file(&path)?;
    bar.finish_and_clear();

    let response = response?;
    let answer = String::from_utf8_lossy(response.body());
    println!("{}\n{answer}", response.status());
    assert!(answer.contains("content-type: multipart/form-data; boundary="));
    assert!(answer.contains("content-length: ") && !answer.contains("transfer-encoding"));
    if let Some(peak) = peak_memory() {
        println!("{} in memory at the most, client and server together", BinaryBytes(peak));
        assert!(peak < 48 << 20);
    }
    Ok(())
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
