//! The HTTP transport for tower: connection pooling, protocol negotiation, TLS and proxy tunnelling as separate layers,
//! which stack into a service of requests.
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
//! | you have | you write |
//! |---|---|
//! | a script | [`request()`] and [`stream`]: one connection for one request |
//! | requests to an API, pages to read | `client::Client`: redirects, cookies, decoding, JSON (feature `client`) |
//! | a client to build | [`Transport::builder`]: one `Clone + Send + Sync` service that pools |
//! | a tower stack | the layers below, any of them replaced by yours |
//!
//! # Three shapes, two joints
//!
//! | shape | bound | who |
//! |---|---|---|
//! | request → response | `Service<http::Request<B>>` | [`Transport`], [`Pool`](pool::Pool), each HTTP connection |
//! | target → connection | [`MakeConnection`](connect::MakeConnection) | [`Negotiate`](http::Negotiate) |
//! | target → bytes | [`Connect`](connect::Connect) | [`Tls`](tls::Tls), [`Tunnel`](proxy::Tunnel), [`TcpConnector`](connect::TcpConnector), yours |
//!
//! [`NegotiateLayer`](http::NegotiateLayer) turns bytes into connections,
//! [`PoolLayer`](pool::PoolLayer) turns connections into a service of requests; every other layer keeps its shape.
//!
//! ```text
//! https                  Pool > Negotiate > Tls > Tcp
//! http                   Pool > Negotiate > Tcp
//! https via http proxy   Pool > Negotiate > Tls > Tunnel > Tcp
//! https via https proxy  Pool > Negotiate > Tls > Tunnel > Tls > Tcp
//! http via http proxy    Pool > Negotiate > Forward > Tcp
//! https via socks5       Pool > Negotiate > Tls > Socks5 > Tcp
//! as each target asks    Pool > Negotiate > Tls > Proxy > Tcp
//! unix socket, in memory Pool > Negotiate > <any Connect<Target>>
//! ```
//!
//! Requests for `https` and `wss` are refused over a stream that nothing [encrypts](connect::ConnectInfo::is_encrypted), as
//! in a stack without `Tls`, before a byte is written.
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
//! | feature | by default | what it adds |
//! |---|---|---|
//! | `http1` | yes | HTTP/1.1, with httparse for heads |
//! | `http2` | yes | HTTP/2, over h2 |
//! | `tls` | yes | TLS by rustls with aws-lc-rs, and the platform's trust |
//! | `digest` | yes | answers to proxies that ask in the Digest scheme |
//! | `tokio` | yes | TCP and Unix sockets, the system's resolver, the default [`Runtime`](rt::Runtime) |
//! | `ring` | no | TLS by rustls with ring: take it instead of `tls`, also for short scripts, [which start sooner](tls#what-the-first-handshake-costs) |
//! | `tower` | yes | timeouts of tower's and tokio's own are told as timeouts when they come through `request` |
//! | `client` | no | a whole [client], and its layers: `redirect`, `retry`, `deadline`, `defaults`, `auth`, `netrc`, `multipart`, `progress`, each also by itself |
//! | `json`, `form` | no | JSON and forms as bodies of requests, JSON of responses, and queries of whatever serde takes apart |
//! | `client-full` | no | `client`, `cookies`, `gzip`, `json`, `form` and `charset` |
//! | `idna` | no | host names that are not ASCII |
//! | `hyper-util` | no | connectors of hyper-util's legacy client inside ours, and ours inside it |
//! | `tracing` | no | a listener that makes spans and events of `tracing` |
//! | `metrics` | no | a listener that records metrics by the `metrics` facade |
//! | `mock` | no | doubles for tests of code that is built on this crate |
//! | `charset` | no | bodies as text in other charsets than UTF-8 |
//! | `cookies` | no | a layer that keeps cookies and sends them again |
//! | `gzip`, `deflate`, `brotli`, `zstd` | no | a layer that decodes bodies of responses, of these codings; `zstd` brings C |
//! | `system-proxy` | no | the system's proxy settings on macOS and Windows, by hyper-util's matcher |

// In the order in which a request meets them.
#[cfg(feature = "_client")]
pub mod client;
#[cfg(feature = "tokio")]
mod one_shot;
mod request;
pub mod transport;

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
mod connect_info;
mod connection;
pub mod error;
pub mod events;
mod few;
mod fields;
mod io;
pub mod options;
mod request_target;
pub mod rt;
mod setting;
pub mod target;
mod timeout;
mod upgrade;

pub use body::Body;
#[cfg(feature = "client")]
pub use client::{Client, ResponseExt};
pub use error::Error;
#[cfg(feature = "tokio")]
pub use one_shot::{OneShot, request, stream};
pub use request::RequestExt;
pub use transport::Transport;

/// Runs what the README shows.
#[cfg(all(doctest, feature = "http1", feature = "http2", feature = "tls", feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
