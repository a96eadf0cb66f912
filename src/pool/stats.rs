//! What can be seen of a pool from outside.

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

/// A pool at one moment.
///
/// Its `Display` is `requests: 1 active, 0 queued | connections: 1 active, 0 idle`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Connections opened so far. One through a tunnel is one; the connection to the proxy that carries it is not counted
    /// here.
    pub opened: u64,
    /// Requests that are on a connection, until the end of their response's body.
    pub active: usize,
    /// Requests that wait for a connection.
    pub queued: usize,
    /// A row for each connection that counts against the limit, in the order in which they were asked for. Connections to
    /// HTTP proxies that carry no tunnel now come after those for requests; one that carries tunnels has no row of its
    /// own, but each tunnel has one.
    pub connections: Vec<ConnectionStats>,
}

/// One connection at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// What it is kept under: the target, or the proxy that it leads to.
    pub key: String,
    /// The version of HTTP, once it is known.
    pub protocol: Option<Version>,
    /// What it is doing.
    pub state: ConnectionState,
    /// How many requests it has been given.
    pub served: u64,
    /// How many of them are under way.
    pub active: usize,
    /// Since when it is open.
    pub age: Duration,
    /// Since when it has nothing to do.
    pub idle_for: Option<Duration>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// It is being made.
    Connecting,
    /// It is with at least one request, or upgraded.
    Active,
    /// It waits for a request.
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

    /// Connections that are not idle: being made, in use, or on their way out.
    pub fn active_connections(&self) -> usize {
        self.connections.len() - self.idle_connections()
    }

    /// Connections that wait for a request.
    pub fn idle_connections(&self) -> usize {
        self.connections.iter().filter(|row| row.state == ConnectionState::Idle).count()
    }
}

impl ConnectionStats {
    /// The connections of one pool that count.
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
