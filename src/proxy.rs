//! Goes through proxies: forwarding, tunnels and SOCKS as layers of bytes, and a layer that steers by the route.

mod forward;
mod select;
mod socks;
mod socks4;
mod socks5;
mod tunnel;

pub use socks4::{Socks4, Socks4Error, Socks4Layer};
pub use socks5::{Socks5, Socks5Error, Socks5Layer};

pub use crate::{
    auth::{Authenticate, Authorizing, Credentials},
    target::{Proxy, ProxyOverride, ProxyScheme, Route},
};
