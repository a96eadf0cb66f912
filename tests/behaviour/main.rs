//! What a user can see, one module per behaviour. The modules of a group need the same features; all files are in this folder.

#![allow(clippy::disallowed_methods, reason = "tests own the runtime")]

mod adapters;
mod memory;
mod socks4;
mod socks5;
#[cfg_attr(
    not(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio")),
    allow(dead_code, reason = "with fewer features there are fewer tests")
)]
mod support;
#[cfg(not(feature = "_rustls"))]
mod tls_disabled;

/// Sockets, names and dials, without HTTP.
#[cfg(feature = "tokio")]
#[path = "."]
mod sockets {
    #[cfg(feature = "hyper-util")]
    mod adapters_hyper_util;
    mod connect_retries;
    #[cfg(target_os = "linux")]
    mod connect_timeout;
    mod dns;
    mod happy_eyeballs;
    mod tcp;
    #[cfg(unix)]
    mod unix;
}

/// Without the feature `tokio`, on a runtime that the test brings.
#[cfg(feature = "http1")]
#[path = "."]
mod given_runtime {
    mod closing;
    mod expiry;
    #[cfg(feature = "http2")]
    mod http2_stack;
    mod httpcore;
    mod limits;
    #[cfg(feature = "mock")]
    mod mock;
    #[cfg(feature = "mock")]
    mod ready_request;
    mod reuse;
    #[cfg(all(feature = "http2", feature = "_rustls"))]
    mod tls;
    mod waiting;
}

#[cfg(all(feature = "http1", feature = "tokio"))]
#[path = "."]
mod http1 {
    mod abandoned_dials;
    mod bad_input;
    mod body_end;
    mod cancellation;
    mod chaos;
    mod early_response;
    mod expect;
    mod failing_body;
    #[cfg(feature = "tower")]
    mod foreign_errors;
    mod forward;
    mod http1_faults;
    mod informational;
    #[cfg(feature = "metrics")]
    mod metrics;
    mod own_connection;
    mod runtimes;
    mod stale_connection;
    mod timeouts;
    #[cfg(feature = "tracing")]
    mod tracing;
    mod trailers;
    mod upgrade;
}

#[cfg(all(feature = "http1", feature = "http2", feature = "tokio"))]
#[path = "."]
mod http2 {
    mod grpc;
    mod http2_faults;
    mod own_keys;
    mod settings;
    mod starvation;
}

/// All protocols, over TLS and through proxies.
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
#[path = "."]
mod whole {
    mod closed_at_once;
    mod coalescing;
    #[cfg(all(feature = "hyper-util", feature = "tls"))]
    mod ecosystem;
    mod errors;
    mod events;
    mod failed_writes;
    mod first_bytes;
    mod proxy_chain;
    mod proxy_fallback;
    mod proxy_key;
    #[cfg(feature = "mock")]
    mod proxy_limits;
    mod proxy_settings;
    mod proxy_tls;
    mod secrets;
    mod tls_faults;
    mod tunnel;
    mod tunnel_auth;
    mod tunnel_cancellation;
    mod tunnel_faults;
    mod websocket;
}

#[cfg(all(feature = "client", feature = "mock", feature = "tokio"))]
mod client;
