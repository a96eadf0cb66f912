//! A client certificate (mutual TLS): `cargo run --example mutual_tls`.
//!
//! The certificate of `TlsConfig::identity_pem` is shown to origins that ask for one, never to a proxy. `TlsIdentity`
//! replaces the configuration for one request, which then has a connection of its own.

use std::error::Error;

use tower_transport::{RequestExt, Transport, options::TlsIdentity, tls::TlsConfig};

#[path = "support/mutual_server.rs"]
mod mutual_server;
#[path = "support/site.rs"]
mod site;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = mutual_server::MutualServer::start().await?;

    let anonymous = TlsConfig::roots_pem(&server.root_pem)?;
    let known = anonymous.clone().identity_pem(&server.client_pem, &server.client_key_pem)?;

    let transport = Transport::builder().tls(known).build()?;
    let response = transport.request("GET", &server.url).await?;
    println!("with a certificate: {}", response.status());
    assert_eq!(response.status(), 200);

    let request = transport.request("GET", &server.url);
    let error = request.extension(TlsIdentity::from(anonymous)).await.unwrap_err();
    println!("without: {error}");
    assert!(error.is_tls());
    Ok(())
}
