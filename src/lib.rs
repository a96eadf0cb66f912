//! HTTP transport for tower.

#[cfg(feature = "tokio")]
extern crate tokio as _;

pub mod body;
pub mod connect;
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
