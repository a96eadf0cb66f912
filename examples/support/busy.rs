//! A server in memory that answers its first two requests with `503`, and all others with `200`.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{Response, StatusCode};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tower_transport::{Body, connect::MemoryListener};

/// Accepts until the connector is dropped.
pub(crate) async fn serve(mut listener: MemoryListener) {
    let mut connections = JoinSet::new();
    while let Some((stream, _)) = listener.accept().await {
        connections.spawn(async {
            let service = service_fn(|_| async { Ok::<_, Infallible>(answer()) });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer() -> Response<Body> {
    static SERVED: AtomicUsize = AtomicUsize::new(0);
    let mut response = Response::new(Body::empty());
    if SERVED.fetch_add(1, Ordering::Relaxed) < 2 {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
