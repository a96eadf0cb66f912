//! Goes through proxies: forwarding, tunnels and SOCKS as layers of bytes, and a layer that steers by the route.

mod fallback;
mod forward;
mod hop;
mod layer;
mod select;
mod socks4;
mod socks5;
mod stage;
mod tunnel;

pub use layer::{Proxied, ProxyLayer};
pub use tunnel::{Tunnel, TunnelLayer};

pub use crate::{
    auth::{Authenticate, Authorizing, Credentials},
    target::{Proxy, ProxyOverride, ProxyScheme, Route},
};
pub use select::ProxyRules;
