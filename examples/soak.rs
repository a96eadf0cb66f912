//! Load for as long as you like, over servers that stall, break off and restart: is anything lost, doubled or left open?
//!
//! ```sh
//! cargo run --release --all-features --example soak -- --seconds 600 --tasks 64 --svg soak.svg
//! ```
//!
//! Plain HTTP/1.1, HTTP/1.1 and HTTP/2 over TLS, and TLS through a `CONNECT` proxy take turns. A GET that may be sent again must have
//! a response; a POST must never be acted on twice; memory, descriptors and the pool must be flat. Exits with 1 where that fails.

#![allow(clippy::disallowed_methods, reason = "the program owns its runtime")]

#[path = "soak/chart.rs"]
mod chart;
#[path = "soak/servers.rs"]
mod servers;

use std::{
    collections::HashMap,
    error::Error,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Method, Request};
use tower_transport::{
    Body, RequestExt, Transport,
    options::Timeouts,
    proxy::{Proxy, ProxyRules},
    tls::TlsConfig,
};

use chart::Series;
use servers::{Servers, data};

/// What may be set, all of it bounded.
struct Arguments {
    time: Duration,
    tasks: u64,
    svg: Option<String>,
}

/// What became of the requests.
#[derive(Default)]
struct Counts {
    next: AtomicU64,
    answered: AtomicU64,
    /// A request that may not be sent again, to a server that broke off: a POST, or one whose response had begun.
    failed: AtomicU64,
    /// A request that could have been sent again, and has no response.
    lost: AtomicU64,
    /// The first errors of lost requests.
    errors: Mutex<Vec<String>>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::read()?;
    let servers = Arc::new(Servers::start().await?);
    let counts = Arc::new(Counts::default());
    let tls = TlsConfig::roots_pem(&servers.roots)?;
    let builder = || {
        Transport::builder().no_proxy().tls(tls.clone()).connect_retries(20).timeouts(timeouts())
    };
    let direct = builder().max_connections(50).build()?;
    let proxy: Proxy = format!("http://{}", servers.proxy).parse()?;
    let proxied = builder().max_connections(20).proxy(ProxyRules::all(proxy)).build()?;
    let routes = [
        (direct.clone(), format!("http://{}", servers.plain)),
        (direct.clone(), format!("https://localhost:{}", servers.http1.port())),
        (direct.clone(), format!("https://localhost:{}", servers.http2.port())),
        (proxied.clone(), format!("https://localhost:{}", servers.http2.port())),
    ];
    let end = Instant::now() + arguments.time;
    let tasks: Vec<_> = (0..arguments.tasks)
        .map(|task| {
            let (transport, origin) = routes[(task % 4) as usize].clone();
            tokio::spawn(load(transport, origin, counts.clone(), end))
        })
        .collect();
    let mut series = Series::default();
    let pause = (arguments.time / 120).max(Duration::from_millis(50));
    let mut before = 0;
    while Instant::now() < end {
        tokio::time::sleep(pause).await;
        let answered = counts.answered.load(Ordering::Relaxed);
        series.rate.push((answered - before) as f64 / pause.as_secs_f64());
        before = answered;
        series.memory.push(memory());
        series.descriptors.push(fs::read_dir("/proc/self/fd").map_or(0, Iterator::count) as f64);
    }
    for task in tasks {
        task.await?;
    }
    let (first, second) = (direct.stats(), proxied.stats());
    println!("{first}\n{second}");
    let left = first.active + first.queued + second.active + second.queued;
    let is_closed = direct.close().await & proxied.close().await;
    report(&counts, &servers, &series)?;
    if let Some(file) = arguments.svg {
        fs::write(file, series.svg())?;
    }
    let doubled = servers.doubled();
    let lost = counts.lost.load(Ordering::Relaxed);
    match (lost, doubled, left, is_closed, series.is_flat()) {
        (0, 0, 0, true, true) => Ok(()),
        seen => Err(format!("lost, doubled, left, closed, flat: {seen:?}").into()),
    }
}

fn timeouts() -> Timeouts {
    Timeouts::default().total(Duration::from_secs(60))
}

/// One request after the other, each third a POST.
async fn load(transport: Transport, origin: String, counts: Arc<Counts>, end: Instant) {
    while Instant::now() < end {
        let number = counts.next.fetch_add(1, Ordering::Relaxed);
        let is_post = number.is_multiple_of(3);
        let (method, length) =
            if is_post { (Method::POST, number * 7919 % 60_000) } else { (Method::GET, 0) };
        let mut request = Request::new(Body::from(data(number, length as usize)));
        *request.method_mut() = method;
        *request.uri_mut() = format!("{origin}/{number}").parse().expect("a URL");
        match exchange(&transport, request, number).await {
            Ok(true) => counts.answered.fetch_add(1, Ordering::Relaxed),
            Ok(false) => counts.failed.fetch_add(1, Ordering::Relaxed),
            Err(error) if is_post && error.was_sent() => {
                counts.failed.fetch_add(1, Ordering::Relaxed)
            }
            Err(error) => {
                let mut errors = counts.errors.lock().expect("no panic");
                if errors.len() < 5 {
                    errors.push(format!("{number}: {error:?}"));
                }
                counts.lost.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

/// The response to this request, whole: `false` if its server broke off within it, after which nothing is sent again.
async fn exchange(
    transport: &Transport,
    request: Request<Body>,
    number: u64,
) -> Result<bool, tower_transport::Error> {
    let response = transport.send(request).await?;
    let got = &response.headers()["x-number"];
    assert_eq!(got, number.to_string().as_str(), "the response to another request");
    let mut body = response.into_body();
    while let Ok(chunk) = body.chunk().await {
        let Some(chunk) = chunk else { return Ok(true) };
        assert_eq!(chunk, data(number, chunk.len()), "the data of another response");
    }
    Ok(false)
}

/// Resident memory in MiB.
fn memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn report(
    counts: &Counts,
    servers: &Servers,
    series: &Series,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    println!("{:>12} answered", count(&counts.answered));
    println!(
        "{:>12} failed: a POST, or within a response, as the server broke off",
        count(&counts.failed)
    );
    println!("{:>12} lost", count(&counts.lost));
    println!("{:>12} acted on twice or more: GET", servers.repeated());
    println!("{:>12} acted on twice or more: POST", servers.doubled());
    println!("{:>12} connections broken off, {} restarts", servers.broken(), servers.restarts());
    println!("{}", series.text());
    for error in counts.errors.lock().map_err(|_| "a panic")?.iter() {
        println!("lost {error}");
    }
    Ok(())
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut given: HashMap<_, _> = HashMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            given.insert(name, words.next().ok_or("each argument has a value")?);
        }
        let mut number = |name: &str, usual: u64, most: u64| match given.remove(name) {
            Some(text) => text.parse::<u64>().map(|it| it.clamp(1, most)),
            None => Ok(usual),
        };
        let (seconds, tasks) = (number("--seconds", 3, 24 * 3600)?, number("--tasks", 32, 1000)?);
        let svg = given.remove("--svg");
        match given.keys().next() {
            Some(other) => Err(format!("{other}: there are --seconds, --tasks and --svg").into()),
            None => Ok(Self { time: Duration::from_secs(seconds), tasks, svg }),
        }
    }
}
