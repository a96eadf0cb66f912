//! Without TLS, `http` works and `https` says why not.

use tower_layer::Layer;
use tower_service::Service;
use tower_transport::{
    target::{Origin, Target},
    tls::{TlsConfig, TlsLayer},
};

use crate::support::plug::Plug;

fn target(url: &str) -> Target {
    Target::new(Origin::try_from(&url.parse().unwrap()).unwrap())
}

#[tokio::test]
async fn https_is_a_builder_error_that_names_the_feature() {
    let (plug, _far) = Plug::new();
    let mut connector = TlsLayer::new(TlsConfig::platform()).layer(plug);
    let error = connector.call(target("https://example.com")).await.unwrap_err();
    assert!(error.is_builder());
    assert!(error.to_string().contains("feature `tls`"), "{error}");
}

#[tokio::test]
async fn http_passes_through() {
    let (plug, _far) = Plug::new();
    let mut connector = TlsLayer::default().layer(plug);
    assert!(connector.call(target("http://example.com")).await.is_ok());
}
