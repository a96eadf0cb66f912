//! Test doubles and scenes shared by several modules.

// The two kits of scripted peers. They need no feature: fewer tests use less of them.
pub(crate) mod frames;
#[path = "../../src/tests/peer.rs"]
#[allow(dead_code, reason = "the tests in `src` use the rest")]
pub(crate) mod peer;
pub(crate) mod scripted;

pub(crate) mod socks_proxy;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
#[allow(dead_code, reason = "other tests use the rest")]
pub(crate) mod socks_server;
pub(crate) mod targets;
pub(crate) mod tasks;

#[cfg(feature = "tokio")]
pub(crate) mod hosts;
#[cfg(any(all(feature = "http1", feature = "http2"), not(feature = "_rustls")))]
pub(crate) mod plug;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
pub(crate) mod tls_peer;

#[cfg(feature = "http1")]
pub(crate) mod given_runtime;
#[cfg(feature = "http1")]
pub(crate) mod origin;

#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod forwarding;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod moments;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod records;
#[cfg(all(feature = "http1", feature = "tokio"))]
pub(crate) mod scene;

#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod net;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod proxy;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
pub(crate) mod tls_scene;

#[cfg(all(
    feature = "hyper-util",
    feature = "http1",
    feature = "http2",
    feature = "tls",
    feature = "tokio"
))]
pub(crate) mod hello;
