//! The default stack: the only place where all layers are connected.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    body::Body,
    cast::cast,
    connect::{Connect, ConnectRetryLayer},
    error::{BoxError, Error},
    http::{HttpBody, HttpConnection, NegotiateLayer},
    pool::{Checkout, Pool, PoolBody, PoolLayer, Stats},
    proxy::{Proxied, ProxyLayer},
    target::Target,
    tls::TlsLayer,
};

mod builder;
#[cfg(feature = "_sockets")]
mod direct;
#[cfg(not(feature = "_sockets"))]
#[path = "transport/no_direct.rs"]
mod direct;

pub use builder::TransportBuilder;

pub use crate::request::{
    Buffered, IntoHeaderName, IntoMethod, IntoUrl, RequestBuilder, Requesting, Streamed,
};

/// The whole stack as one service: pool, negotiation, TLS, proxies and TCP.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use http::Request;
/// use tower_transport::{RequestExt, Transport};
///
/// let transport = Transport::new();
///
/// // One line: the body is read into memory.
/// let response = transport.request("GET", "https://www.example.com/").await?;
/// println!("{} {} bytes", response.status(), response.body().len());
///
/// // With header fields and a body; the response is streamed.
/// let mut response = transport
///     .stream("POST", "https://www.example.com/reports")
///     .header("content-type", "text/plain")
///     .body("Hello, world")
///     .await?;
/// while let Some(chunk) = response.body_mut().chunk().await? {
///     println!("{} bytes", chunk.len());
/// }
///
/// // A request made elsewhere.
/// let request = Request::delete("https://www.example.com/reports/7").body(())?;
/// println!("{}", transport.send(request).await?.status());
/// # Ok(())
/// # }
/// ```
///
/// Keep one and clone it: cloning is cheap, and clones share their connections. A started request holds a connection as
/// soon as it gets one, so [poll what you have started](crate::pool#poll-what-you-have-started). It is a
/// [`Service`] of requests with any body, and responds with [`Body`]. It is always ready: rather than `ready().await?.call(request)`,
/// for which the compiler asks what body is meant (E0283), use [`send`](crate::RequestExt::send), or tower's
/// `transport.clone().oneshot(request)`. `Display` shows its state:
///
/// ```
/// # use tower_transport::Transport;
/// let transport = Transport::new();
/// assert_eq!(
///     transport.to_string(),
///     "Transport [requests: 0 active, 0 queued | connections: 0 active, 0 idle]"
/// );
/// ```
///
/// # Several runtimes
///
/// A transport may be used in several tokio runtimes, at once or one after the other. Sockets and tasks belong to the
/// runtime that made them, so each runtime has its own connections:
///
/// * A request uses connections of the runtime in which it is polled, and dials there. Until it is sent it may move
///   to another runtime, also after its own has ended.
/// * [`max_connections`](TransportBuilder::max_connections) counts the connections of all runtimes together. A
///   runtime that needs room closes idle connections of the others, whether or not these are driven.
///   [`max_connections_per_host`](TransportBuilder::max_connections_per_host) counts those of each runtime.
/// * A runtime that ends closes its connections, and fails no request elsewhere. A request of which nothing was
///   written is sent again where it is polled next.
/// * Timers continue where they are polled.
///
/// Limitations:
///
/// * A sent request, and a body that is being read, need the runtime of their connection: they fail when it ends, and
///   wait, up to their [timeouts](crate::options::Timeouts), while it is a current-thread runtime that no thread
///   blocks on.
/// * A connection that is in use or being made holds its slot while such a runtime is not driven. If all slots are
///   held like this, other runtimes wait for one up to the pool timeout.
/// * A request outside of any runtime uses one that was seen before and still runs, and needs it to be driven.
///   Without one it fails with [`Error::is_canceled`].
/// * An executor and timer given by [`rt::Runtime::new`](crate::rt::Runtime::new) count as one runtime.
#[derive(Clone)]
pub struct Transport {
    pool: HttpPool,
    grace: Duration,
}

type HttpPool = Pool<HttpConnection<Body>, Body>;

/// The layers, outermost first.
struct Stack {
    pool: PoolLayer<Body>,
    negotiate: NegotiateLayer<Body>,
    retry: ConnectRetryLayer,
    tls: TlsLayer,
    proxy: ProxyLayer,
}

impl Stack {
    fn over<C>(self, connector: C) -> HttpPool
    where
        C: Connect<Target> + Clone + Send + 'static,
    {
        let proxied = self.proxy.layer(connector);
        self.over_proxied(proxied)
    }

    fn over_proxied(self, proxied: Proxied) -> HttpPool {
        let Self { pool, negotiate, retry, tls, .. } = self;
        let negotiate = negotiate.layer(retry.layer(tls.layer(proxied)));
        // Like `pool.layer(negotiate)`, without a box around the negotiation.
        pool.over(negotiate, |mut negotiate, target| async move {
            std::future::poll_fn(|cx| negotiate.poll_ready(cx)).await?;
            Ok(negotiate.negotiate(target).await?)
        })
    }
}

impl Transport {
    /// A transport with the defaults: HTTP/2 and HTTP/1.1, 100 connections, the platform's trusted roots, and strict
    /// [timeouts](crate::options::Timeouts).
    pub fn new() -> Self {
        Self::builder().assemble()
    }

    /// A transport without idle connections.
    #[cfg(feature = "_sockets")]
    pub(crate) fn unpooled(tls: crate::tls::TlsConfig) -> Self {
        Self::builder().max_idle(0).tls(tls).assemble()
    }

    /// A builder with all settings, each with its default.
    pub fn builder() -> TransportBuilder {
        TransportBuilder::new()
    }

    #[cfg(feature = "client")]
    pub(crate) fn runtime(&self) -> &crate::rt::Runtime {
        self.pool.runtime()
    }

    /// A snapshot: requests, connections, and a row for each connection.
    pub fn stats(&self) -> Stats {
        self.pool.stats()
    }

    /// Refuses further requests, closes idle connections, including those to proxies, and waits until the others have
    /// finished, up to the [grace period](TransportBuilder::close_grace); then it aborts them. Returns whether all
    /// finished.
    ///
    /// # Cancellation
    ///
    /// The transport stays closed; only the wait ends.
    pub async fn close(&self) -> bool {
        self.pool.close(self.grace).await
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Service<Request<B>> for Transport
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = TransportFuture;

    /// Always ready: the queue of a request depends on the request.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> TransportFuture {
        TransportFuture { checkout: self.pool.call(request.map(Body::new)) }
    }
}

pin_project! {
    /// The future of a [`Transport`].
    ///
    /// # Cancellation
    ///
    /// That of [`Checkout`].
    pub struct TransportFuture {
        #[pin]
        checkout: Checkout<HttpConnection<Body>, Body, Target>,
    }
}

impl Future for TransportFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().checkout.poll(cx).map_ok(|response| response.map(Body::pooled))
    }
}

/// Wraps the response body of any service. That of a pool over [`NegotiateLayer`] keeps the info of its connection.
pub(crate) fn response_body<RB>(body: RB) -> Body
where
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    match cast::<_, PoolBody<HttpBody>>(body) {
        Ok(pooled) => Body::pooled(pooled),
        Err(body) => Body::response(body),
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport [{}]", self.stats())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for TransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportFuture").finish_non_exhaustive()
    }
}
