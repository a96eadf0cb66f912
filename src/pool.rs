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
//! TLS, proxies, sockets or names, only its key and the [`Connection`] trait; so it
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
mod settings;
mod shared;
mod state;
mod stats;
mod uri_keys;

pub(crate) use budget::Budget;
use settings::Limits;

pub use body::PoolBody;
pub use checkout::Checkout;
pub use layer::{Pool, PoolLayer};
pub use shared::Key;
pub use stats::{ConnectionState, ConnectionStats, Stats};

pub use crate::connection::{AbortHandle, Connection, NoFreeStream, PoolSlot, Progress, SendError};

/// On a request: it is told of the first dial that fails while it waits, also of one that it did not cause, because
/// there is another way for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FailsFast;
