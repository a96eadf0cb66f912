//! One transport, and another route for each request: `cargo run --example per_request_proxy`.
//!
//! The route is part of the pool's key, so a connection through one proxy never serves a request for another proxy or for
//! none.

use std::error::Error;

use tower_transport::{
    RequestExt, Transport,
    options::ProxyOverride,
    proxy::{Proxy, ProxyRules},
    target::Route,
};

#[path = "support/http_proxy.rs"]
mod http_proxy;
#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let origin = server::Server::start().await?;
    let (one, other) =
        (http_proxy::HttpProxy::start().await?, http_proxy::HttpProxy::start().await?);
    let proxy = |running: &http_proxy::HttpProxy| {
        Proxy::new(&format!("http://user:password@{}", running.address))
    };
    let (to_one, to_other) = (proxy(&one)?, proxy(&other)?);

    // By default through the one proxy; the first of these two addresses has no listener.
    let gone = Proxy::new("http://127.0.0.1:9")?;
    let rules = ProxyRules::all(Route::first_of([gone, to_one]));
    let transport = Transport::builder().proxy(rules).build()?;
    let url = format!("{}/", origin.url);

    transport.request("GET", &url).await?;
    println!("as a rule:   {:?} {:?}", one.log(), other.log());

    transport.request("GET", &url).extension(ProxyOverride::to(to_other)).await?;
    let (by_one, by_other) = (one.log(), other.log());
    println!("overridden:  {by_one:?} {by_other:?}");
    assert_eq!((by_one.len(), by_other.len()), (0, 1));

    transport.request("GET", &url).extension(ProxyOverride::direct()).await?;
    let (by_one, by_other) = (one.log(), other.log());
    println!("directly:    {by_one:?} {by_other:?}");
    assert_eq!((by_one.len(), by_other.len()), (0, 0));

    println!("{transport}");
    assert_eq!(transport.stats().opened, 3);
    Ok(())
}
