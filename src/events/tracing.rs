//! Tells `tracing`: a span for each pair, an event for each note and each failure.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use ::tracing::{
    Span, debug, debug_span,
    field::{Empty, display},
    info, info_span,
};
use http::Method;

use super::{
    ConnectionId, Event, EventListener, Note, Noted, RequestId, Step,
    attributes::{KnownMethods, Server, error_type},
    failure::{Chain, phase},
};
use crate::{error::Error, lock};

/// Makes spans and events of `tracing` of what it is told.
///
/// A span has the name of its step, and below a request those of its steps. The span of a request is a part of the span
/// in which the transport was called. What makes a connection is a tree of its own under `connect`, with the same
/// `request`. Requests are at the level `INFO`, all else is at `DEBUG`:
///
/// | target | |
/// |---|---|
/// | `tower_transport::request` | requests and what becomes of them |
/// | `tower_transport::pool` | waiting for a connection; idle and closed ones |
/// | `tower_transport::connect` | names, sockets, proxies, TLS, protocols |
///
/// The span of a request has `http.request.method`, `server.address`, `server.port`, and where they apply `error.type` and
/// `http.request.method_original`, as OpenTelemetry's conventions name them, beside the short `method`, `url`, `version`
/// and `status`.
///
/// At `INFO` there is one event for each request that failed, after its last try, up to the end of the response's body:
///
/// | field | |
/// |---|---|
/// | `error` | what was being done, and all causes of the failure, in one line |
/// | `error.type` | `timeout`, `dns`, `tls` …: what the predicates of the [`Error`] say, in one word |
/// | `server.address`, `server.port` | the host and the port of the URL |
/// | `phase` | what it waited for: `pool`, `connect`, `write`, `read`, `total`, or `build` if it could not be sent at all |
/// | `was_sent` | [`Error::was_sent`] |
///
/// A request that was dropped has not failed, and neither has one that was answered with a status of 400 or more. What
/// fails below a request, tries that are made again among it, is told at `DEBUG`. A mistake in the parts of a request, as a
/// URL without a host, is an error before there is a request, and is not told.
///
/// It costs nothing for a request in whose moment nobody subscribes to `tower_transport::request` at `INFO`.
///
/// ```
/// use tower_transport::{Transport, events::TracingListener};
/// let transport = Transport::builder().listener(TracingListener::new()).build();
/// ```
#[derive(Default)]
pub struct TracingListener {
    /// Shared, because to clone a span is to call the subscriber.
    open: Mutex<HashMap<u64, Open>>,
    methods: KnownMethods,
}

/// A span that has not ended.
#[derive(Clone)]
struct Open {
    span: Arc<Span>,
    /// It has its connection since it began; recorded twice, it would be shown twice.
    has_connection: bool,
}

impl TracingListener {
    /// One that tells whoever subscribes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows these methods by their names in `http.request.method`, and every other as `_OTHER`: by default those of
    /// RFC 9110, `PATCH` and `QUERY` are known.
    pub fn known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = KnownMethods::of(methods);
        self
    }

    fn take(&self, event: &Event) -> Arc<Span> {
        let open = self.lock().remove(&event.id);
        let Some(Open { span, has_connection }) = open else { return Arc::new(Span::none()) };
        learn(&span, &event.step);
        if let Some(connection) = event.connection.filter(|_| !has_connection) {
            span.record("connection", display(connection));
        }
        span
    }

    fn of(&self, pair: Option<u64>) -> Option<Arc<Span>> {
        self.lock().get(&pair?).map(|open| open.span.clone())
    }

    /// Never kept while `tracing` is called: a subscriber may do anything.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        lock::lock(&self.open)
    }
}

impl EventListener for TracingListener {
    fn is_interested(&self) -> bool {
        ::tracing::enabled!(target: "tower_transport::request", ::tracing::Level::INFO)
    }

    fn started(&self, event: &Event) {
        let span = match self.of(event.parent) {
            Some(parent) => parent.in_scope(|| span(event, &self.methods)),
            None => span(event, &self.methods),
        };
        let open = Open { span: Arc::new(span), has_connection: event.connection.is_some() };
        self.lock().insert(event.id, open);
    }

    fn completed(&self, event: &Event) {
        drop(self.take(event));
    }

    fn failed(&self, event: &Event, error: &Error) {
        let span = self.take(event);
        if let Step::Request { .. } = event.step {
            span.record("error.type", error_type(error));
        }
        span.in_scope(|| match &event.step {
            Step::Request { url, .. } if event.parent.is_none() => request_failed(url, error),
            step => step_failed(step, error),
        });
    }

    fn canceled(&self, event: &Event) {
        let span = self.take(event);
        span.in_scope(|| match place(&event.step) {
            Place::Request => debug!(target: "tower_transport::request", "canceled"),
            Place::Pool => debug!(target: "tower_transport::pool", "canceled"),
            Place::Connect => debug!(target: "tower_transport::connect", "canceled"),
        });
    }

    fn noted(&self, note: &Note) {
        match self.of(note.parent) {
            Some(parent) => parent.in_scope(|| tell(note)),
            None => tell(note),
        }
    }
}

/// Where a step belongs: its target, which `tracing` wants to know when it is built.
enum Place {
    Request,
    Pool,
    Connect,
}

fn place(step: &Step) -> Place {
    match step {
        Step::PoolAcquire { .. } => Place::Pool,
        Step::Connect { .. }
        | Step::Dns { .. }
        | Step::Tcp { .. }
        | Step::ProxyConnect { .. }
        | Step::TlsHandshake { .. }
        | Step::HttpHandshake { .. } => Place::Connect,
        _ => Place::Request,
    }
}

/// The one event of a request that failed.
fn request_failed(url: &str, error: &Error) {
    let Server { address, port } = Server::of_url(url);
    info!(
        target: "tower_transport::request",
        error = %Chain(error),
        error.type = error_type(error),
        server.address = address,
        server.port = port,
        phase = phase(error),
        was_sent = error.was_sent(),
        "request failed",
    );
}

fn step_failed(step: &Step, error: &Error) {
    let error = display(Chain(error));
    match place(step) {
        Place::Request => debug!(target: "tower_transport::request", %error, "failed"),
        Place::Pool => debug!(target: "tower_transport::pool", %error, "failed"),
        Place::Connect => debug!(target: "tower_transport::connect", %error, "failed"),
    }
}

/// The span of a request.
fn request_span(event: &Event, method: &Method, url: &str, known: &KnownMethods) -> Span {
    let (request, connection) = (shown(event.request), shown_connection(event.connection));
    let Server { address, port } = Server::of_url(url);
    info_span!(
        target: "tower_transport::request", "request",
        request, connection, %method, url, version = Empty, status = Empty,
        http.request.method = known.name(method),
        http.request.method_original = known.original(method),
        server.address = address, server.port = port, error.type = Empty,
    )
}

/// What was begun, at its place.
fn span(event: &Event, known: &KnownMethods) -> Span {
    let (request, connection) = (shown(event.request), shown_connection(event.connection));
    match &event.step {
        Step::Request { method, url, .. } => request_span(event, method, url, known),
        Step::PoolAcquire { .. } => debug_span!(
            target: "tower_transport::pool", "pool.acquire",
            request, connection, reused = Empty,
        ),
        Step::Connect { target, .. } => debug_span!(
            target: "tower_transport::connect", parent: None, "connect",
            request, connection, target, version = Empty,
        ),
        Step::Dns { host, .. } => debug_span!(
            target: "tower_transport::connect", "connect.dns",
            request, connection, host, addresses = Empty,
        ),
        Step::Tcp { address } => debug_span!(
            target: "tower_transport::connect", "connect.tcp", request, connection, %address,
        ),
        Step::ProxyConnect { proxy, target } => debug_span!(
            target: "tower_transport::connect", "proxy.connect",
            request, connection, proxy, target,
        ),
        Step::TlsHandshake { server_name, .. } => debug_span!(
            target: "tower_transport::connect", "tls.handshake",
            request, connection, server_name, version = Empty,
            alpn = Empty,
        ),
        Step::HttpHandshake { version } => debug_span!(
            target: "tower_transport::connect", "http.handshake",
            request, connection, ?version,
        ),
        step => exchange(step, request, connection),
    }
}

/// What goes over a connection.
fn exchange(step: &Step, request: Option<String>, connection: Option<String>) -> Span {
    match step {
        Step::RequestBody { .. } => debug_span!(
            target: "tower_transport::request", "request.body",
            request, connection, bytes = Empty,
        ),
        Step::ResponseHead { .. } => debug_span!(
            target: "tower_transport::request", "response.head",
            request, connection, status = Empty,
        ),
        Step::ResponseBody { .. } => debug_span!(
            target: "tower_transport::request", "response.body",
            request, connection, bytes = Empty,
        ),
        _ => debug_span!(
            target: "tower_transport::request", "request.head", request, connection,
        ),
    }
}

/// What is known at the end.
fn learn(span: &Span, step: &Step) {
    match step {
        Step::Request { version, status, .. } => {
            span.record("version", version.map(::tracing::field::debug));
            span.record("status", status.map(|status| status.as_u16()));
        }
        Step::PoolAcquire { reused } => {
            span.record("reused", *reused);
        }
        Step::Connect { version, .. } => {
            span.record("version", version.map(::tracing::field::debug));
        }
        Step::Dns { addresses, .. } => {
            span.record("addresses", *addresses);
        }
        Step::TlsHandshake { version, alpn, .. } => {
            span.record("version", *version);
            span.record("alpn", alpn.as_deref());
        }
        Step::ResponseHead { status } => {
            span.record("status", status.map(|status| status.as_u16()));
        }
        Step::RequestBody { bytes } | Step::ResponseBody { bytes } => {
            span.record("bytes", *bytes);
        }
        _ => {}
    }
}

fn tell(note: &Note) {
    let (request, connection) = (shown(note.request), shown_connection(note.connection));
    match &note.what {
        Noted::Informational { status } => {
            let status = status.as_u16();
            debug!(target: "tower_transport::request", request, status, "response.informational");
        }
        Noted::Retry { why } => {
            debug!(target: "tower_transport::request", request, %why, "request.retry");
        }
        Noted::Idle => debug!(target: "tower_transport::pool", connection, "connection.idle"),
        Noted::Close { why, open_for } => {
            debug!(target: "tower_transport::pool", connection, %why, ?open_for, "connection.close");
        }
    }
}

fn shown(request: Option<RequestId>) -> Option<String> {
    request.map(|request| request.to_string())
}

fn shown_connection(connection: Option<ConnectionId>) -> Option<String> {
    connection.map(|connection| connection.to_string())
}

impl fmt::Debug for TracingListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingListener").field("open", &self.lock().len()).finish()
    }
}
