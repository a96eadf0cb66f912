//! Counts and measures for the `metrics` facade, by the names of OpenTelemetry's conventions for HTTP clients.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ::metrics::{Label, gauge, histogram};
use http::{StatusCode, Uri, Version};

use super::{ConnectionId, Event, EventListener, Note, Noted, Step};
use crate::error::Error;

/// Records metrics of what it is told, in the recorder of the [`metrics`](::metrics) crate. Durations are in seconds.
///
/// | metric | kind | of |
/// |---|---|---|
/// | `http.client.request.duration` | histogram | a request, to the end of its response's body |
/// | `http.client.active_requests` | gauge | requests that are under way |
/// | `http.client.request.time_in_queue` | histogram | finding a connection, or making one |
/// | `http.client.open_connections` | gauge | connections, by `http.connection.state`: `active` or `idle` |
/// | `http.client.connection.duration` | histogram | a connection, from its first moment to its last |
/// | `dns.lookup.duration` | histogram | a question to a resolver |
///
/// Each has `server.address` and `server.port`, a question has `dns.question.name` instead. Requests have
/// `http.request.method`, and once they have ended `http.response.status_code`, `network.protocol.version` and, if they
/// did not succeed, `error.type`: the status from 400 on, `canceled`, or what the predicates of the error say.
///
/// Attach it to a transport, not to requests: connections are told of to the listener of the transport alone. The requests
/// by which tunnels are asked for are not measured.
///
/// ```
/// use tower_transport::{Transport, events::MetricsListener};
/// let transport = Transport::builder().listener(MetricsListener::new()).build();
/// ```
#[derive(Default)]
pub struct MetricsListener {
    open: Mutex<HashMap<ConnectionId, Open>>,
}

/// A connection as it was last told of.
#[derive(Clone)]
struct Open {
    server: [Label; 2],
    is_idle: bool,
}

impl MetricsListener {
    /// One that records wherever the `metrics` crate does.
    pub fn new() -> Self {
        Self::default()
    }

    fn ended(&self, event: &Event, error: Option<&'static str>) {
        match &event.step {
            Step::Request { .. } if event.parent.is_none() => request_ended(event, error),
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
        let open = event.connection.and_then(|connection| self.turn(connection, false));
        let mut labels: Vec<_> = open.map(|open| open.server.to_vec()).unwrap_or_default();
        labels.extend(error.map(|error| Label::new("error.type", error)));
        histogram!("http.client.request.time_in_queue", labels).record(event.elapsed());
    }

    fn opened(&self, event: &Event, target: &str) {
        let Some(connection) = event.connection else { return };
        let authority = target.split(' ').next().unwrap_or(target);
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let open = Open { server: server(host, port), is_idle: false };
        open.count(1.0);
        self.lock().insert(connection, open);
    }

    /// Counts a connection as idle, or as active.
    fn turn(&self, connection: ConnectionId, is_idle: bool) -> Option<Open> {
        let before = {
            let mut open = self.lock();
            let known = open.get_mut(&connection)?;
            let before = known.clone();
            known.is_idle = is_idle;
            before
        };
        if before.is_idle != is_idle {
            before.count(-1.0);
            Open { is_idle, ..before.clone() }.count(1.0);
        }
        Some(before)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self, more: f64) {
        let state = if self.is_idle { "idle" } else { "active" };
        let mut labels = self.server.to_vec();
        labels.push(Label::new("http.connection.state", state));
        gauge!("http.client.open_connections", labels).increment(more);
    }
}

impl EventListener for MetricsListener {
    fn started(&self, event: &Event) {
        if let (Step::Request { .. }, None) = (&event.step, event.parent) {
            gauge!("http.client.active_requests", asked(&event.step)).increment(1.0);
        }
    }

    fn completed(&self, event: &Event) {
        self.ended(event, None);
    }

    fn failed(&self, event: &Event, error: &Error) {
        self.ended(event, Some(kind(error)));
    }

    fn canceled(&self, event: &Event) {
        self.ended(event, Some("canceled"));
    }

    fn noted(&self, note: &Note) {
        let Some(connection) = note.connection else { return };
        match note.what {
            Noted::Idle => drop(self.turn(connection, true)),
            Noted::Close { open_for, .. } => {
                let Some(open) = self.lock().remove(&connection) else { return };
                open.count(-1.0);
                let labels = open.server.to_vec();
                histogram!("http.client.connection.duration", labels).record(open_for);
            }
            _ => {}
        }
    }
}

fn request_ended(event: &Event, error: Option<&'static str>) {
    let mut labels = asked(&event.step);
    gauge!("http.client.active_requests", labels.clone()).decrement(1.0);
    if let Step::Request { version, status, .. } = &event.step {
        labels.extend(version.and_then(spoken));
        let code = |status: StatusCode| status.as_u16().to_string();
        labels.extend(status.map(|status| Label::new("http.response.status_code", code(status))));
        let refused = status.filter(|status| status.as_u16() >= 400).map(code);
        let error = error.map(str::to_owned).or(refused);
        labels.extend(error.map(|error| Label::new("error.type", error)));
    }
    histogram!("http.client.request.duration", labels).record(event.elapsed());
}

/// What is known of a request from its start.
fn asked(step: &Step) -> Vec<Label> {
    let Step::Request { method, url, .. } = step else { return Vec::new() };
    let uri = url.parse::<Uri>().unwrap_or_default();
    let usual = if uri.scheme_str() == Some("https") { "443" } else { "80" };
    let port = uri.port().map_or_else(|| usual.to_owned(), |port| port.to_string());
    let mut labels = vec![Label::new("http.request.method", method.to_string())];
    labels.extend(server(uri.host().unwrap_or_default(), &port));
    labels
}

fn server(host: &str, port: &str) -> [Label; 2] {
    let (host, port) = (host.to_owned(), port.to_owned());
    [Label::new("server.address", host), Label::new("server.port", port)]
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

/// What happened, in one word of few.
fn kind(error: &Error) -> &'static str {
    let kinds = [
        (error.is_timeout(), "timeout"),
        (error.is_queue_full(), "queue_full"),
        (error.is_closed(), "closed"),
        (error.is_proxy(), "proxy"),
        (error.is_dns(), "dns"),
        (error.is_tls(), "tls"),
        (error.is_protocol(), "protocol"),
        (error.is_body(), "body"),
        (error.is_builder(), "builder"),
        (error.is_connect(), "connect"),
        (error.is_io(), "io"),
        (error.is_other(), "_OTHER"),
    ];
    kinds.iter().find(|(holds, _)| *holds).map_or("canceled", |(_, kind)| kind)
}

impl fmt::Debug for MetricsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsListener").field("open", &self.lock().len()).finish()
    }
}
