//! An origin server in memory that counts connections.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, sync::Semaphore};
use tower_transport::{
    connect::{MemoryConnector, MemoryListener},
    transport::TransportBuilder,
};

use super::given_runtime;
pub(crate) use super::peer::run_ready_tasks;

#[cfg(feature = "http2")]
mod http2;

/// The state shared by a server and its test.
#[derive(Clone)]
pub(crate) struct Origin {
    /// `GET /gated` is answered only with a permit of this.
    pub(crate) gate: Arc<Semaphore>,
    opened: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    keep_alive: Option<&'static str>,
}

impl Origin {
    pub(crate) fn new() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            opened: Arc::default(),
            open: Arc::default(),
            most: Arc::default(),
            requests: Arc::default(),
            keep_alive: None,
        }
    }

    /// Adds this `Keep-Alive` to every response.
    pub(crate) fn keep_alive(mut self, hint: &'static str) -> Self {
        self.keep_alive = Some(hint);
        self
    }

    /// Serves HTTP/1.1 to a transport.
    pub(crate) fn http1(&self) -> TransportBuilder {
        given_runtime::transport().connector(self.http1_connector())
    }

    /// Serves HTTP/1.1 to a connector.
    pub(crate) fn http1_connector(&self) -> MemoryConnector {
        let (connector, listener) = MemoryConnector::pair();
        tokio::spawn(self.clone().accept(listener, Self::speak_http1));
        connector
    }

    /// Connections opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(crate) fn most_open(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    async fn accept(self, mut listener: MemoryListener, speak: impl Fn(Self, DuplexStream)) {
        while let Some((io, _)) = listener.accept().await {
            self.opened.fetch_add(1, Ordering::SeqCst);
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(open, Ordering::SeqCst);
            speak(self.clone(), io);
        }
    }

    fn speak_http1(self, io: DuplexStream) {
        tokio::spawn(async move {
            let answer = service_fn(|request| self.answer(request));
            let _ = conn::http1::Builder::new().serve_connection(TokioIo::new(io), answer).await;
            self.open.fetch_sub(1, Ordering::SeqCst);
        });
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if request.uri().path() == "/gated" {
            self.gate.acquire().await.expect("never closed").forget();
        }
        let mut response = Response::new(Full::new("hello".into()));
        if let Some(hint) = self.keep_alive {
            response.headers_mut().insert("keep-alive", hint.parse().expect("a hint"));
        }
        Ok(response)
    }
}
