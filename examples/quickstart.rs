//! A tour in eight stops, with no network: `cargo run --release --example quickstart`.
//!
//! It starts an HTTPS server in this process and shows what is called and what comes back. It ends with 0 only if every
//! stop went as it says.

use std::{error::Error, path::PathBuf, process::ExitCode};

use futures_util::{StreamExt, future::try_join_all, stream};
use http::{Response, header::CONTENT_LENGTH};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use tokio::{fs::File, io::AsyncWriteExt};
use tower_transport::{Body, RequestExt, Transport, connect::ConnectInfo, tls::TlsConfig};

#[path = "support/server.rs"]
mod server;

#[path = "support/site.rs"]
mod site;
#[path = "support/tls_server.rs"]
mod tls_server;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const MIB: u64 = 1 << 20;

#[tokio::main]
async fn main() -> ExitCode {
    match tour().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe tour ends here: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn tour() -> Outcome {
    let (plain, private) = (server::Server::start().await?, tls_server::TlsServer::start().await?);
    println!("Two servers in this process: {} and {}", plain.url, private.url);

    one_line(&plain.url).await?;

    // The server's certificate is by an authority of its own. One by a public authority needs no `tls` here:
    // `Transport::new()` trusts whom this machine trusts.
    let tls = TlsConfig::roots_pem(&private.root_pem)?;
    let transport = Transport::builder().tls(tls.clone()).build()?;
    a_connection_that_is_kept(&transport, &private.url).await?;
    request_headers(&transport, &private.url).await?;
    request_bodies(&plain.url).await?;
    download(&transport, &private.url).await?;
    read_or_refuse(&transport, &private.url).await?;

    let transport = Transport::builder().tls(tls.clone()).build()?;
    hundred("7. 100 requests at once, over HTTP/2", &transport, &private.url, 1).await?;
    let transport = Transport::builder().tls(tls).http1_only().build()?;
    hundred("8. The same over HTTP/1.1", &transport, &private.url, 100).await?;

    println!("\nAll is well.");
    Ok(())
}

async fn one_line(site: &str) -> Outcome {
    heading("1. One request");
    called(format_args!(r#"tower_transport::request("GET", "{site}/").await?"#));
    let response = tower_transport::request("GET", format!("{site}/")).await?;
    came_back(&response, response.body());
    ensure(response.status() == 200, "the answer is 200")
}

async fn a_connection_that_is_kept(transport: &Transport, site: &str) -> Outcome {
    heading("2. Two requests over one connection");
    for is_reused in [false, true] {
        called(format_args!(r#"transport.request("GET", "{site}/").await?"#));
        let response = transport.request("GET", format!("{site}/")).await?;
        came_back(&response, response.body());
        let info: &ConnectInfo = response.extensions().get().ok_or("no ConnectInfo")?;
        let tls = info.tls_version().unwrap_or("no TLS");
        println!("    ({tls}, {})", if info.is_reused() { "reused" } else { "new" });
        ensure(info.is_reused() == is_reused, "the second request reuses the connection")?;
    }
    println!("  {transport}");
    Ok(())
}

async fn request_headers(transport: &Transport, site: &str) -> Outcome {
    heading("3. Request headers");
    called(r#"transport.request("GET", url).header("user-agent", "quickstart/1").await?"#);
    let request = transport.request("GET", format!("{site}/headers"));
    let response = request.header("user-agent", "quickstart/1").await?;
    came_back(&response, response.body());
    ensure(text(response.body()).contains("user-agent: quickstart/1"), "the header arrived")
}

async fn request_bodies(site: &str) -> Outcome {
    heading("4. Request bodies, over HTTP/1.1");
    called(r#"transport.request("POST", url).body("Hello, world").await?"#);
    let (transport, url) = (Transport::new(), format!("{site}/post"));
    let response = transport.request("POST", &url).body("Hello, world").await?;
    came_back(&response, response.body());
    ensure(text(response.body()).contains("content-length: 12"), "bytes have a length")?;

    called(r#"transport.request("POST", url).body_stream(lines).await?"#);
    let lines = stream::iter(["Hello, ", "world"]).map(Ok::<_, std::io::Error>);
    let response = transport.request("POST", &url).body_stream(lines).await?;
    came_back(&response, response.body());
    ensure(text(response.body()).contains("transfer-encoding: chunked"), "a stream has none")
}

async fn download(transport: &Transport, site: &str) -> Outcome {
    heading("5. 100 MiB to a file, chunk by chunk");
    called(r#"transport.stream("GET", url).await?, then body.chunk().await?"#);
    let response = transport.stream("GET", format!("{site}/bytes/{}", 100 * MIB)).await?;
    came_back(&response, "");
    let before = peak_memory();
    let file = Temporary::new();
    let bar = progress_bar(content_length(&response)?);
    let mut output = File::create(&file.path).await?;
    let mut body = response.into_body();
    while let Some(chunk) = body.chunk().await? {
        output.write_all(&chunk).await?;
        bar.inc(chunk.len() as u64);
    }
    output.flush().await?;
    let speed = bar.position() as f64 / MIB as f64 / bar.elapsed().as_secs_f64();
    bar.finish_and_clear();
    println!("    {} in {:.2?}, {speed:.0} MiB/s", BinaryBytes(bar.position()), bar.elapsed());
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        println!("    peak memory, server included: {before} before, {after} after");
    }
    ensure(std::fs::metadata(&file.path)?.len() == 100 * MIB, "the file has 100 MiB")
}

async fn read_or_refuse(transport: &Transport, site: &str) -> Outcome {
    heading("6. Looking at the head before reading the body");
    for (length, expected) in [(200_000_000, None), (2_000, Some(2_000))] {
        called(format_args!(r#"transport.stream("GET", "{site}/bytes/{length}").await?"#));
        let response = transport.stream("GET", format!("{site}/bytes/{length}")).await?;
        came_back(&response, "");
        let read = match content_length(&response)? {
            100_000_001.. => None,
            _ => Some(response.into_body().read().await?.len()),
        };
        match read {
            None => println!("    {length} bytes are too many: dropped unread"),
            Some(read) => println!("    body.read().await? gave {read} bytes"),
        }
        ensure(read == expected, "only the small one is read")?;
    }
    println!("  {transport}");
    Ok(())
}

async fn hundred(title: &str, transport: &Transport, site: &str, connections: u64) -> Outcome {
    heading(title);
    called(r#"try_join_all((0..100).map(|_| transport.stream("GET", url).into_future()))"#);
    let url = format!("{site}/");
    let requests = (0..100).map(|_| transport.stream("GET", &url).into_future());
    let responses = try_join_all(requests).await?;
    println!("  {transport}   with 100 heads");
    for response in responses {
        let body = response.into_body().read().await?;
        ensure(body == "Hello, world", "every answer is whole")?;
    }
    println!("  {transport}   with 100 bodies");
    let opened = transport.stats().opened;
    println!("  connections opened: {opened}");
    ensure(opened == connections, "as many connections as the protocol needs")
}

fn heading(text: &str) {
    println!("\n── {text} {}", "─".repeat(76_usize.saturating_sub(text.chars().count())));
}

fn called(code: impl std::fmt::Display) {
    println!("  {code}");
}

/// The status, and what there is of a body.
fn came_back<B>(response: &Response<B>, body: impl AsRef<[u8]>) {
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.map(|length| format!(", {length} bytes")).unwrap_or_default();
    println!("  → {} by {:?}{length}", response.status(), response.version());
    text(body.as_ref()).lines().for_each(|line| println!("    {line}"));
}

fn text(body: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(body)
}

fn content_length(response: &Response<Body>) -> Outcome<u64> {
    let length = response.headers().get(CONTENT_LENGTH).ok_or("the length is not known")?;
    Ok(length.to_str()?.parse()?)
}

/// Hidden where nobody watches: then only the line after it is printed.
fn progress_bar(length: u64) -> ProgressBar {
    let style = "    {bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}";
    let style =
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// The most memory that this process ever had, where the system tells.
fn peak_memory() -> Option<BinaryBytes> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(BinaryBytes(kib * 1024))
}

/// A file that is gone afterwards.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn new() -> Self {
        let name = format!("tower-transport-quickstart-{}.bin", std::process::id());
        Self { path: std::env::temp_dir().join(name) }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("expected that {what}").into()) }
}

fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}, because: {cause}"))
}
