//! Connects through proxies: layers for forwarding, tunnels and SOCKS, and a layer that selects one by the route of
//! each target.
//!
//! A proxy stands between TLS for the origin, above, and the connector that reaches the proxy, below. Each protocol
//! has a layer that connects through one [`Proxy`]. [`ProxyLayer`] contains all of them, and follows the
//! [`Route`](crate::target::Route) of each target, which [`ProxyRules`] or the request itself
//! ([`ProxyOverride`](crate::options::ProxyOverride)) decides.
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
//! # Credentials
//!
//! Credentials are sent only to the proxy they were set for: `Proxy-Authorization` never goes to an origin, and no
//! field of the request goes to a proxy that opens a tunnel for it. The origin's client certificate is not shown to a
//! proxy. Everything a proxy is set to, including credentials and TLS configuration, is part of the key of its
//! connections, so a request never uses a connection that was authorized for another.
//!
//! # Limits
//!
//! A [`Transport`](crate::Transport) counts all connections to proxies within its
//! [limit](crate::transport::TransportBuilder::max_connections). With SOCKS, forwarding, and a tunnel over HTTP/1.1,
//! the connection to the proxy is the connection to the origin, and counts once. Tunnels over one HTTP/2 connection
//! to a proxy count one each; the connection itself counts while it carries none: between two tunnels, or after a
//! refusal. It is then idle like any other connection: it appears in the statistics, counts towards
//! [`max_idle`](crate::transport::TransportBuilder::max_idle), expires, and can be evicted.
//!
//! In a stack of your own, the pool does not see connections that carry no tunnel: a [`TunnelLayer`] keeps up to 100
//! of them, and a [`ProxyLayer`] up to 100 at each position of a chain.
//!
//! # How to add a protocol
//!
//! `ARCHITECTURE.md` has a worked example, with the files of each step.
//!
//! A protocol is a service of [`Target`](crate::target::Target)s over another. It receives the origin's target, asks
//! the inner connector for a connection to the proxy, requests the origin over it, and returns the stream:
//!
//! 1. **A layer and a service**, named `XLayer` and `X<C>`, with `impl<C: Connect<Target>> Service<Target> for X<C>`
//!    whose response is [`Connected`](crate::connect::Connected).
//! 2. **The target of the proxy**, made of the proxy's origin. Settings of connections, such as the local address,
//!    carry over; settings of the origin, such as its TLS name, do not.
//! 3. **The handshake**, preferably a state machine without I/O that returns what to write and how many bytes to read
//!    next. Never read beyond the reply: the bytes after it belong to the origin. Limit its length.
//! 4. **The connection info**: keep the inner `ConnectInfo`, and add
//!    [`with_proxy`](crate::connect::ConnectInfo::with_proxy).
//! 5. **Errors** that name the target and the proxy. Dropping the future must close the stream, which owning it
//!    achieves.
//!
//! Such a layer works by itself, in a stack, or as the connector of a [`Transport`](crate::Transport), and needs
//! nothing from this module: `examples/write_a_proxy_layer.rs` is one for the PROXY protocol. To select a protocol by
//! URL inside this crate, add a [`ProxyScheme`], a `mod` here, and an arm in `proxy/stage.rs`.

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
