//! Doubles that several behaviours share.

pub(crate) mod plug;
#[cfg(feature = "tls")]
pub(crate) mod tls_peer;
