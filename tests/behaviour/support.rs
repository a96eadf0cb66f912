//! Doubles and scenes that several behaviours share.

#[cfg(feature = "tokio")]
pub(crate) mod hosts;
pub(crate) mod targets;

#[cfg(feature = "http1")]
pub(crate) mod origin;
