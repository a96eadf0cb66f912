//! The time of concurrent requests, as a chart: `cargo run --example waterfall -- [URL]`.
//!
//! Without a URL it uses a server in its own process. Each request has a bar for each step; the steps of a dial are below the
//! request that caused it. Requests on an existing connection are marked `reused`.

use std::{error::Error, time::Duration};

use futures_util::future::join_all;
use tower_transport::{
    RequestExt, Transport,
    events::{Step, StepOutcome, TimedStep, Timings},
    options::Timed,
    tls::TlsConfig,
};

#[path = "support/site.rs"]
mod site;
#[path = "support/tls_server.rs"]
mod tls_server;

/// The width of the chart, in columns.
const WIDTH: f64 = 56.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = tls_server::TlsServer::start().await?;
    let (urls, tls) = match std::env::args().nth(1) {
        Some(url) => (vec![url; 4], TlsConfig::platform()),
        None => {
            let paths = ["/", "/headers", "/bytes/5000000", "/bytes/20000000"];
            let urls = paths.map(|path| format!("{}{path}", server.url)).to_vec();
            (urls, TlsConfig::roots_pem(&server.root_pem)?)
        }
    };
    let transport = Transport::builder().http1_only().max_connections(2).tls(tls).build()?;
    let fetching = urls.iter().map(|url| fetch(&transport, url));
    let fetched: Vec<_> = join_all(fetching).await.into_iter().collect::<Result<_, _>>()?;
    let whole = fetched.iter().filter_map(|timings| timings.of("request")).map(|(_, end)| end);
    let whole = whole.max().unwrap_or_default();
    for (url, timings) in urls.iter().zip(&fetched) {
        println!("\n{url}");
        timings.steps().iter().for_each(|timed| println!("{}", line(timed, whole)));
    }
    println!("\n{:>19} {:<w$}{whole:.1?}", "", "0", w = WIDTH as usize);
    Ok(())
}

async fn fetch(transport: &Transport, url: &str) -> Result<Timings, Box<dyn Error>> {
    let response = transport.request("GET", url).extension(Timed).await?;
    Ok(response.extensions().get::<Timings>().cloned().ok_or("no timings")?)
}

/// One step as a bar.
fn line(timed: &TimedStep, whole: Duration) -> String {
    let column = |at: Duration| (at.as_secs_f64() / whole.as_secs_f64() * WIDTH) as usize;
    let (ended, how) = timed.ended.unwrap_or((whole, StepOutcome::Canceled));
    let (from, to) = (column(timed.began), column(ended).min(WIDTH as usize));
    let bar = bar(&timed.step).repeat((to - from).max(1));
    let took = ended.saturating_sub(timed.began);
    let name = label(&timed.step);
    let how = if how == StepOutcome::Completed { String::new() } else { format!(" {how:?}") };
    format!("{name:>18} {:from$}{bar} {took:.1?}{how}{}", "", detail(&timed.step))
}

fn label(step: &Step) -> String {
    match step {
        Step::Request { .. } => "all".into(),
        Step::PoolAcquire { reused: Some(true), .. } => "queue, reused".into(),
        Step::PoolAcquire { .. } => "queue".into(),
        Step::ResponseHead { .. } => "waiting".into(),
        step => step.to_string(),
    }
}

fn bar(step: &Step) -> &'static str {
    match step {
        Step::Request { .. } => "─",
        Step::PoolAcquire { .. } => "░",
        Step::ResponseHead { .. } => "▒",
        Step::ResponseBody { .. } => "█",
        _ => "▓",
    }
}

fn detail(step: &Step) -> String {
    match step {
        Step::Request { status: Some(status), .. } => format!(", {status}"),
        Step::Tcp { address, .. } => format!(", {address}"),
        Step::ProxyConnect { proxy, .. } => format!(", {proxy}"),
        Step::TlsHandshake { version: Some(version), .. } => format!(", {version}"),
        Step::ResponseBody { bytes, .. } => format!(", {bytes} bytes"),
        _ => String::new(),
    }
}
