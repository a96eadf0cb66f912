//! An HTTP client transport for tower: a `Service<http::Request<B>>` that pools connections over HTTP/1.1 and HTTP/2, with TLS
//! and proxies. Pool, protocol negotiation, TLS and each proxy protocol are separate layers.
//!
//! ```toml
//! [dependencies]
//! tower-transport = "0.1"
//! tokio = { version = "1", features = ["rt-multi-thread", "macros"] }
//! ```
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example() -> Result<(), tower_transport::Error> {
//! let response = tower_transport::request("GET", "https://www.example.com/").await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! | you have | take |
//! |---|---|
//! | a script | [`request()`] and [`stream`]: one connection for one request |
//! | requests to an API, pages to read | [`client::Client`]: redirects, authentication, retries (feature `client`); also cookies, gzip, JSON and forms (feature `client-full`) |
//! | a client to build | [`Transport::builder`]: one `Clone + Send + Sync` service that pools |
//! | a tower stack | the layers below, any of them replaced by yours |
//! | no async | [`blocking`]: the same requests with `.send()?` in place of `.await?` (feature `blocking`) |
//!
//! | to | see |
//! |---|---|
//! | set an option for one request | [`options`] |
//! | decide by an error | [`Error`]: what failed, and [whether the request was sent](Error::is_unsent) |
//! | go through proxies | [`proxy`] |
//! | see what happens | [`events`], and [`Transport::stats`] |
//! | test your code without a network | [`mock`] (feature `mock`) |
//! | find a recipe, or a whole program | the [cookbook](https://docs.rs/crate/tower-transport/latest/source/docs/cookbook.md), the [examples](https://docs.rs/crate/tower-transport/latest/source/examples/) |
//! | come from another client | [migrating](https://docs.rs/crate/tower-transport/latest/source/docs/migrating.md) |
//! | look up an error or a limit | [errors and limits](https://docs.rs/crate/tower-transport/latest/source/docs/errors.md) |
//!
//! CPU of the client for one request, over that of bare hyper (the README has the other rows,
//! [docs/performance.md](https://docs.rs/crate/tower-transport/latest/source/docs/performance.md) the method):
//!
//! | | this crate | hyper-util legacy | reqwest | ureq |
//! |---|--:|--:|--:|--:|
//! | HTTP/1.1 GET, 50 connections | **0.96 ×** | 1.32 × | 1.93 × | 2.14 × |
//! | HTTP/1.1 GET over TLS, 50 connections | **1.00 ×** | 1.30 × | 1.84 × | 2.11 × |
//! | HTTP/2 GET, 100 streams | **1.04 ×** | 1.31 × | 2.31 × | – |
//! | HTTP/1.1 GET, a new connection each | 1.47 × | 1.16 × | 1.43 × | **1.10 ×** |
//!
//! The crate needs Rust 1.88 and has no `unsafe`. A transport alone follows no redirects, keeps no cookies and decodes no bodies: layers on top
//! do.
//!
//! # A client
//!
//! With the feature `client-full`:
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1", feature = "client-full"))]
//! # async fn example() -> Result<(), tower_transport::Error> {
//! use std::collections::HashMap;
//! use tower_transport::{Client, ResponseExt, client::Auth};
//!
//! let client = Client::builder().base_url("https://api.example/v1/").auth(Auth::bearer("mF_9.B5f-4.1JqM")).build()?;
//! let user: HashMap<String, String> = client.get("users/1").await?.error_for_status()?.json()?;
//! client.post("users").json(&user).await?.error_for_status()?;
//! # Ok(())
//! # }
//! ```
//!
//! # A transport
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1"))]
//! # async fn example() -> Result<(), tower_transport::Error> {
//! use std::time::Duration;
//! use tower_transport::{RequestExt, Transport, options::Timeouts};
//!
//! let transport = Transport::builder()
//!     .max_connections_per_host(10)
//!     .timeouts(Timeouts::default().connect(Duration::from_secs(3)))
//!     .build()?;
//! let response = transport.request("GET", "https://www.example.com/").await?;
//! let mut body = transport.stream("GET", "https://www.example.com/large").await?.into_body();
//! while let Some(chunk) = body.chunk().await? {
//!     println!("{} bytes", chunk.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! | shape | bound | types |
//! |---|---|---|
//! | request → response | `Service<http::Request<B>>` | [`Transport`], [`Pool`](pool::Pool), each HTTP connection |
//! | target → connection | [`MakeConnection`](connect::MakeConnection) | [`Negotiate`](http::Negotiate) |
//! | target → bytes | [`Connect`](connect::Connect) | [`Tls`](tls::Tls), [`Tunnel`](proxy::Tunnel), [`TcpConnector`](connect::TcpConnector), yours |
//!
//! [`NegotiateLayer`](http::NegotiateLayer) turns bytes into connections, and [`PoolLayer`](pool::PoolLayer) turns connections into
//! a service of requests. Every other layer keeps its shape.
//!
//! ```text
//! https                  Pool > Negotiate > Tls > Tcp
//! http                   Pool > Negotiate > Tcp
//! https via http proxy   Pool > Negotiate > Tls > Tunnel > Tcp
//! https via https proxy  Pool > Negotiate > Tls > Tunnel > Tls > Tcp
//! http via http proxy    Pool > Negotiate > Forward > Tcp
//! https via socks5       Pool > Negotiate > Tls > Socks5 > Tcp
//! by rule or request     Pool > Negotiate > Tls > Proxy > Tcp
//! unix socket, in memory Pool > Negotiate > <any Connect<Target>>
//! ```
//!
//! A stack refuses `https` and `wss` before it writes a byte if nothing [encrypts](connect::ConnectInfo::is_encrypted) the stream.
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "http1"))]
//! # async fn example() -> Result<(), tower_transport::Error> {
//! use tower::ServiceBuilder;
//! use tower_transport::{
//!     RequestExt, connect::TcpConnector, http::NegotiateLayer, pool::PoolLayer,
//!     tls::{TlsConfig, TlsLayer},
//! };
//!
//! let stack = ServiceBuilder::new()
//!     .layer(PoolLayer::new())
//!     .layer(NegotiateLayer::new())
//!     .layer(TlsLayer::new(TlsConfig::default()))
//!     .service(TcpConnector::new());
//! let response = stack.request("GET", "https://www.example.com/").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `http1` | yes | HTTP/1.1, with httparse for heads |
//! | `http2` | yes | HTTP/2, over h2 |
//! | `tls` | yes | TLS by rustls with aws-lc-rs, and the platform's roots |
//! | `digest` | yes | Digest proxy authentication |
//! | `tokio` | yes | TCP and Unix sockets, the system's resolver, the default [`Runtime`](rt::Runtime) |
//! | `smol` | no | the same by smol; [the default](rt) without `tokio` |
//! | `tower` | yes | report tower's and tokio's own timeouts as [`is_timeout`](Error::is_timeout) |
//! | `ring` | no | TLS by rustls with ring; instead of `tls` it [starts short scripts sooner](tls#what-the-first-handshake-costs) |
//! | `blocking` | no | requests without async: `blocking::{request, stream, Transport, Client}` |
//! | `client` | no | a whole [client] and its layers: `redirect`, `retry`, `deadline`, `defaults`, `auth`, `netrc`, `multipart`, `progress`, each also by itself |
//! | `cookies` | no | a layer that keeps cookies and sends them again |
//! | `gzip`, `deflate`, `brotli`, `zstd` | no | a layer that decodes bodies of responses, of these codings; `zstd` brings C |
//! | `json`, `form` | no | JSON and forms as bodies, queries by serde; with `client` also JSON of responses |
//! | `charset` | no | with `client`: bodies as text in charsets other than UTF-8 |
//! | `client-full` | no | `client`, `cookies`, `gzip`, `json`, `form` and `charset` |
//! | `idna` | no | host names that are not ASCII |
//! | `hyper-util` | no | our connectors inside hyper-util's client, by [`UriService`](connect::UriService); `UriConnector::hyper_util`, which knows what its connectors report |
//! | `tracing` | no | a listener that creates spans and events of `tracing` |
//! | `metrics` | no | a listener that records metrics by the `metrics` facade |
//! | `mock` | no | doubles for tests of your code |
//! | `system-proxy` | no | `ProxyRules::from_system`: the system's proxy settings on macOS and Windows |

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Docs name what a feature adds also in builds without it. With all features each link is checked.
#![cfg_attr(
    not(all(feature = "client-full", feature = "blocking", feature = "mock")),
    allow(rustdoc::broken_intra_doc_links)
)]

// In the order of a request's path.
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "_client")]
pub mod client;
mod request;
pub mod transport;
#[cfg(feature = "_sockets")]
mod unpooled;

pub mod proxy;

pub mod pool;

pub mod http;

#[cfg(feature = "_rustls")]
pub mod tls;
#[cfg(not(feature = "_rustls"))]
#[path = "tls/disabled.rs"]
pub mod tls;

#[cfg(feature = "mock")]
pub mod mock;

pub mod connect;

pub mod auth;
pub mod body;
mod cast;
mod connect_info;
mod connection;
#[cfg(test)]
mod corpus;
pub mod error;
pub mod events;
mod few;
mod fields;
mod io;
mod lock;
pub mod options;
mod request_target;
pub mod rt;
mod setting;
pub mod target;
#[cfg(test)]
mod tests;
mod timeout;
mod upgrade;

pub use body::Body;
#[cfg(feature = "client")]
pub use client::{Client, ResponseExt, StreamedResponseExt};
pub use error::Error;
pub use request::RequestExt;
pub use transport::Transport;
#[cfg(feature = "_sockets")]
pub use unpooled::{Unpooled, request, stream};

/// Compiles the code of the README, and runs what needs no network.
#[cfg(all(
    doctest,
    feature = "http1",
    feature = "http2",
    feature = "tls",
    feature = "tokio",
    feature = "blocking",
    feature = "client-full"
))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The same for the documents, which show more features.
#[cfg(all(
    doctest,
    feature = "http1",
    feature = "http2",
    feature = "tokio",
    feature = "tls",
    feature = "mock",
    feature = "hyper-util",
    feature = "metrics",
    feature = "tracing",
    feature = "blocking",
    feature = "client-full"
))]
mod documents {
    #[doc = include_str!("../docs/migrating.md")]
    struct Migrating;

    #[doc = include_str!("../docs/cookbook.md")]
    struct Cookbook;
}
