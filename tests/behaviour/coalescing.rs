//! A connection serves one origin, even if its certificate names two.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::SanType;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower_transport::{RequestExt, Transport, connect::StaticResolver, tls::TlsConfig};

use crate::support::tls_peer::Authority;

/// An HTTP/2 server for two names, which notes the connection of each authority.
async fn serve(acceptor: TlsAcceptor, seen: Arc<Mutex<Vec<(usize, String)>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = AtomicUsize::new(0);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            let number = connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
                let answer = service_fn(|request: Request<Incoming>| {
                    let host = request.uri().host().unwrap().to_owned();
                    seen.lock().unwrap().push((number, host));
                    std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))))
                });
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(stream, answer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_for_two_names_joins_no_two_origins() {
    let (authority, seen) = (Authority::new(), Arc::default());
    let leaf = authority.certify_as("one.example", |params| {
        params.subject_alt_names.push(SanType::DnsName("two.example".try_into().unwrap()));
    });
    let acceptor = TlsAcceptor::from(Arc::new(leaf.server(&["h2"])));
    let address = serve(acceptor, Arc::clone(&seen)).await;
    let names = ["one.example", "two.example"];
    let resolver = StaticResolver::new();
    let resolver = names.iter().fold(resolver, |it, name| it.address(name, [address.ip()]));
    let tls = TlsConfig::roots_pem(authority.pem()).unwrap();
    let transport = Transport::builder().resolver(resolver).tls(tls).build().unwrap();
    for name in names.repeat(2) {
        let url = format!("https://{name}:{}/", address.port());
        transport.request("GET", url).await.unwrap();
    }
    let of = |number, name: &str| (number, name.to_owned());
    let [one, two] = names;
    assert_eq!(*seen.lock().unwrap(), [of(0, one), of(1, two), of(0, one), of(1, two)]);
}
