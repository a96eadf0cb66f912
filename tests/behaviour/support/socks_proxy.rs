//! A proxy that says what is written down, and remembers what it heard.

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

/// What the proxy does next on a connection. At the end of its script it listens until we hang up.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Reads so many bytes.
    Hear(usize),
    /// Reads the head of a request.
    #[cfg(feature = "http1")]
    HearHead,
    /// Writes.
    Say(Vec<u8>),
    /// Writes byte by byte, and lets the other tasks have their turn before each.
    Dribble(Vec<u8>),
    /// Writes this again and again, until nobody reads it any more.
    SayForEver(Vec<u8>),
    HangUp,
}

pub(crate) type Script = Vec<Step>;

/// A proxy, and what its connections have seen.
#[derive(Clone, Default)]
pub(crate) struct SocksProxy {
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Seen {
    target: Target,
    heard: Vec<u8>,
    is_open: bool,
}

/// Connects to the proxy, with an address and a recheck. It panics if it is called before it is ready.
pub(crate) struct ProxyConnector {
    inner: MemoryConnector,
    is_ready: bool,
}

/// What came of connecting through a layer.
pub(crate) type Outcome = Result<Connected<MemoryIo>, Error>;

/// As the connector says it.
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

    /// Whom the connector was asked for.
    pub(crate) fn asked_for(&self) -> Vec<Target> {
        self.seen.lock().unwrap().iter().map(|seen| seen.target.clone()).collect()
    }

    /// All that came on each connection, once all of them are closed.
    pub(crate) async fn heard(&self) -> Vec<Vec<u8>> {
        for _ in 0..100_000 {
            tokio::task::yield_now().await;
            let seen = self.seen.lock().unwrap();
            if seen.iter().all(|seen| !seen.is_open) {
                return seen.iter().map(|seen| seen.heard.clone()).collect();
            }
        }
        panic!("a connection to the proxy stays open");
    }

    async fn accept(self, mut listener: MemoryListener, scripts: Vec<Script>) {
        for (connection, script) in scripts.into_iter().enumerate() {
            let Some((io, target)) = listener.accept().await else { return };
            let seen = Seen { target, heard: Vec::new(), is_open: true };
            self.seen.lock().unwrap().push(seen);
            let proxy = self.clone();
            tokio::spawn(async move {
                // An error says that the client has hung up: the script is over.
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
                Step::Hear(length) => {
                    for _ in 0..length {
                        let byte = io.read_u8().await?;
                        self.hear(connection, &[byte]);
                    }
                }
                #[cfg(feature = "http1")]
                Step::HearHead => crate::httpcore::script::read_head(&mut io).await?,
                Step::Say(bytes) => io.write_all(&bytes).await?,
                Step::Dribble(bytes) => dribble(&mut io, &bytes).await?,
                Step::SayForEver(bytes) => loop {
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
        self.seen.lock().unwrap()[connection].heard.extend(bytes);
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
        proxy.heard().await;
        if is_over {
            return assert!(polls > 8, "it came to its end at poll {polls}");
        }
    }
}

/// What a future comes to if it is polled so often at the most.
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
