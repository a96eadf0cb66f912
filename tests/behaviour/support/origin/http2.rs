//! The same origin over HTTP/2.

use std::sync::atomic::Ordering;

use hyper::{server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::DuplexStream;
use tower_transport::{connect::MemoryConnector, transport::TransportBuilder};

use super::Origin;
use crate::support::given_runtime;

impl Origin {
    /// Serves HTTP/2 to a transport that knows it beforehand.
    pub(crate) fn http2(&self) -> TransportBuilder {
        self.http2_with_streams(100)
    }

    /// As [`http2`](Self::http2), so many streams at once.
    pub(crate) fn http2_with_streams(&self, streams: u32) -> TransportBuilder {
        let (connector, listener) = MemoryConnector::pair();
        let speak = move |origin: Self, io| origin.speak_http2(io, streams);
        tokio::spawn(self.clone().accept(listener, speak));
        given_runtime::transport().connector(connector).http2_prior_knowledge()
    }

    /// Requests that came.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn speak_http2(self, io: DuplexStream, streams: u32) {
        tokio::spawn(async move {
            let mut server = conn::http2::Builder::new(TokioExecutor::new());
            server.max_concurrent_streams(streams);
            let this = self.clone();
            let answer = service_fn(move |request| {
                let this = this.clone();
                async move { this.answer(request).await }
            });
            let _ = server.serve_connection(TokioIo::new(io), answer).await;
            self.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}
