//! What hyper-util's client and its connectors say about a connection.

use std::{
    convert::Infallible,
    future::ready,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected as TheirConnected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::io::{DuplexStream, duplex};
use tower::{ServiceExt, service_fn};
use tower_transport::connect::{ConnectInfo, Connected, UriConnector, UriService};

use crate::support::{hosts::listening, targets::target};

/// Bytes for which ALPN chose HTTP/2, as hyper-rustls would have them.
struct ChoseHttp2(TokioIo<DuplexStream>);

impl Connection for ChoseHttp2 {
    fn connected(&self) -> TheirConnected {
        TheirConnected::new().negotiated_h2()
    }
}

impl Read for ChoseHttp2 {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for ChoseHttp2 {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn http2_that_their_connector_negotiated_is_known_to_ours() {
    let theirs =
        service_fn(|_: Uri| ready(Ok::<_, Infallible>(ChoseHttp2(TokioIo::new(duplex(16).0)))));
    let connector = UriConnector::hyper_util(theirs);
    let connected = connector.oneshot(target("https://example.com/")).await.unwrap();
    assert_eq!(connected.info.alpn(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn addresses_that_their_connector_knows_are_known_to_ours() {
    let (listener, port) = listening("127.0.0.1").await;
    let connector = UriConnector::hyper_util(HttpConnector::new());
    let target = target(&format!("http://127.0.0.1:{port}"));
    let connected = connector.oneshot(target).await.unwrap();
    assert_eq!(connected.info.peer_addr(), Some(listener.local_addr().unwrap()));
    assert_eq!(connected.info.alpn(), None);
}

#[tokio::test]
async fn http2_that_our_connector_negotiated_is_known_to_theirs() {
    for (alpn, is_http2) in
        [(Some(&b"h2"[..]), true), (Some(&b"http/1.1"[..]), false), (None, false)]
    {
        let ours = service_fn(move |_: tower_transport::target::Target| {
            let io = TokioIo::new(duplex(16).0);
            let info = ConnectInfo::default().with_alpn(alpn.map(bytes::Bytes::from_static));
            ready(Ok::<_, Infallible>(Connected { io, info }.encrypted()))
        });
        let service = UriService::new(ours);
        let connected = service.oneshot(Uri::from_static("https://example.com/")).await.unwrap();
        assert_eq!(connected.connected().is_negotiated_h2(), is_http2, "{alpn:?}");
    }
}
