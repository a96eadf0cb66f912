//! Our connectors under others' clients, and others' connectors under our pool.

use std::sync::Arc;

use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, pki_types::pem::PemObject};
use tonic::transport::Endpoint;
use tower::{ServiceBuilder, ServiceExt};
use tower_transport::{
    RequestExt,
    connect::{ConnectInfo, TcpConnector, UriConnector, UriService},
    http::NegotiateLayer,
    options::Protocols,
    pool::PoolLayer,
    tls::{Tls, TlsConfig, TlsLayer},
};

use crate::support::{
    hello,
    tls_peer::{Authority, provider},
};

/// A server that prefers these protocols, and a connector of ours that trusts it.
async fn server_and_connector(alpn: &[&str]) -> (String, Tls<TcpConnector>) {
    let authority = Authority::new();
    let port = hello::private(authority.certify("localhost").server(alpn)).await;
    let tls = TlsLayer::new(TlsConfig::roots_pem(authority.pem()).unwrap());
    let connector = ServiceBuilder::new().layer(tls).service(TcpConnector::new());
    (format!("https://localhost:{port}/"), connector)
}

/// hyper-rustls' connector as its users have it, which trusts `authority` and offers `alpn`.
fn hyper_rustls(authority: &Authority, alpn: &[&str]) -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    let root = rustls::pki_types::CertificateDer::from_pem_slice(authority.pem().as_bytes());
    roots.add(root.unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    HttpsConnector::from((http, Arc::new(config)))
}

async fn text<B>(response: Response<B>) -> String
where
    B: http_body::Body<Error: std::fmt::Debug>,
{
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

async fn a_pool_over_hyper_rustls_speaks(alpn: &str, version: Version) {
    let authority = Authority::new();
    let port = hello::private(authority.certify("localhost").server(&[alpn])).await;
    let pool = ServiceBuilder::new().layer(PoolLayer::new()).layer(NegotiateLayer::new()).service(
        UriConnector::hyper_util(hyper_rustls(&authority, &["h2", "http/1.1"])).encrypts(),
    );
    for is_reused in [false, true] {
        let response = pool.request("GET", format!("https://localhost:{port}/")).await.unwrap();
        let info = ConnectInfo::of(&response).unwrap();
        assert_eq!((info.version(), info.is_reused()), (Some(version), is_reused));
        let stream_id = if is_reused { 3 } else { 1 };
        assert_eq!(info.stream_id(), (version == Version::HTTP_2).then_some(stream_id));
        assert_eq!(response.into_body(), format!("{version:?}"));
    }
}

#[tokio::test]
async fn our_pool_keeps_what_hyper_rustls_connects_by_http1() {
    a_pool_over_hyper_rustls_speaks("http/1.1", Version::HTTP_11).await;
}

#[tokio::test]
async fn our_pool_keeps_what_hyper_rustls_connects_by_http2() {
    a_pool_over_hyper_rustls_speaks("h2", Version::HTTP_2).await;
}

async fn hyper_utils_client_speaks(alpn: &str, version: Version) {
    let (url, connector) = server_and_connector(&[alpn]).await;
    let client: Client<_, Empty<&[u8]>> =
        Client::builder(TokioExecutor::new()).build(UriService::new(connector));
    let response = client.get(url.parse().unwrap()).await.unwrap();
    let info: &ConnectInfo = response.extensions().get().unwrap();
    assert_eq!(info.server_name(), Some("localhost"));
    assert_eq!(text(response).await, format!("{version:?}"));
}

#[tokio::test]
async fn hyper_utils_client_speaks_http1_over_our_connectors() {
    hyper_utils_client_speaks("http/1.1", Version::HTTP_11).await;
}

#[tokio::test]
async fn hyper_utils_client_speaks_http2_over_our_connectors() {
    hyper_utils_client_speaks("h2", Version::HTTP_2).await;
}

#[tokio::test]
async fn tonic_speaks_over_our_connectors() {
    let (url, connector) = server_and_connector(&["h2"]).await;
    // tonic does TLS by features of its own or not at all; the connector does it where the URL says so.
    let connector = UriService::new(connector).protocols(Protocols::Http2Only);
    let endpoint = Endpoint::from_shared(url).unwrap();
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let response = channel.oneshot(Request::new(tonic::body::Body::empty())).await.unwrap();
    assert_eq!(text(response).await, "HTTP/2.0");
}

#[tokio::test]
async fn tonic_speaks_without_tls_over_our_connectors() {
    let endpoint = format!("http://localhost:{}", hello::plain().await);
    let endpoint = Endpoint::from_shared(endpoint).unwrap();
    let connector = UriService::new(TcpConnector::new());
    let channel = endpoint.connect_with_connector(connector).await.unwrap();
    let response = channel.oneshot(Request::new(tonic::body::Body::empty())).await.unwrap();
    assert_eq!(text(response).await, "HTTP/2.0");
}
