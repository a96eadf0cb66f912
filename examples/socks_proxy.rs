//! Through a SOCKS proxy: `cargo run --example socks_proxy`.
//!
//! With `socks5h` the proxy resolves names; with `socks5` they are resolved here.

use std::error::Error;

use tower_transport::{RequestExt, Transport, proxy::Proxy, tls::TlsConfig};

#[path = "support/site.rs"]
mod site;
#[path = "support/socks_proxy.rs"]
mod socks_proxy;
#[path = "support/tls_server.rs"]
mod tls_server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let origin = tls_server::TlsServer::start().await?;
    let running = socks_proxy::SocksProxy::start().await?;

    let proxy: Proxy = format!("socks5h://{}", running.address).parse()?;
    let transport =
        Transport::builder().tls(TlsConfig::roots_pem(&origin.root_pem)?).proxy(proxy).build()?;

    for _ in 0..2 {
        let response = transport.request("GET", format!("{}/", origin.url)).await?;
        println!("{} {:?} {:?}", response.status(), response.version(), response.body());
        assert_eq!(response.body(), "Hello, world");
    }
    println!("{transport}");
    assert_eq!(transport.stats().opened, 1);
    Ok(())
}
