//! Emits events to `tracing`: a span for each pair, an event for each note and each failure.

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
    ConnectionId, Event, EventListener, Note, NoteKind, RequestId, Step,
    attributes::{KnownMethods, Server, error_type},
    failure::{Chain, phase},
};
use crate::{error::Error, lock};

/// Emits spans and events of `tracing`.
///
/// A span has the name of its step; the spans of a request's steps are its children. The span of a request is a child
/// of the span in which the transport was called. The making of a connection is a tree of its own under `connect`,
/// with the same `request` field. Requests have the level `INFO`, everything else has `DEBUG`:
///
/// | target | |
/// |---|---|
/// | `tower_transport::request` | requests and their outcomes |
/// | `tower_transport::pool` | waiting for a connection; idle and closed ones |
/// | `tower_transport::connect` | names, sockets, proxies, TLS, protocols |
///
/// The span of a request has `http.request.method`, `server.address`, `server.port`, and where they apply
/// `error.type` and `http.request.method_original`, as named by OpenTelemetry's conventions, in addition to the short
/// `method`, `url`, `version` and `status`.
///
/// At `INFO` there is one event for each failed request, after its last attempt, up to the end of the response's
/// body:
///
/// | field | |
/// |---|---|
/// | `error` | the operation that failed and all causes, in one line |
/// | `error.type` | one word for the predicates of the [`Error`]: `timeout`, `dns`, `tls` … |
/// | `server.address`, `server.port` | the host and the port of the URL |
/// | `phase` | what the request waited for: `pool`, `connect`, `write`, `read`, `total`, or `build` if it could not be sent at all |
/// | `was_sent` | [`Error::was_sent`] |
///
/// A dropped request has not failed, and neither has a response with a status of 400 or more. Failures of single
/// steps, retried attempts among them, are logged at `DEBUG`. An invalid part of a request, such as a URL without a
/// host, is an error before the request exists, and is not logged.
///
/// It costs nothing for a request that starts while no subscriber enables `tower_transport::request` at `INFO`.
///
/// ```
/// use tower_transport::{Transport, events::TracingListener};
/// let transport = Transport::builder().listener(TracingListener::new()).build();
/// ```
#[derive(Default)]
pub struct TracingListener {
    /// In an `Arc`, because cloning a span calls the subscriber.
    open: Mutex<HashMap<u64, TracingSpan>>,
    methods: KnownMethods,
}

/// A span that has not ended.
#[derive(Clone)]
struct TracingSpan {
    span: Arc<Span>,
    /// The connection was known at the start; recording it twice would show it twice.
    has_connection: bool,
}

impl TracingListener {
    /// Emits to the current subscriber.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows these methods by their names in `http.request.method`, and every other as `_OTHER`. By default the
    /// methods of RFC 9110, `PATCH` and `QUERY` are known.
    pub fn known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = KnownMethods::of(methods);
        self
    }

    fn take(&self, event: &Event) -> Arc<Span> {
        let open = self.lock().remove(&event.id);
        let Some(TracingSpan { span, has_connection }) = open else {
            return Arc::new(Span::none());
        };
        record(&span, &event.step);
        if let Some(connection) = event.connection.filter(|_| !has_connection) {
            span.record("connection", display(connection));
        }
        span
    }

    fn of(&self, pair: Option<u64>) -> Option<Arc<Span>> {
        self.lock().get(&pair?).map(|open| open.span.clone())
    }

    /// Release the lock before calling `tracing`: a subscriber may call anything.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, TracingSpan>> {
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
        let open = TracingSpan { span: Arc::new(span), has_connection: event.connection.is_some() };
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
        span.in_scope(|| match span_target(&event.step) {
            SpanTarget::Request => debug!(target: "tower_transport::request", "canceled"),
            SpanTarget::Pool => debug!(target: "tower_transport::pool", "canceled"),
            SpanTarget::Connect => debug!(target: "tower_transport::connect", "canceled"),
        });
    }

    fn noted(&self, note: &Note) {
        match self.of(note.parent) {
            Some(parent) => parent.in_scope(|| emit(note)),
            None => emit(note),
        }
    }
}

/// The target of a step's span; `tracing` needs it as a constant.
enum SpanTarget {
    Request,
    Pool,
    Connect,
}

fn span_target(step: &Step) -> SpanTarget {
    match step {
        Step::PoolAcquire { .. } => SpanTarget::Pool,
        Step::Connect { .. }
        | Step::Dns { .. }
        | Step::Tcp { .. }
        | Step::ProxyConnect { .. }
        | Step::TlsHandshake { .. }
        | Step::HttpHandshake { .. } => SpanTarget::Connect,
        _ => SpanTarget::Request,
    }
}

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
    match span_target(step) {
        SpanTarget::Request => debug!(target: "tower_transport::request", %error, "failed"),
        SpanTarget::Pool => debug!(target: "tower_transport::pool", %error, "failed"),
        SpanTarget::Connect => debug!(target: "tower_transport::connect", %error, "failed"),
    }
}

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

/// The span of a started step.
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

/// The spans of an exchange on a connection.
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

/// Records the values known at the end.
fn record(span: &Span, step: &Step) {
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

fn emit(note: &Note) {
    let (request, connection) = (shown(note.request), shown_connection(note.connection));
    match &note.kind {
        NoteKind::Informational { status } => {
            let status = status.as_u16();
            debug!(target: "tower_transport::request", request, status, "response.informational");
        }
        NoteKind::Retry { reason } => {
            debug!(target: "tower_transport::request", request, why = %reason, "request.retry");
        }
        NoteKind::UploadProgress { bytes, total } => {
            debug!(target: "tower_transport::request", request, bytes, total, "request.body.progress");
        }
        NoteKind::DownloadProgress { bytes, total } => {
            debug!(target: "tower_transport::request", request, bytes, total, "response.body.progress");
        }
        NoteKind::Idle => debug!(target: "tower_transport::pool", connection, "connection.idle"),
        NoteKind::Close { reason, open_for } => {
            debug!(target: "tower_transport::pool", connection, why = %reason, ?open_for, "connection.close");
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
