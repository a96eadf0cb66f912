//! Records metrics by the `metrics` facade, named by OpenTelemetry's conventions for HTTP clients.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard},
};

use ::metrics::{Label, gauge, histogram};
use http::{Method, StatusCode, Version};

use super::{
    ConnectionId, Event, EventListener, Note, NoteKind, Step,
    attributes::{KnownMethods, Server, error_type},
};
use crate::{error::Error, lock};

/// Records metrics of the events, in the recorder of the [`metrics`](::metrics) crate. Durations are in seconds.
///
/// | metric | kind | of |
/// |---|---|---|
/// | `http.client.request.duration` | histogram | a request, to the end of its response's body |
/// | `http.client.active_requests` | gauge | requests in progress |
/// | `http.client.request.time_in_queue` | histogram | finding a connection, or making one |
/// | `http.client.open_connections` | gauge | connections, by `http.connection.state`: `active` or `idle` |
/// | `http.client.connection.duration` | histogram | a connection, from open to close |
/// | `dns.lookup.duration` | histogram | a name lookup |
///
/// Each has `server.address` and `server.port`, those of the URL; for a connection to a proxy, the proxy's. A lookup
/// has `dns.question.name` instead. Requests have `http.request.method`, which is `_OTHER` for a method that is not
/// [known](Self::known_methods). At their end they also have `http.response.status_code`, `network.protocol.version`
/// and, unless they succeeded, `error.type`: the status from 400 on, `canceled`, or the word for the error's
/// predicates.
///
/// Attach it to a transport, not to requests: only the transport's listener receives the events of connections.
/// `CONNECT` requests for tunnels are not measured.
///
/// ```
/// use tower_transport::{Transport, events::MetricsListener};
/// let transport = Transport::builder().listener(MetricsListener::new()).build();
/// ```
#[derive(Default)]
pub struct MetricsListener {
    open: Mutex<HashMap<ConnectionId, OpenConnection>>,
    /// The servers of the requests in progress, by the numbers of their pairs.
    servers: Mutex<HashMap<u64, Vec<Label>>>,
    methods: KnownMethods,
}

/// The last known state of a connection.
#[derive(Clone)]
struct OpenConnection {
    server: Vec<Label>,
    is_idle: bool,
}

impl MetricsListener {
    /// Records in the recorder of the `metrics` crate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows these methods by their names, and every other as `_OTHER`. By default the methods of RFC 9110, `PATCH`
    /// and `QUERY` are known.
    pub fn known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = KnownMethods::of(methods);
        self
    }

    fn ended(&self, event: &Event, error: Option<&'static str>) {
        match &event.step {
            Step::Request { .. } if event.parent.is_none() => self.request_ended(event, error),
            Step::PoolAcquire { .. } => self.acquired(event, error),
            Step::Dns { host, .. } => {
                let mut labels = vec![Label::new("dns.question.name", host.clone())];
                labels.extend(error.map(|error| Label::new("error.type", error)));
                histogram!("dns.lookup.duration", labels).record(event.elapsed());
            }
            Step::Connect { target, .. } if error.is_none() => self.opened(event, target),
            _ => {}
        }
    }

    fn acquired(&self, event: &Event, error: Option<&'static str>) {
        if let Some(connection) = event.connection {
            self.set_idle(connection, false);
        }
        let servers = |request| lock(&self.servers).get(&request).cloned();
        // A `CONNECT` request has no entry: its wait is a part of the wait of the tunneled request.
        let Some(mut labels) = event.parent.and_then(servers) else { return };
        labels.extend(error.map(|error| Label::new("error.type", error)));
        histogram!("http.client.request.time_in_queue", labels).record(event.elapsed());
    }

    fn opened(&self, event: &Event, target: &str) {
        let Some(connection) = event.connection else { return };
        let open = OpenConnection { server: server(Server::of_key(target)), is_idle: false };
        open.count(1.0);
        lock(&self.open).insert(connection, open);
    }

    /// Moves a connection between the counts of active and idle ones.
    fn set_idle(&self, connection: ConnectionId, is_idle: bool) {
        let before = {
            let mut open = lock(&self.open);
            let Some(known) = open.get_mut(&connection) else { return };
            let before = known.clone();
            known.is_idle = is_idle;
            before
        };
        if before.is_idle != is_idle {
            before.count(-1.0);
            OpenConnection { is_idle, ..before }.count(1.0);
        }
    }

    fn request_began(&self, event: &Event) {
        let Step::Request { url, .. } = &event.step else { return };
        let labels = server(Server::of_url(url));
        lock(&self.servers).insert(event.id, labels.clone());
        gauge!("http.client.active_requests", self.of_request(&event.step, labels)).increment(1.0);
    }

    fn request_ended(&self, event: &Event, error: Option<&'static str>) {
        let began = lock(&self.servers).remove(&event.id);
        let Some(labels) = began else { return };
        let mut labels = self.of_request(&event.step, labels);
        gauge!("http.client.active_requests", labels.clone()).decrement(1.0);
        if let Step::Request { version, status, .. } = &event.step {
            labels.extend(version.and_then(spoken));
            let code = |status: StatusCode| status.as_u16().to_string();
            let answered = status.map(|it| Label::new("http.response.status_code", code(it)));
            labels.extend(answered);
            let refused = status.filter(|status| status.as_u16() >= 400).map(code);
            let error = error.map(str::to_owned).or(refused);
            labels.extend(error.map(|error| Label::new("error.type", error)));
        }
        histogram!("http.client.request.duration", labels).record(event.elapsed());
    }

    /// The labels known when a request starts.
    fn of_request(&self, step: &Step, server: Vec<Label>) -> Vec<Label> {
        let Step::Request { method, .. } = step else { return server };
        let mut labels =
            vec![Label::new("http.request.method", self.methods.name(method).to_owned())];
        labels.extend(server);
        labels
    }
}

impl OpenConnection {
    fn count(&self, more: f64) {
        let state = if self.is_idle { "idle" } else { "active" };
        let mut labels = self.server.clone();
        labels.push(Label::new("http.connection.state", state));
        gauge!("http.client.open_connections", labels).increment(more);
    }
}

impl EventListener for MetricsListener {
    fn started(&self, event: &Event) {
        if let (Step::Request { .. }, None) = (&event.step, event.parent) {
            self.request_began(event);
        }
    }

    fn completed(&self, event: &Event) {
        self.ended(event, None);
    }

    fn failed(&self, event: &Event, error: &Error) {
        self.ended(event, Some(error_type(error)));
    }

    fn canceled(&self, event: &Event) {
        self.ended(event, Some("canceled"));
    }

    fn noted(&self, note: &Note) {
        let Some(connection) = note.connection else { return };
        match note.kind {
            NoteKind::Idle => self.set_idle(connection, true),
            NoteKind::Close { open_for, .. } => {
                let open = lock(&self.open).remove(&connection);
                let Some(open) = open else { return };
                open.count(-1.0);
                histogram!("http.client.connection.duration", open.server).record(open_for);
            }
            _ => {}
        }
    }
}

fn server(server: Server) -> Vec<Label> {
    let mut labels = vec![Label::new("server.address", server.address)];
    labels.extend(server.port.map(|port| Label::new("server.port", port.to_string())));
    labels
}

/// Release the lock before calling `metrics`: a recorder may call anything.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    lock::lock(mutex)
}

fn spoken(version: Version) -> Option<Label> {
    let version = match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => return None,
    };
    Some(Label::new("network.protocol.version", version))
}

impl fmt::Debug for MetricsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsListener").field("open", &lock(&self.open).len()).finish()
    }
}
