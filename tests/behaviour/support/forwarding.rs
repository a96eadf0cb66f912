//! A pool over a forwarding proxy, and the fields the proxy receives.

use std::sync::Arc;

use http::{HeaderValue, header::PROXY_AUTHENTICATE};
use tower::ServiceBuilder;
use tower_transport::{
    Body,
    auth::{Authenticate, Authorizing},
    connect::MemoryConnector,
    http::{HttpConnection, NegotiateLayer},
    pool::{Pool, PoolLayer},
    proxy::{ForwardLayer, Proxy},
    target::Target,
};

use super::{
    scripted::{Script, ScriptedPeer},
    targets::target,
};

#[cfg(feature = "http2")]
mod http2;

#[cfg(feature = "http2")]
pub(crate) use http2::Http2Proxy;

pub(crate) type Client = Pool<HttpConnection<Body>, Body>;

/// Without credentials.
pub(crate) const PROXY: &str = "http://proxy.example:3128";

pub(crate) fn proxy(url: &str) -> Proxy {
    url.parse().unwrap()
}

/// A scheme that sends its token when asked, and from then on.
pub(crate) fn token() -> impl Authenticate {
    let asked = std::sync::OnceLock::new();
    move |request: &Authorizing<'_>| {
        if request.refused.is_some() {
            return None;
        }
        if request.challenge.contains_key(PROXY_AUTHENTICATE) {
            asked.get_or_init(|| ());
        }
        asked.get().map(|()| HeaderValue::from_static("Token secret"))
    }
}

/// A client with one connection for each origin.
pub(crate) fn through(proxy: &Proxy, connector: MemoryConnector) -> Client {
    stack(PoolLayer::keyed(Target::of), proxy, connector)
}

/// A client with one connection for all origins.
pub(crate) fn shared(proxy: &Proxy, connector: MemoryConnector) -> Client {
    let key = target(&format!("http://{}:{}", proxy.host(), proxy.port()));
    stack(PoolLayer::keyed(move |_| Ok(key.clone())), proxy, connector)
}

fn stack(pool: PoolLayer<Body>, proxy: &Proxy, connector: MemoryConnector) -> Client {
    ServiceBuilder::new()
        .layer(pool)
        .layer(NegotiateLayer::new())
        .layer(ForwardLayer::new(proxy.clone()))
        .service(connector)
}

/// A scripted proxy, and a client with one connection for all origins.
pub(crate) fn scripted(proxy: &Proxy, script: Script) -> (Client, Arc<ScriptedPeer>) {
    let origin = ScriptedPeer::new(script);
    (shared(proxy, origin.listen()), origin)
}
