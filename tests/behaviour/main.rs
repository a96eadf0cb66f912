//! What a user can see, one module per behaviour.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

mod adapters;
#[cfg(all(feature = "hyper-util", feature = "tokio"))]
mod adapters_hyper_util;
#[cfg(feature = "tokio")]
mod connect_retries;
#[cfg(feature = "tokio")]
mod dns;
#[cfg(feature = "tokio")]
mod happy_eyeballs;
mod memory;
mod support;
#[cfg(feature = "tokio")]
mod tcp;
#[cfg(all(unix, feature = "tokio"))]
mod unix;
