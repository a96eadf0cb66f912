//! A transport and its scripted origin, and the invariants after every fault.

use std::{sync::Arc, thread};

use bytes::Bytes;
use http::Response;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tower_transport::{
    Error, RequestExt, Transport,
    connect::{Connect, MemoryConnector, StaticResolver},
    target::Target,
    transport::TransportBuilder,
};

use super::{
    records::Records,
    scripted::{Script, ScriptedPeer},
};

#[cfg(feature = "http2")]
mod http2;

/// A transport with one connection, so that a leaked one is noticed.
pub(crate) struct Scene {
    pub(crate) transport: Transport,
    pub(crate) origin: Arc<ScriptedPeer>,
    /// The host and the port, as errors must name them.
    pub(crate) host: String,
    pub(super) scheme: &'static str,
    /// The events of its transport.
    records: Records,
    _server: Option<Server>,
}

/// A thread with an origin in it, which ends when this is dropped.
struct Server {
    _stop: oneshot::Sender<()>,
}

impl Scene {
    /// Over TCP.
    pub(crate) fn tcp(script: Script) -> Self {
        Self::tcp_with(script, |builder| builder)
    }

    /// Over TCP, with settings.
    pub(crate) fn tcp_with(
        script: Script,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        let open = |origin: Arc<ScriptedPeer>, stream: TcpStream| async move {
            let connection = origin.accept();
            origin.play(connection, stream).await;
        };
        Self::on_a_thread("http", script, open, settings)
    }

    /// Over TCP, on which each connection is first made what the script is played on.
    pub(crate) fn on_a_thread<F>(
        scheme: &'static str,
        script: Script,
        open: impl Fn(Arc<ScriptedPeer>, TcpStream) -> F + Send + 'static,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let origin = ScriptedPeer::new(script);
        let (port, server) = Server::start(origin.clone(), open);
        let host = format!("origin.example:{port}");
        let resolver = StaticResolver::new().address("origin.example", [[127, 0, 0, 1]]);
        let records = Records::default();
        let builder = Transport::builder().max_connections(1).resolver(resolver);
        let transport = settings(builder.listener(records.clone())).build().unwrap();
        Self { transport, origin, host, scheme, records, _server: Some(server) }
    }

    /// In memory and in this runtime, so that the clock can be paused.
    pub(crate) fn memory(script: Script) -> Self {
        Self::memory_with(script, |builder| builder)
    }

    /// In memory, with settings.
    pub(crate) fn memory_with(
        script: Script,
        settings: impl FnOnce(TransportBuilder) -> TransportBuilder,
    ) -> Self {
        Self::in_memory(script, |connector, builder| settings(builder.connector(connector)))
    }

    /// In memory, over what is made of the connector.
    pub(crate) fn memory_over<C>(script: Script, over: impl FnOnce(MemoryConnector) -> C) -> Self
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        Self::in_memory(script, |connector, builder| builder.connector(over(connector)))
    }

    fn in_memory(
        script: Script,
        settings: impl FnOnce(MemoryConnector, TransportBuilder) -> TransportBuilder,
    ) -> Self {
        let (origin, records) = (ScriptedPeer::new(script), Records::default());
        let builder = Transport::builder().max_connections(1).listener(records.clone());
        let builder = settings(origin.listen(), builder);
        let (transport, host) = (builder.build().unwrap(), "origin.example:80".into());
        Self { transport, origin, host, scheme: "http", records, _server: None }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.host)
    }

    pub(crate) async fn get(&self) -> Result<Response<Bytes>, Error> {
        self.transport.request("GET", self.url("/")).await
    }

    /// Makes a connection for a request that is dropped, and leaves it idle.
    pub(crate) async fn leave_idle(&self) {
        let mut given_up = Box::pin(self.get());
        assert!(futures_util::poll!(given_up.as_mut()).is_pending());
        drop(given_up);
        while self.transport.stats().idle_connections() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The predicates that hold for an error, as in a table: `protocol, sent`. Asserts that it names the host.
    pub(crate) fn predicates(&self, error: &Error) -> String {
        assert!(error.to_string().contains(&self.host), "{error} does not name {}", self.host);
        predicates(error)
    }

    /// Asserts that nothing is active or queued, that one more request is served, and that every start has one end.
    pub(crate) async fn assert_usable(&self) {
        wait_idle(&self.transport).await;
        let response = self.transport.request("GET", self.url("/next")).await;
        assert_eq!(response.expect("the next request has an answer").body(), "hello");
        wait_idle(&self.transport).await;
        self.records.all_ended().await;
    }
}

impl Server {
    fn start<F>(
        origin: Arc<ScriptedPeer>,
        open: impl Fn(Arc<ScriptedPeer>, TcpStream) -> F + Send + 'static,
    ) -> (u16, Self)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let accepting = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        // Without delay, bytes have arrived once the test is signaled.
                        stream.set_nodelay(true).unwrap();
                        tokio::spawn(open(origin.clone(), stream));
                    }
                };
                tokio::select! { _ = accepting => {}, _ = stopped => {} }
            });
        });
        (port, Self { _stop: stop })
    }
}

/// The predicates that hold for an error, as in a table.
pub(crate) fn predicates(error: &Error) -> String {
    let predicates = [
        ("timeout", error.is_timeout()),
        ("connect", error.is_connect()),
        ("dns", error.is_dns()),
        ("tls", error.is_tls()),
        ("io", error.is_io()),
        ("protocol", error.is_protocol()),
        ("builder", error.is_builder()),
        ("body", error.is_body()),
        ("canceled", error.is_canceled()),
        ("closed", error.is_closed()),
        ("queue full", error.is_queue_full()),
        ("sent", error.was_sent()),
    ];
    let hold: Vec<_> =
        predicates.iter().filter(|(_, holds)| *holds).map(|(name, _)| *name).collect();
    hold.join(", ")
}

/// Waits until nothing is active or queued.
pub(crate) async fn wait_idle(transport: &Transport) {
    let rest = "Transport [requests: 0 active, 0 queued | connections: 0 active,";
    for _ in 0..100_000 {
        if transport.to_string().starts_with(rest) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{transport} does not come to rest: {:#?}", transport.stats());
}
