//! HTTP transport for tower.

#[cfg(feature = "tokio")]
extern crate tokio as _;

pub mod body;
pub mod connect;
pub mod connection;
pub mod error;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(not(feature = "http2"))]
#[path = "http2/disabled.rs"]
pub mod http2;
pub mod io;
pub mod options;
pub mod request_target;
pub mod rt;
pub mod target;
pub mod upgrade;

pub use body::Body;
pub use error::Error;
