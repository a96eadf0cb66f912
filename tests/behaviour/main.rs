//! What a user can see, one module per behaviour.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

#[cfg(all(feature = "http1", feature = "tokio"))]
mod abandoned_dials;
mod adapters;
#[cfg(all(feature = "hyper-util", feature = "tokio"))]
mod adapters_hyper_util;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod bad_input;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod body_end;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod cancellation;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod chaos;
#[cfg(all(feature = "client", feature = "mock"))]
mod client;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod closed_at_once;
#[cfg(feature = "http1")]
mod closing;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod coalescing;
#[cfg(feature = "tokio")]
mod connect_retries;
#[cfg(all(target_os = "linux", feature = "tokio"))]
mod connect_timeout;
#[cfg(feature = "tokio")]
mod dns;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod early_response;
#[cfg(all(
    feature = "hyper-util",
    feature = "http1",
    feature = "http2",
    feature = "tls",
    feature = "tokio"
))]
mod ecosystem;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod errors;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod events;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod expect;
#[cfg(feature = "http1")]
mod expiry;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod failed_writes;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod first_bytes;
#[cfg(all(feature = "http1", feature = "tokio", feature = "tower"))]
mod foreign_errors;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod forward;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
mod grpc;
#[cfg(feature = "tokio")]
mod happy_eyeballs;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod http1_faults;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
mod http2_faults;
#[cfg(all(feature = "http1", feature = "http2"))]
mod http2_stack;
#[cfg(feature = "http1")]
mod httpcore;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod informational;
#[cfg(feature = "http1")]
mod limits;
mod memory;
#[cfg(all(feature = "metrics", feature = "http1", feature = "tokio"))]
mod metrics;
#[cfg(all(feature = "mock", feature = "http1"))]
mod mock;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod own_connection;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
mod own_keys;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy_chain;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy_fallback;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy_key;
#[cfg(all(
    feature = "http1",
    feature = "http2",
    feature = "_rustls",
    feature = "mock",
    feature = "tokio"
))]
mod proxy_limits;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy_settings;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy_tls;
#[cfg(all(feature = "mock", feature = "http1"))]
mod ready_request;
#[cfg(feature = "http1")]
mod reuse;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod runtimes;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod secrets;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
mod settings;
mod socks4;
mod socks5;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod stale_connection;
#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
mod starvation;
mod support;
#[cfg(feature = "tokio")]
mod tcp;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod timeouts;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls"))]
mod tls;
#[cfg(not(feature = "_rustls"))]
mod tls_disabled;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod tls_faults;
#[cfg(all(feature = "tracing", feature = "http1", feature = "tokio"))]
mod tracing;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod trailers;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod tunnel;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod tunnel_auth;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod tunnel_cancellation;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod tunnel_faults;
#[cfg(all(unix, feature = "tokio"))]
mod unix;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod upgrade;
#[cfg(feature = "http1")]
mod waiting;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod websocket;
