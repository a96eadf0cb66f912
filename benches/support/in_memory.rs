//! Many idle connections and many origins: no sockets, but connections in memory that answer by themselves.
//!
//! Ten thousand sockets are more than many machines allow. A connection here is a buffer that answers each request as the
//! peer does, at once, without a task, so that nothing but the client is counted.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header::HOST};
use http_body_util::Empty;
use hyper::{
    client::conn,
    rt::{Read, ReadBufCursor, Write},
};
use tokio::runtime::Handle;
use tower::Service;
use tower_transport::{Transport, connect::Connected, options::Timeouts, target::Target};

use super::outcome::{Client, Outcome, join, read, request};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHello, world";

/// Holds back all answers, until as many requests wait as there are to be connections.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Mutex<Closed>>);

struct Closed {
    /// How many requests are to wait.
    lacking: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(crate) fn until(requests: usize) -> Self {
        Self(Arc::new(Mutex::new(Closed { lacking: requests, waiting: Vec::new() })))
    }

    /// One more request waits; the last opens the gate.
    fn arrived(&self) {
        let waiting = {
            let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            closed.lacking = closed.lacking.saturating_sub(1);
            if closed.lacking > 0 { Vec::new() } else { std::mem::take(&mut closed.waiting) }
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.lacking == 0 {
            return Poll::Ready(());
        }
        closed.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// A connection that answers by itself.
pub(crate) struct Canned {
    gate: Gate,
    unanswered: bool,
    reader: Option<Waker>,
}

impl Canned {
    pub(crate) fn behind(gate: Gate) -> Self {
        Self { gate, unanswered: false, reader: None }
    }
}

impl Write for Canned {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.ends_with(b"\r\n\r\n") {
            self.unanswered = true;
            self.gate.arrived();
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Read for Canned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unanswered {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        std::task::ready!(self.gate.poll_open(cx));
        self.unanswered = false;
        buffer.put_slice(ANSWER);
        Poll::Ready(Ok(()))
    }
}

/// Connects at once, whatever the target.
#[derive(Clone)]
pub(crate) struct CannedConnector(pub(crate) Gate);

impl Service<Target> for CannedConnector {
    type Response = Connected<Canned>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        ready(Ok(Connected::new(Canned::behind(self.0.clone()))))
    }
}

fn transport(gate: Gate) -> Outcome<Transport> {
    // Timers run as ever, but none expires: on a slow machine thousands of connections take longer to open than they may rest,
    // and the next request over each would pay for another timer.
    let long = Duration::from_secs(24 * 3600);
    let timeouts = Timeouts::default().read(long).write(long);
    let builder = Transport::builder().connector(CannedConnector(gate)).idle_timeout(None);
    let builder = builder.timeouts(timeouts);
    let builder = builder.max_connections(usize::MAX).max_connections_per_host(usize::MAX);
    Ok(builder.max_idle(usize::MAX).build()?)
}

async fn get(transport: &mut Transport, uri: &Uri) -> Outcome {
    read(transport.call(request(uri, Empty::<Bytes>::new())).await?).await
}

/// So many idle connections to one origin, of which each request takes one.
pub(crate) struct IdleConnections {
    transport: Transport,
    uri: Uri,
}

impl IdleConnections {
    pub(crate) async fn open(number: usize) -> Outcome<Self> {
        let transport = transport(Gate::until(number))?;
        let uri = Uri::from_static("http://origin.example/");
        let requests = (0..number).map(|_| {
            let (mut transport, uri) = (transport.clone(), uri.clone());
            Handle::current().spawn(async move { get(&mut transport, &uri).await })
        });
        join(requests).await?;
        let open = transport.stats().connections.len();
        if open != number {
            return Err(format!("{open} connections are open instead of {number}").into());
        }
        Ok(Self { transport, uri })
    }
}

impl Client for IdleConnections {
    async fn send(&mut self) -> Outcome {
        get(&mut self.transport, &self.uri).await
    }
}

/// So many origins with an idle connection each, which take turns.
#[derive(Clone)]
pub(crate) struct IdleOrigins {
    transport: Transport,
    uris: Vec<Uri>,
    next: usize,
}

impl IdleOrigins {
    pub(crate) async fn open(number: usize) -> Outcome<Self> {
        let uris = (0..number).map(|n| format!("http://origin-{n:05}.example/").parse());
        Self::over(transport(Gate::until(0))?, uris.collect::<Result<_, _>>()?).await
    }

    /// Over a connection to each of these origins.
    pub(crate) async fn over(mut transport: Transport, uris: Vec<Uri>) -> Outcome<Self> {
        for uri in &uris {
            get(&mut transport, uri).await?;
        }
        Ok(Self { transport, uris, next: 0 })
    }

    /// The same transport, for requests to one of the origins.
    pub(crate) fn only_origin(mut self, origin: usize) -> Self {
        self.uris = vec![self.uris.swap_remove(origin)];
        self
    }
}

impl Client for IdleOrigins {
    async fn send(&mut self) -> Outcome {
        // Neighbours in time are none in memory.
        self.next = (self.next + 617) % self.uris.len();
        get(&mut self.transport, &self.uris[self.next]).await
    }
}

/// Bytes that are allocated for each connection that has served a request and is idle, in ours and in bare hyper.
///
/// `in_use` says how many bytes are allocated now.
pub(crate) fn memory_per_idle_connection(in_use: impl Fn() -> usize) -> Outcome<(f64, f64)> {
    const CONNECTIONS: usize = 1000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let per_connection = |more: usize| more as f64 / CONNECTIONS as f64;
    let before = in_use();
    let ours = runtime.block_on(IdleConnections::open(CONNECTIONS))?;
    let with_ours = in_use();
    let hyper = runtime.block_on(bare(CONNECTIONS))?;
    let with_hyper = in_use();
    drop((ours, hyper));
    let bytes = (with_ours.saturating_sub(before), with_hyper.saturating_sub(with_ours));
    Ok((per_connection(bytes.0), per_connection(bytes.1)))
}

/// So many idle connections of bare hyper.
pub(crate) async fn bare(number: usize) -> Outcome<Vec<conn::http1::SendRequest<Empty<Bytes>>>> {
    let mut senders = Vec::with_capacity(number);
    for _ in 0..number {
        let io = Canned::behind(Gate::until(0));
        let (mut sender, connection) = conn::http1::handshake(io).await?;
        Handle::current().spawn(connection);
        let mut request = Request::new(Empty::new());
        request.headers_mut().insert(HOST, HeaderValue::from_static("origin.example"));
        read(sender.send_request(request).await?).await?;
        sender.ready().await?;
        senders.push(sender);
    }
    Ok(senders)
}
