//! The layers of a client, each over a service that records what it is sent, and panics if it is called unready.

mod auth;
#[cfg(all(feature = "http1", feature = "tokio"))]
mod builder;
#[cfg(feature = "cookies")]
mod cookies;
mod deadlines;
#[cfg(all(feature = "gzip", feature = "deflate"))]
mod decoding;
mod defaults;
#[cfg(feature = "deflate")]
mod failing;
mod multipart;
mod netrc;
#[cfg(all(
    feature = "cookies",
    feature = "form",
    feature = "http1",
    feature = "json",
    feature = "tokio"
))]
mod programs;
mod progress;
#[cfg(all(feature = "http1", feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxies;
mod redirect_conditions;
mod redirects;
mod retries;
mod site;
#[cfg(all(
    feature = "charset",
    feature = "cookies",
    feature = "deflate",
    feature = "form",
    feature = "json"
))]
mod table;
#[cfg(all(feature = "http1", feature = "_rustls", feature = "tokio"))]
mod tls_identity;
mod together;
mod whole;
