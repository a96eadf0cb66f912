//! HTTP transport for tower.

pub mod body;
pub mod connect;
pub mod connection;
pub mod error;
pub mod io;
pub mod options;
pub mod pool;
pub mod request_target;
pub mod rt;
pub mod target;
pub mod upgrade;

pub use body::Body;
pub use error::Error;
