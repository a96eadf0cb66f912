//! Goes through proxies: forwarding, tunnels and SOCKS as layers of bytes, and a layer that steers by the route.
//!
//! A proxy stands between TLS for the origin, above, and whatever reaches the proxy, below. Each protocol is a layer that
//! goes through one [`Proxy`]; [`ProxyLayer`] has all of them, and goes by the [`Route`](crate::target::Route) of each target, which is
//! decided by [`ProxyRules`] or by the request itself ([`ProxyOverride`](crate::options::ProxyOverride)).
//!
//! | for | stack |
//! |---|---|
//! | `https` through an HTTP proxy | `Pool > Negotiate > Tls > Tunnel > Tcp` |
//! | the same through an `https` proxy | `Pool > Negotiate > Tls > Tunnel > Tls > Tcp` |
//! | `http` through an HTTP proxy | `Pool > Negotiate > Forward > Tcp` |
//! | anything through SOCKS | `Pool > Negotiate > Tls > Socks5 > Tcp` |
//! | a chain: through *a*, then through *b* | `Pool > Negotiate > Tls > Tunnel(b) > Socks5(a) > Tcp` |
//! | all of it, as each target asks | `Pool > Negotiate > Tls > Proxy > Tcp` |
//!
//! # Who is told what
//!
//! Credentials go to the proxy that they were given for, and to nobody else: never `Proxy-Authorization` to an origin,
//! never a field of the request to a proxy that opens a tunnel for it. A client certificate of the origin's is not shown
//! to a proxy. All of what a proxy is, its credentials and its TLS configuration among it, is part of what connections are
//! kept under, so a request never goes over a connection that was authorized for another.
//!
//! # What counts
//!
//! A [`Transport`](crate::Transport) keeps all connections to proxies within its
//! [limit](crate::transport::TransportBuilder::max_connections). By SOCKS, by forwarding, and by a tunnel over HTTP/1.1, the
//! connection to the proxy is the connection to the origin, and counts as that. A connection to an HTTP proxy that carries
//! tunnels over HTTP/2 counts as they do, one for each, and by itself while it carries none: between two tunnels, or after
//! the proxy refused one. Then it is idle like any other: it has a row in the statistics, counts to
//! [`max_idle`](crate::transport::TransportBuilder::max_idle), is closed in time, and makes room.
//!
//! In a stack of your own the pool does not know of connections that carry no tunnel: a [`TunnelLayer`] keeps up to 100,
//! and a [`ProxyLayer`] up to 100 for proxies at each place of a chain.
//!
//! # How to add a protocol
//!
//! A protocol is a service of [`Target`](crate::target::Target)s over another. It is given the origin's target, asks the
//! inner one for the way to the proxy, says over those bytes whom it wants, and hands them on:
//!
//! 1. **A layer and a service** as `XLayer` and `X<C>`, with `impl<C: Connect<Target>> Service<Target> for X<C>`, which
//!    answers with [`Connected`](crate::connect::Connected).
//! 2. **The way to the proxy**: a target of its own, with the proxy's origin. What was set for connections goes with it,
//!    as the local address; what was said of the origin, as its TLS name, does not.
//! 3. **The words**, best as a state machine without I/O that says what to write and how many bytes to read next. Read no
//!    byte more than the answer has: what comes behind it belongs to the origin. Bound what is read.
//! 4. **What is known** is handed on: keep the inner `ConnectInfo`, and add
//!    [`with_proxy`](crate::connect::ConnectInfo::with_proxy).
//! 5. **Failing** is an error that says for whom, and through whom. Dropping the future closes the bytes; nothing has to
//!    be done for that if it owns them.
//!
//! It stands alone then, in a stack, or as the connector of a [`Transport`](crate::Transport), and needs nothing from this
//! module: `examples/write_a_proxy_layer.rs` is such a layer for the PROXY protocol. Inside this crate a protocol that is
//! to be chosen by URL needs three lines more: a [`ProxyScheme`], a `mod` here, and an arm in `proxy/stage.rs`.

mod fallback;
mod forward;
mod hop;
mod layer;
mod select;
mod socks;
mod socks4;
mod socks5;
mod stage;
mod tunnel;

pub use forward::{Forward, ForwardLayer};
pub use layer::{Proxied, ProxyLayer};
pub use select::ProxyRules;
pub use socks4::{Socks4, Socks4Error, Socks4Layer};
pub use socks5::{Socks5, Socks5Error, Socks5Layer};
pub use tunnel::{Tunnel, TunnelLayer};

pub use crate::target::proxy::{Proxy, ProxyScheme};
