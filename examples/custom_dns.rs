//! Names by a resolver of your own: `cargo run --example custom_dns`.
//!
//! A resolver is a `Service<Name>` that returns addresses; the port is the target's. This one finds names under `.internal` in a
//! table of its own, as a service registry would, and asks the system for all others.

use std::{error::Error, net::SocketAddr};

use tower::{Service, service_fn};
use tower_transport::{
    RequestExt, Transport,
    connect::{Name, Resolve, StaticResolver, SystemResolver},
    error::BoxError,
};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

fn registry() -> impl Resolve + Clone + Send + 'static {
    service_fn(|name: Name| async move {
        println!("resolving {name}");
        if let Some(service) = name.as_str().strip_suffix(".internal") {
            return find(service).ok_or_else(|| BoxError::from("no such service"));
        }
        let addresses = SystemResolver::default().call(name).await?;
        Ok(addresses.into_iter().collect())
    })
}

fn find(service: &str) -> Option<Vec<SocketAddr>> {
    (service == "greeter").then(|| vec![([127, 0, 0, 1], 0).into()])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::builder().resolver(registry()).build()?;

    for host in ["greeter.internal", "localhost"] {
        let url = site.url.replace("localhost", host);
        let response = transport.request("GET", format!("{url}/headers")).await?;
        print!("{}", String::from_utf8_lossy(response.body()));
        assert_eq!(response.status(), 200);
    }
    let error = transport.request("GET", "http://missing.internal/").await.unwrap_err();
    println!("failed: {error}");
    assert!(error.is_dns());

    // A fixed table needs no code: curl's `--resolve`.
    let table = StaticResolver::new().address("greeter.example", [[127, 0, 0, 1]]);
    let transport = Transport::builder().resolver(table).build()?;
    let url = site.url.replace("localhost", "greeter.example");
    assert_eq!(transport.request("GET", url).await?.status(), 200);
    Ok(())
}
