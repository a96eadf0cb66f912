//! What a user can see, one module per behaviour.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

mod support;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(any(feature = "tls", feature = "ring")))]
mod tls_disabled;
