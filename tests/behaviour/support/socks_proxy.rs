//! Scripted SOCKS proxies in memory.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    Error,
    connect::{Connect, ConnectInfo, Connected, MemoryConnector, MemoryIo, Recheck},
    proxy::Proxy,
    target::Target,
};

use super::{
    scripted::{ScriptedPeer, Step, draining},
    targets::target,
    tasks::polled,
};

/// Connects to the proxy, with an address and a recheck. It panics if it is called before it is ready.
pub(crate) struct ProxyConnector {
    inner: MemoryConnector,
    is_ready: bool,
}

/// The outcome of connecting through a layer.
pub(crate) type Outcome = Result<Connected<MemoryIo>, Error>;

/// The address the connector reports.
pub(crate) const PEER: ([u8; 4], u16) = ([192, 0, 2, 250], 1080);

/// A proxy that plays a script for each connection, and refuses those after them. After the last step it reads until the
/// client closes.
pub(crate) fn start(scripts: Vec<Vec<Step>>) -> (Arc<ScriptedPeer>, ProxyConnector) {
    let connections = scripts.len();
    let proxy = ScriptedPeer::new(draining(scripts));
    let inner = proxy.listen_for(connections);
    (proxy, ProxyConnector { inner, is_ready: false })
}

impl Clone for ProxyConnector {
    /// A clone is not ready.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), is_ready: false }
    }
}

impl Service<Target> for ProxyConnector {
    type Response = Connected<MemoryIo>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Outcome> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.is_ready = true;
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        let connecting = self.inner.call(target);
        Box::pin(async move {
            let info = ConnectInfo::default()
                .with_addrs(None, Some(SocketAddr::from(PEER)))
                .with_recheck(Recheck::new());
            Ok(Connected { io: connecting.await?.io, info })
        })
    }
}

/// A proxy by its URL.
pub(crate) fn proxy(url: &str) -> Proxy {
    url.parse().unwrap()
}

/// Connects to the target of a URL through a layer, over a proxy that plays these scripts.
pub(crate) async fn connect<L>(
    layer: L,
    scripts: Vec<Vec<Step>>,
    url: &str,
) -> (Outcome, Arc<ScriptedPeer>)
where
    L: Layer<ProxyConnector>,
    L::Service: Connect<Target, Io = MemoryIo> + Service<Target, Error = Error>,
{
    let (proxy, connector) = start(scripts);
    let outcome = layer.layer(connector).oneshot(target(url)).await;
    (outcome, proxy)
}

/// Drops the future of a connection after its first poll, that of another after its second, until one comes to its end: the
/// proxy sees the end of every one.
pub(crate) async fn is_dropped_at_every_poll<L>(layer: L, scripts: Vec<Vec<Step>>, url: &str)
where
    L: Layer<ProxyConnector>,
    L::Service: Connect<Target, Io = MemoryIo> + Service<Target, Error = Error>,
{
    for polls in 1.. {
        let (proxy, connector) = start(scripts.clone());
        let mut connecting = Box::pin(layer.layer(connector).oneshot(target(url)));
        let outcome = polled(&mut connecting, polls).await;
        drop(connecting);
        let is_over = outcome.is_some();
        drop(outcome);
        proxy.received().await;
        if is_over {
            return assert!(polls > 8, "it came to its end at poll {polls}");
        }
    }
}

/// The texts of an error and of all its causes.
pub(crate) fn texts(error: &Error) -> String {
    let mut texts = format!("{error} | {error:?}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts += &format!(" | {error} | {error:?}");
        cause = error.source();
    }
    texts
}
