//! HTTP transport for tower.

// In the order in which a request meets them.
#[cfg(feature = "tokio")]
mod one_shot;
pub mod request;
pub mod transport;

pub mod pool;

#[cfg(feature = "http1")]
pub mod http1;
#[cfg(not(feature = "http1"))]
#[path = "http1/disabled.rs"]
pub mod http1;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(not(feature = "http2"))]
#[path = "http2/disabled.rs"]
pub mod http2;
pub mod negotiate;

#[cfg(feature = "_rustls")]
pub mod tls;
#[cfg(not(feature = "_rustls"))]
#[path = "tls/disabled.rs"]
pub mod tls;

pub mod connect;

pub mod body;
pub mod connection;
pub mod error;
pub mod io;
pub mod options;
pub mod request_target;
pub mod rt;
pub mod target;
pub mod upgrade;

pub use body::Body;
pub use error::Error;
#[cfg(feature = "tokio")]
pub use one_shot::{OneShot, request, stream};
pub use request::RequestExt;
pub use transport::Transport;
