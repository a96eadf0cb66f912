//! The events of a transport, step by step: `cargo run --example trace_events`.
//!
//! A listener prints the end of each step with its duration. The first request opens a connection, the second reuses it.

use tower_transport::{
    Error, RequestExt, Transport,
    events::{Event, EventListener, Note},
};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

struct Prints;

impl EventListener for Prints {
    fn completed(&self, event: &Event) {
        println!("  {:>9.1?} {:?}", event.elapsed(), event.step);
    }

    fn failed(&self, event: &Event, error: &Error) {
        println!("  {:>9.1?} {} failed: {error}", event.elapsed(), event.step);
    }

    fn noted(&self, note: &Note) {
        println!("            {}", note.kind);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::builder().listener(Prints).build()?;
    for request in ["a new connection", "the same again"] {
        println!("{request}:");
        assert_eq!(transport.request("GET", &site.url).await?.status(), 200);
    }
    Ok(())
}
