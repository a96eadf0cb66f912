//! HTTP transport for tower.

#[cfg(feature = "tokio")]
extern crate tokio as _;

pub mod body;
pub mod connect;
pub mod connection;
pub mod error;
#[cfg(feature = "http1")]
pub mod http1;
#[cfg(not(feature = "http1"))]
#[path = "http1/disabled.rs"]
pub mod http1;
pub mod io;
pub mod options;
pub mod request_target;
pub mod rt;
pub mod target;
#[cfg(feature = "_rustls")]
pub mod tls;
#[cfg(not(feature = "_rustls"))]
#[path = "tls/disabled.rs"]
pub mod tls;
pub mod upgrade;

pub use body::Body;
pub use error::Error;
