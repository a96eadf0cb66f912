//! `tracing` and Prometheus, set up so that both print: `cargo run --example observability --features tracing,metrics`.
//!
//! `RUST_LOG=tower_transport=debug` shows every step; by default there is one line for each request and each failure.

use std::error::Error;

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_transport::{
    RequestExt, Transport,
    events::{MetricsListener, TracingListener},
    options::Listener,
};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE) // Without it, spans only show with events inside of them.
        .with_ansi(false)
        .init();
    let prometheus = PrometheusBuilder::new()
        .set_buckets(&[0.005, 0.05, 0.5, 5.0])? // Seconds; without buckets, quantiles are computed here.
        .install_recorder()?;

    let site = server::Server::start().await?;
    let transport = Transport::builder()
        .listener(Listener::new(TracingListener::new()).and(MetricsListener::new()))
        .build()?;
    for path in ["/", "/headers", "/nowhere"] {
        transport.request("GET", format!("{}{path}", site.url)).await?;
    }
    let failed = transport.request("GET", "http://127.0.0.1:1/").await;
    assert!(failed.unwrap_err().is_connect());

    // What a scrape of `/metrics` answers with.
    let metrics = prometheus.render();
    print!("{metrics}");
    assert!(metrics.contains("http_client_request_duration_count"));
    Ok(())
}
