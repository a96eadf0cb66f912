//! Doubles that several behaviours share.

#[cfg(any(all(feature = "http1", feature = "http2"), not(feature = "_rustls")))]
pub(crate) mod plug;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
pub(crate) mod tls_peer;
