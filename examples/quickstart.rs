//! A tour in eight stops, with no network: `cargo run --release --example quickstart`.
//!
//! It starts an HTTPS server in this process and prints each call with its result. It exits with 0 only if every step
//! succeeded.

use std::{error::Error, process::ExitCode};

use futures_util::{StreamExt, future::try_join_all, stream};
use http::{Response, header::CONTENT_LENGTH};
use indicatif::BinaryBytes;
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};
use tower_transport::{Body, RequestExt, Transport, connect::ConnectInfo, tls::TlsConfig};

#[path = "support/server.rs"]
mod server;

#[path = "support/site.rs"]
mod site;
#[path = "support/stage.rs"]
mod stage;
#[path = "support/tls_server.rs"]
mod tls_server;

use stage::{Temporary, called, came_back, heading, peak_memory, progress_bar, text, with_causes};

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

    // The server's certificate is from a private authority. With a public one, `tls` is not needed:
    // `Transport::new()` trusts the platform's roots.
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
        let info = ConnectInfo::of(&response).ok_or("no ConnectInfo")?;
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
    let mut output = BufWriter::with_capacity(MIB as usize, File::create(&file.path).await?);
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
    println!("  {transport}  (100 heads came)");
    for response in responses {
        let body = response.into_body().read().await?;
        ensure(body == "Hello, world", "every answer is whole")?;
    }
    println!("  {transport}  (100 bodies are read)");
    let opened = transport.stats().opened;
    println!("  connections opened: {opened}");
    ensure(opened == connections, "as many connections as the protocol needs")
}

fn content_length(response: &Response<Body>) -> Outcome<u64> {
    let length = response.headers().get(CONTENT_LENGTH).ok_or("the length is not known")?;
    Ok(length.to_str()?.parse()?)
}

fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(format!("expected that {what}").into()) }
}
