//! Bytes to a connection that speaks HTTP: which version, and how each is spoken.

#[cfg(feature = "http1")]
pub mod http1;
#[cfg(not(feature = "http1"))]
#[path = "http/http1/disabled.rs"]
pub mod http1;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(not(feature = "http2"))]
#[path = "http/http2/disabled.rs"]
pub mod http2;

mod connection;
#[cfg(any(feature = "http1", feature = "http2"))]
mod exchange;
#[cfg(any(feature = "http1", feature = "http2"))]
mod hop_headers;
#[cfg(any(feature = "http1", feature = "http2"))]
mod informational;
pub mod negotiate;
#[cfg(any(feature = "http1", feature = "http2"))]
mod prepare;
#[cfg(any(feature = "http1", feature = "http2"))]
mod request_body;
#[cfg(any(feature = "http1", feature = "http2"))]
mod response_body;
