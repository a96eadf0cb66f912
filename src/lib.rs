//! HTTP transport for tower.

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
pub mod pool;
pub mod request_target;
pub mod rt;
pub mod target;
pub mod upgrade;

pub use body::Body;
pub use error::Error;
