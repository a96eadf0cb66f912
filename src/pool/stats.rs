//! Statistics.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Version};

use super::{
    shared::{Key, Shared, name_of},
    state::{Row, Use},
};
use crate::connection::Connection;

/// A snapshot of a pool.
///
/// Its `Display` is `requests: 1 active, 0 queued | connections: 1 active, 0 idle`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Connections opened so far. One through a tunnel is one; the proxy connection that carries it is not counted here.
    pub opened: u64,
    /// Requests on a connection, until the end of the response body.
    pub active: usize,
    /// Requests that wait for a connection.
    pub queued: usize,
    /// A row for each connection that counts against the limit, in the order of their dials. Connections to HTTP proxies
    /// that carry no tunnel come last; one that carries tunnels has no row of its own, but each tunnel has one.
    pub connections: Vec<ConnectionStats>,
}

/// A snapshot of one connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// Its key: the target, or the proxy it leads to.
    pub key: String,
    /// The version of HTTP, once it is known.
    pub protocol: Option<Version>,
    /// Its current use.
    pub state: ConnectionState,
    /// Requests it was given so far.
    pub served: u64,
    /// Requests on it now.
    pub active: usize,
    /// Time since it was opened.
    pub age: Duration,
    /// Time since it became idle.
    pub idle_for: Option<Duration>,
}

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It is being dialed.
    Connecting,
    /// It carries at least one request, or is upgraded.
    Active,
    /// It is free for a request.
    Idle,
    /// It takes no more requests.
    Closing,
}

impl Stats {
    pub(super) fn of<C, B, K>(pool: &Arc<Shared<C, B, K>>) -> Self
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        let (opened, queued) = pool.read(|state| (state.opened(), state.waiting()));
        let mut connections = ConnectionStats::of_all(pool);
        let active = connections.iter().map(|row| row.active).sum();
        let others = pool.budget.others(pool.number);
        connections.extend(others.iter().flat_map(|pool| pool.rows()));
        Self { opened, active, queued, connections }
    }

    /// Connections that are not idle: dialing, in use, or closing.
    pub fn active_connections(&self) -> usize {
        self.connections.len() - self.idle_connections()
    }

    /// Connections that are free for a request.
    pub fn idle_connections(&self) -> usize {
        self.connections.iter().filter(|row| row.state == ConnectionState::Idle).count()
    }
}

impl ConnectionStats {
    /// Rows of one pool's counted connections.
    pub(super) fn of_all<C, B, K>(pool: &Shared<C, B, K>) -> Vec<Self>
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        let now = pool.settings.runtime.now();
        let mut rows: Vec<_> = pool.read(|state| state.rows().collect());
        rows.sort_by_key(|row| row.slot);
        rows.iter().map(|row| Self::of(row, now)).collect()
    }

    fn of<K: fmt::Display>(row: &Row<K>, now: Instant) -> Self {
        Self {
            key: name_of(&*row.key),
            protocol: row.protocol,
            state: row.state.into(),
            served: row.served,
            active: row.requests,
            age: now.saturating_duration_since(row.opened_at),
            idle_for: row.idle_since.map(|since| now.saturating_duration_since(since)),
        }
    }
}

impl From<Use> for ConnectionState {
    fn from(state: Use) -> Self {
        match state {
            Use::Dialing => Self::Connecting,
            Use::Active => Self::Active,
            Use::Idle => Self::Idle,
            Use::Closing => Self::Closing,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (active, idle) = (self.active_connections(), self.idle_connections());
        write!(f, "requests: {} active, {} queued", self.active, self.queued)?;
        write!(f, " | connections: {active} active, {idle} idle")
    }
}
