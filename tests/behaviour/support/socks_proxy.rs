//! A proxy that plays a script, and records what it receives.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::{Layer, Service, ServiceExt};
use tower_transport::{
    Error,
    connect::{
        Connect, ConnectInfo, Connected, MemoryConnector, MemoryIo, MemoryListener, Recheck,
    },
    proxy::Proxy,
    target::Target,
};

use super::targets::target;

/// The next step of the proxy on a connection. After the last one it reads until the client closes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads this many bytes.
    Receive(usize),
    /// Reads the head of a request.
    #[cfg(feature = "http1")]
    ReceiveHead,
    /// Writes.
    Say(Vec<u8>),
    /// Writes byte by byte, and yields to the other tasks before each.
    WriteSlowly(Vec<u8>),
    /// Writes this repeatedly until the client closes.
    WriteForever(Vec<u8>),
    HangUp,
}

pub(crate) type Script = Vec<Step>;

/// A proxy, and a record of its connections.
#[derive(Clone, Default)]
pub(crate) struct SocksProxy {
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Seen {
    target: Target,
    received: Vec<u8>,
    is_open: bool,
}

/// Connects to the proxy, with an address and a recheck. It panics if it is called before it is ready.
pub(crate) struct ProxyConnector {
    inner: MemoryConnector,
    is_ready: bool,
}

/// The outcome of connecting through a layer.
pub(crate) type Outcome = Result<Connected<MemoryIo>, Error>;

/// The address the connector reports.
pub(crate) const PEER: ([u8; 4], u16) = ([192, 0, 2, 250], 1080);

impl SocksProxy {
    /// A proxy that plays a script for each connection, and refuses those after them.
    pub(crate) fn start(scripts: Vec<Script>) -> (Self, ProxyConnector) {
        let (inner, listener) = MemoryConnector::pair();
        let proxy = Self::default();
        if !scripts.is_empty() {
            tokio::spawn(proxy.clone().accept(listener, scripts));
        }
        (proxy, ProxyConnector { inner, is_ready: false })
    }

    /// The targets the connector was called with.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.seen.lock().unwrap().iter().map(|seen| seen.target.clone()).collect()
    }

    /// The bytes received on each connection, once all are closed.
    pub(crate) async fn received(&self) -> Vec<Vec<u8>> {
        for _ in 0..100_000 {
            tokio::task::yield_now().await;
            let seen = self.seen.lock().unwrap();
            if seen.iter().all(|seen| !seen.is_open) {
                return seen.iter().map(|seen| seen.received.clone()).collect();
            }
        }
        panic!("a connection to the proxy stays open");
    }

    async fn accept(self, mut listener: MemoryListener, scripts: Vec<Script>) {
        for (connection, script) in scripts.into_iter().enumerate() {
            let Some((io, target)) = listener.accept().await else { return };
            let seen = Seen { target, received: Vec::new(), is_open: true };
            self.seen.lock().unwrap().push(seen);
            let proxy = self.clone();
            tokio::spawn(async move {
                // An error means that the client closed the connection: the script ends.
                let _ = proxy.play(connection, script, io).await;
                proxy.seen.lock().unwrap()[connection].is_open = false;
            });
        }
    }

    async fn play(
        &self,
        connection: usize,
        script: Script,
        mut io: DuplexStream,
    ) -> std::io::Result<()> {
        for step in script {
            match step {
                Step::Receive(length) => {
                    for _ in 0..length {
                        let byte = io.read_u8().await?;
                        self.hear(connection, &[byte]);
                    }
                }
                #[cfg(feature = "http1")]
                Step::ReceiveHead => crate::httpcore::script::read_head(&mut io).await?,
                Step::Say(bytes) => io.write_all(&bytes).await?,
                Step::WriteSlowly(bytes) => dribble(&mut io, &bytes).await?,
                Step::WriteForever(bytes) => loop {
                    io.write_all(&bytes).await?;
                },
                Step::HangUp => return Ok(()),
            }
        }
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await?;
        self.hear(connection, &rest);
        Ok(())
    }

    fn hear(&self, connection: usize, bytes: &[u8]) {
        self.seen.lock().unwrap()[connection].received.extend(bytes);
    }
}

async fn dribble(io: &mut DuplexStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        io.write_u8(*byte).await?;
    }
    Ok(())
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
pub(crate) async fn connect<L>(layer: L, scripts: Vec<Script>, url: &str) -> (Outcome, SocksProxy)
where
    L: Layer<ProxyConnector>,
    L::Service: Connect<Target, Io = MemoryIo> + Service<Target, Error = Error>,
{
    let (proxy, connector) = SocksProxy::start(scripts);
    let outcome = layer.layer(connector).oneshot(target(url)).await;
    (outcome, proxy)
}

/// Drops the future of a connection after its first poll, that of another after its second, until one comes to its end: the
/// proxy sees the end of every one.
pub(crate) async fn is_dropped_at_every_poll<L>(layer: L, scripts: Vec<Script>, url: &str)
where
    L: Layer<ProxyConnector>,
    L::Service: Connect<Target, Io = MemoryIo> + Service<Target, Error = Error>,
{
    for polls in 1.. {
        let (proxy, connector) = SocksProxy::start(scripts.clone());
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

/// The output of a future polled at most this often.
async fn polled<F: Future + Unpin>(future: &mut F, times: usize) -> Option<F::Output> {
    let mut left = times;
    poll_fn(|cx| {
        left -= 1;
        match future.poll_unpin(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
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
