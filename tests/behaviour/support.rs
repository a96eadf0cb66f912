//! Test doubles and scenes shared by several modules.

#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod forwarding;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
pub(crate) mod frames;
#[cfg(feature = "http1")]
pub(crate) mod given_runtime;
#[cfg(all(
    feature = "hyper-util",
    feature = "http1",
    feature = "http2",
    feature = "tls",
    feature = "tokio"
))]
pub(crate) mod hello;
#[cfg(feature = "tokio")]
pub(crate) mod hosts;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod moments;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod net;
#[cfg(feature = "http1")]
pub(crate) mod origin;
#[cfg(any(all(feature = "http1", feature = "http2"), not(feature = "_rustls")))]
pub(crate) mod plug;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod proxy;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod records;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod scene;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod scripted;
pub(crate) mod socks_proxy;
pub(crate) mod targets;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
pub(crate) mod tls_peer;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod tls_scene;
