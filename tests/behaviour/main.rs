//! What a user can see, one module per behaviour.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

mod support;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
mod tls;
#[cfg(not(feature = "_rustls"))]
mod tls_disabled;
