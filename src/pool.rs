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
//! A pool turns a [`MakeConnection`](crate::connect::MakeConnection) into a service of requests. It depends only on its
//! key and the [`Connection`] trait, not on TLS, proxies, sockets or names; so it also works over a connector or
//! connections of your own, without hyper.
//!
//! Use it when you stack layers yourself; [`Transport`](crate::Transport) is a ready-made stack. It is always ready,
//! because only the request tells the key, and so the queue: bound the waiting requests with
//! [`max_waiters`](PoolLayer::max_waiters) and the pool timeout, and put `tower`'s limits above it.
//!
//! # Poll what you have started
//!
//! A waiting request is given a connection as soon as one is free, in queue order, and holds it from then on, polled or
//! not. So requests that are started and then not polled hold connections that others could use, as when `buffered(n)`
//! has its next results and waits for its caller. Handing over a permit instead would let a request that is polled first
//! overtake those that wait longer. Spawn such requests as tasks, or take the results as they come. The
//! [total timeout](crate::options::Timeouts::total) ends a request that is polled again too late.
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1"))]
//! # fn example() -> impl tower_service::Service<http::Request<tower_transport::Body>> {
//! use tower::ServiceBuilder;
//! use tower_transport::{connect::TcpConnector, http::NegotiateLayer, pool::PoolLayer};
//!
//! ServiceBuilder::new()
//!     .layer(PoolLayer::new())
//!     .layer(NegotiateLayer::new())
//!     .service(TcpConnector::new())
//! # }
//! ```

mod body;
mod budget;
mod cancel;
mod checkout;
mod layer;
mod local_key;
mod member;
mod request_trace;
mod retry;
mod service;
mod settings;
mod shared;
mod state;
mod stats;
mod uri_keys;

pub(crate) use budget::Budget;
use settings::Limits;

pub use body::PoolBody;
pub use checkout::Checkout;
pub use layer::PoolLayer;
pub use service::Pool;
pub use shared::Key;
pub use stats::{ConnectionState, ConnectionStats, Stats};

pub use crate::connection::{AbortHandle, Connection, NoFreeStream, PoolSlot, Progress, SendError};

/// Request extension: the first dial that fails while the request waits fails it, whoever caused the dial, because the
/// caller has another route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailsFast;
