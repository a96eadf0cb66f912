//! Limits for each host: `cargo run --example per_host_limits`.
//!
//! `max_connections_per_host` bounds connections, and with them the HTTP/1.1 requests of a host. HTTP/2 shares one connection
//! among a hundred requests, so a layer of twenty lines bounds requests, whatever the version.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, try_join_all};
use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::Service;
use tower_transport::{Body, RequestExt, Transport, target::Origin};

#[path = "support/server.rs"]
mod server;
#[path = "support/site.rs"]
mod site;

/// Bounds the requests to one origin that have no response yet. It keeps a semaphore for each origin it has seen.
#[derive(Clone)]
struct PerHost {
    inner: Transport,
    limit: usize,
    hosts: Arc<Mutex<HashMap<Origin, Arc<Semaphore>>>>,
}

impl PerHost {
    fn permits(&self, origin: Origin) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(origin).or_insert_with(|| Arc::new(Semaphore::new(self.limit))).clone()
    }
}

impl Service<Request<Body>> for PerHost {
    type Response = Response<Body>;
    type Error = tower_transport::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(())) // A transport is always ready.
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let host = Origin::try_from(request.uri()).map(|origin| self.permits(origin));
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let host = host?;
            let _permit = host.acquire().await; // Its semaphore is never closed.
            inner.call(request).await
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let site = server::Server::start().await?;
    let transport = Transport::builder()
        .max_connections(100)
        .max_connections_per_host(2) // More requests wait in line, for `Timeouts::pool` at most,
        .max_waiters(50) // and further ones fail at once: `Error::is_queue_full`.
        .build()?;
    try_join_all((0..20).map(|_| async { transport.request("GET", &site.url).await })).await?;
    println!("{transport}");
    assert!(transport.stats().connections.len() <= 2);

    let limited = PerHost { inner: Transport::new(), limit: 3, hosts: Arc::default() };
    try_join_all((0..20).map(|_| async { limited.request("GET", &site.url).await })).await?;
    println!("{}", limited.inner);
    assert!(limited.inner.stats().connections.len() <= 3);
    Ok(())
}
