//! Servers and proxies that others wrote, as Debian has them.

#![cfg(all(
    unix,
    feature = "http1",
    feature = "http2",
    feature = "tls",
    feature = "digest",
    feature = "tokio"
))]

#[macro_use]
mod matrix;

mod chains;
mod dante;
mod haproxy;
mod haproxy_proxy;
mod microsocks;
mod nghttpd;
mod nghttpx;
mod nginx;
mod origin;
mod requests;
mod server;
mod squid;
mod ssh;
mod tinyproxy;
