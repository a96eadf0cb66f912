//! Tells `tracing`: a span for each pair, an event for each note and each failure.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::tracing::{Span, debug, debug_span, field::display, info_span};

use super::{ConnectionId, Event, EventListener, Note, Noted, RequestId, Step};
use crate::error::Error;

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
/// It costs nothing for a request in whose moment nobody subscribes to `tower_transport::request` at `INFO`.
///
/// ```
/// use tower_transport::{Transport, events::TracingListener};
/// let transport = Transport::builder().listener(TracingListener::new()).build();
/// ```
#[derive(Default)]
pub struct TracingListener {
    /// Shared, because to clone a span is to call the subscriber.
    open: Mutex<HashMap<u64, Arc<Span>>>,
}

impl TracingListener {
    /// One that tells whoever subscribes.
    pub fn new() -> Self {
        Self::default()
    }

    fn take(&self, event: &Event) -> Arc<Span> {
        let span = self.lock().remove(&event.id).unwrap_or_else(|| Arc::new(Span::none()));
        learn(&span, &event.step);
        if let Some(connection) = event.connection {
            span.record("connection", display(connection));
        }
        span
    }

    fn of(&self, pair: Option<u64>) -> Option<Arc<Span>> {
        self.lock().get(&pair?).cloned()
    }

    /// Never kept while `tracing` is called: a subscriber may do anything.
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Span>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventListener for TracingListener {
    fn is_interested(&self) -> bool {
        ::tracing::enabled!(target: "tower_transport::request", ::tracing::Level::INFO)
    }

    fn started(&self, event: &Event) {
        let span = match self.of(event.parent) {
            Some(parent) => parent.in_scope(|| span(event)),
            None => span(event),
        };
        self.lock().insert(event.id, Arc::new(span));
    }

    fn completed(&self, event: &Event) {
        drop(self.take(event));
    }

    fn failed(&self, event: &Event, error: &Error) {
        let span = self.take(event);
        let error = display(error);
        span.in_scope(|| debug!(target: "tower_transport::request", %error, "failed"));
    }

    fn canceled(&self, event: &Event) {
        let span = self.take(event);
        span.in_scope(|| debug!(target: "tower_transport::request", "canceled"));
    }

    fn noted(&self, note: &Note) {
        match self.of(note.parent) {
            Some(parent) => parent.in_scope(|| tell(note)),
            None => tell(note),
        }
    }
}

/// What was begun, at its place.
fn span(event: &Event) -> Span {
    let (request, connection) = (shown(event.request), shown_connection(event.connection));
    match &event.step {
        Step::Request { method, url, .. } => info_span!(
            target: "tower_transport::request", "request",
            request, connection, %method, url, version = ::tracing::field::Empty,
            status = ::tracing::field::Empty,
        ),
        Step::PoolAcquire { .. } => debug_span!(
            target: "tower_transport::pool", "pool.acquire",
            request, connection, reused = ::tracing::field::Empty,
        ),
        Step::Connect { target, .. } => debug_span!(
            target: "tower_transport::connect", parent: None, "connect",
            request, connection, target, version = ::tracing::field::Empty,
        ),
        Step::Dns { host, .. } => debug_span!(
            target: "tower_transport::connect", "connect.dns",
            request, connection, host, addresses = ::tracing::field::Empty,
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
            request, connection, server_name, version = ::tracing::field::Empty,
            alpn = ::tracing::field::Empty,
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
            request, connection, bytes = ::tracing::field::Empty,
        ),
        Step::ResponseHead { .. } => debug_span!(
            target: "tower_transport::request", "response.head",
            request, connection, status = ::tracing::field::Empty,
        ),
        Step::ResponseBody { .. } => debug_span!(
            target: "tower_transport::request", "response.body",
            request, connection, bytes = ::tracing::field::Empty,
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
