//! Goes through proxies: forwarding, tunnels and SOCKS as layers of bytes, and a layer that steers by the route.

mod forward;
mod select;
mod socks4;
mod socks5;
mod tunnel;

pub use forward::{Forward, ForwardLayer};

pub use crate::{
    auth::{Authenticate, Authorizing, Credentials},
    target::{Proxy, ProxyOverride, ProxyScheme, Route},
};
