//! Servers that others wrote: nginx, nghttpd and haproxy, as Debian has them.

#![cfg(all(unix, feature = "http1", feature = "http2", feature = "tls", feature = "tokio"))]

mod haproxy;
mod nghttpd;
mod nginx;
mod requests;
mod server;
