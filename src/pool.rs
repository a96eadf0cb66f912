//! Keeps connections between requests: checkout, lease, return.
//!
//! ```text
//!   request ── key ──▶ checkout ──▶ reuse an idle connection, or join a shared one ──▶ send
//!                         │                                                            │
//!                         └──▶ wait in line ◀── returned · freed stream · dialed       ▼
//!                                  │                                            lease, held by
//!                                  └──▶ dial, which belongs to the pool          the response body
//!                                                                                      │
//!           idle, or the first in line ◀── return ◀── end of the body ◀────────────────┤
//!                                 gone ◀── discard ◀── dropped early, failed ◀─────────┘
//! ```
//!
//! A pool turns a [`MakeConnection`](crate::connect::MakeConnection) into a service of requests. It knows nothing of
//! TLS, proxies, sockets or names, only its key and the [`Connection`](crate::connection::Connection) trait; so it
//! works alone, over a connector of yours or over connections of yours with no hyper in them.
//!
//! Use it when you stack layers yourself; [`Transport`](crate::Transport) is one that is stacked already. It is always
//! ready, because the key, and so the queue, is known only from the request: bound what waits with
//! [`max_waiters`](PoolLayer::max_waiters) and the pool timeout, and put `tower`'s limits above it.
//!
//! # Poll what you have started
//!
//! A request that waits is given a connection as soon as one is free, in the order of the line, and holds it from then on,
//! whether it is polled or not. So requests that are started and then not polled hold connections that others could use:
//! as when `buffered(n)` has its next results and waits for its caller. To hand over a mere permission would not do better:
//! whoever is polled first would go before those who wait longer. Spawn such requests as tasks, or take the results as they
//! come. The [total timeout](crate::options::Timeouts::total) ends one that is polled again too late.
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1"))]
//! # fn example() -> impl tower_service::Service<http::Request<tower_transport::Body>> {
//! use tower::ServiceBuilder;
//! use tower_transport::{connect::TcpConnector, negotiate::NegotiateLayer, pool::PoolLayer};
//!
//! ServiceBuilder::new()
//!     .layer(PoolLayer::new())
//!     .layer(NegotiateLayer::new())
//!     .service(TcpConnector::new())
//! # }
//! ```

use std::time::Duration;

use crate::{error::Error, setting};

mod body;
mod budget;
mod cancel;
mod checkout;
mod dial;
mod layer;
mod lease;
mod local_key;
mod member;
mod request_trace;
mod retry;
mod shared;
mod state;
mod stats;

pub(crate) use budget::Budget;

pub use body::PoolBody;
pub use checkout::Checkout;
pub use layer::{Pool, PoolLayer};
pub use shared::Key;
pub use stats::{ConnectionState, ConnectionStats, Stats};

/// On a request: it is told of the first dial that fails while it waits, also of one that it did not cause, because
/// there is another way for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailsFast;

/// What the pool keeps to. The setters of [`PoolLayer`] say what each means.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) connections_per_key: usize,
    pub(crate) idle: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) requests: Option<u64>,
    pub(crate) waiters: usize,
    pub(crate) abandon_dials: bool,
    /// A connection with requests is counted where what they carry is counted.
    pub(crate) is_counted_by_users: bool,
}

impl Limits {
    /// Requires each setting to be in its range.
    fn check(&self) -> Result<(), Error> {
        setting::at_least_one("max_connections", self.connections as u64)?;
        let per_key = self.connections_per_key as u64;
        setting::at_least_one("max_connections_per_key or _per_host", per_key)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            connections_per_key: usize::MAX,
            idle: usize::MAX,
            idle_timeout: Some(Duration::from_secs(90)),
            max_age: None,
            requests: None,
            waiters: usize::MAX,
            abandon_dials: false,
            is_counted_by_users: false,
        }
    }
}
