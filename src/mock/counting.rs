//! Counts the connections of any connector.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    connect::{Connect, Connected},
    io::{Io, delegate_read, delegate_write},
};

/// Counts the connections of a connector, which it does not change otherwise. Clones share the counts.
///
/// ```
/// # #[cfg(all(feature = "http1", feature = "tokio"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use tower_transport::{RequestExt, Transport, mock::{CountingConnector, Script, ScriptedConnector}};
///
/// let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
/// let twice = Script::new().expect_head().respond(answer).expect_head().respond(answer);
/// let connector = CountingConnector::new(ScriptedConnector::new([twice]));
/// let transport = Transport::builder().connector(connector.clone()).build()?;
///
/// transport.request("GET", "http://api.example/").await?;
/// transport.request("GET", "http://api.example/").await?;
/// assert_eq!((connector.opened(), connector.open_now(), connector.failed()), (1, 1, 0));
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "http1", feature = "tokio")))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct CountingConnector<C> {
    inner: C,
    counts: Arc<ConnectionCounts>,
}

/// The stream of a [`CountingConnector`]: open until dropped.
#[derive(Debug)]
pub struct CountedIo<I> {
    io: I,
    _open: OpenConnectionGuard,
}

pin_project! {
    /// The future of a [`CountingConnector`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the connector's future; it then counts neither as opened nor as failed.
    #[derive(Debug)]
    pub struct Counting<F> {
        #[pin]
        connecting: F,
        counts: Arc<ConnectionCounts>,
    }
}

#[derive(Debug, Default)]
struct ConnectionCounts {
    opened: AtomicUsize,
    open_now: AtomicUsize,
    failed: AtomicUsize,
}

/// Counts one open connection.
#[derive(Debug)]
struct OpenConnectionGuard(Arc<ConnectionCounts>);

impl<C> CountingConnector<C> {
    /// Counts the connections of this connector from now on.
    pub fn new(connector: C) -> Self {
        Self { inner: connector, counts: Arc::default() }
    }

    /// The number of connections made so far.
    pub fn opened(&self) -> usize {
        self.counts.opened.load(SeqCst)
    }

    /// The number of connections still open: their streams have not been dropped.
    pub fn open_now(&self) -> usize {
        self.counts.open_now.load(SeqCst)
    }

    /// The number of connections that could not be made.
    pub fn failed(&self) -> usize {
        self.counts.failed.load(SeqCst)
    }
}

impl<C: Connect<T>, T> Service<T> for CountingConnector<C> {
    type Response = Connected<CountedIo<C::Io>>;
    type Error = C::Error;
    type Future = Counting<C::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        Counting { connecting: self.inner.call(target), counts: self.counts.clone() }
    }
}

impl<F, I: Io, E> Future for Counting<F>
where
    F: Future<Output = Result<Connected<I>, E>>,
{
    type Output = Result<Connected<CountedIo<I>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let outcome = ready!(this.connecting.poll(cx));
        if outcome.is_err() {
            this.counts.failed.fetch_add(1, SeqCst);
        }
        let counted = |io| CountedIo { io, _open: OpenConnectionGuard::new(this.counts) };
        Poll::Ready(outcome.map(|connected| connected.map(counted)))
    }
}

impl OpenConnectionGuard {
    fn new(counts: &Arc<ConnectionCounts>) -> Self {
        counts.opened.fetch_add(1, SeqCst);
        counts.open_now.fetch_add(1, SeqCst);
        Self(counts.clone())
    }
}

impl Drop for OpenConnectionGuard {
    fn drop(&mut self) {
        self.0.open_now.fetch_sub(1, SeqCst);
    }
}

delegate_read!([I: Io] CountedIo<I>, io in Self { io, .. });
delegate_write!([I: Io] CountedIo<I>, io in Self { io, .. });
