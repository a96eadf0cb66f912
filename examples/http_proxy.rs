//! Through an HTTP proxy: `cargo run --example http_proxy`.
//!
//! The proxy forwards requests to `http`. Requests to `https` use a tunnel, in which the proxy sees only encrypted
//! bytes; its password never reaches an origin.

use std::error::Error;

use tower_transport::{RequestExt, Transport, connect::ConnectInfo, proxy::Proxy, tls::TlsConfig};

#[path = "support/http_proxy.rs"]
mod http_proxy;
#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;
#[path = "support/tls_server.rs"]
mod tls_server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (plain, tls) = (server::Server::start().await?, tls_server::TlsServer::start().await?);
    let running = http_proxy::HttpProxy::start().await?;

    let proxy: Proxy = format!("http://user:password@{}", running.address).parse()?;
    println!("{proxy}");
    let transport =
        Transport::builder().tls(TlsConfig::roots_pem(&tls.root_pem)?).proxy(proxy).build()?;

    for url in [&plain.url, &tls.url] {
        let response = transport.request("GET", format!("{url}/")).await?;
        let info = ConnectInfo::of(&response).ok_or("every response has it")?;
        let how = if info.forwarder().is_some() { "forwarded" } else { "through a tunnel" };
        println!("{url}: {} {:?}, {how}", response.status(), response.version());
        assert_eq!(response.body(), "Hello, world");
    }
    println!("  the proxy saw {:?}", running.log());

    let stranger: Proxy = format!("http://{}", running.address).parse()?;
    let transport = Transport::builder().proxy(stranger).build()?;
    let error = transport.request("GET", format!("{}/", tls.url)).await.unwrap_err();
    println!("{error}");
    assert!(error.is_proxy() && !error.was_sent());
    assert_eq!(error.proxy_status().map(|status| status.as_u16()), Some(407));
    Ok(())
}
