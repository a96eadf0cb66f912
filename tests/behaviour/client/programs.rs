//! Programs as users write them, from the docs alone, each against a server in memory.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower_transport::{Transport, connect::MemoryConnector, transport::TransportBuilder};

mod crawler;
mod download;
mod pages;
mod upload;

/// A transport whose every host is this router.
fn served(router: Router) -> TransportBuilder {
    let (connector, mut listener) = MemoryConnector::pair();
    tokio::spawn(async move {
        while let Some((io, _)) = listener.accept().await {
            let router = TowerToHyperService::new(router.clone());
            // A client that goes away in the middle is no affair of the server's.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(io), router));
        }
    });
    Transport::builder().connector(connector)
}
