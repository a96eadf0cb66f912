//! What httpcore's own tests expect, where it has no other place here: `docs/httpcore.md` lists all of them.

mod http1;
#[cfg(feature = "http2")]
mod http2;
mod keeping;
#[cfg(all(feature = "http2", feature = "_rustls", feature = "tokio"))]
mod proxy;
pub(crate) mod script;
mod socks;
#[cfg(all(feature = "http2", feature = "_rustls"))]
mod tls;
