//! A proxy that speaks HTTP/2, and remembers its requests.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_transport::connect::MemoryConnector;

/// A proxy that speaks HTTP/2, and remembers its requests.
#[derive(Default)]
pub(crate) struct Http2Proxy {
    /// `POST http://a/ name=value name=value: body`
    received: Mutex<Vec<String>>,
    opened: AtomicUsize,
    /// It answers 407 to requests without credentials.
    asks: bool,
}

impl Http2Proxy {
    /// One that answers every request.
    pub(crate) fn content() -> Arc<Self> {
        Arc::default()
    }

    /// It answers 407 to requests without credentials.
    pub(crate) fn asking() -> Arc<Self> {
        Arc::new(Self { asks: true, ..Self::default() })
    }

    pub(crate) fn fields(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    pub(crate) fn listen(self: &Arc<Self>) -> MemoryConnector {
        let (connector, mut listener) = MemoryConnector::pair();
        let proxy = self.clone();
        tokio::spawn(async move {
            while let Some((io, _)) = listener.accept().await {
                proxy.opened.fetch_add(1, Ordering::SeqCst);
                let proxy = proxy.clone();
                let answer = service_fn(move |request| proxy.clone().answer(request));
                let server = Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(io), answer));
            }
        });
        connector
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let mut received = format!("{} {}", head.method, head.uri);
        for (name, value) in &head.headers {
            received.push_str(&format!(" {name}={}", value.to_str().unwrap()));
        }
        // An error says that the rest of the body was not sent.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        received.push_str(&format!(": {}", String::from_utf8_lossy(&body)));
        self.received.lock().unwrap().push(received);
        let is_refused = self.asks && !head.headers.contains_key("proxy-authorization");
        let answer = Response::builder().status(if is_refused { 407 } else { 200 });
        let answer = answer.header("proxy-authenticate", "Token");
        Ok(answer.body(Full::from(if is_refused { "refused" } else { "hello" })).unwrap())
    }
}
