//! A hyper server on a loopback port, for foreign clients and connectors.

use std::{convert::Infallible, future::ready, sync::Arc};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Answers every request with its HTTP version; returns the port.
pub(crate) async fn plain() -> u16 {
    let (listener, port) = super::hosts::listening("127.0.0.1").await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(TokioIo::new(stream)));
        }
    });
    port
}

/// The same over TLS.
pub(crate) async fn private(config: rustls::ServerConfig) -> u16 {
    let (listener, port) = super::hosts::listening("127.0.0.1").await;
    tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config))));
    port
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve(TokioIo::new(stream)).await;
        });
    }
}

async fn serve(io: impl Read + Write + Unpin + Send + 'static) {
    let answer = |request: Request<Incoming>| {
        ready(Ok::<_, Infallible>(Response::new(format!("{:?}", request.version()))))
    };
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection(io, service_fn(answer)).await);
}
