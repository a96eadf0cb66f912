//! Forwards requests: connects to a proxy that receives them in absolute-form (RFC 9112 §3.2.2).
//!
//! There is no handshake: the stream to the proxy is the connection, and only the requests on it differ.
//! [`ConnectInfo::forwarder`](crate::connect::ConnectInfo::forwarder) marks it, and the HTTP layer acts on that:
//!
//! | | directly | to a proxy that forwards |
//! |---|---|---|
//! | request line of HTTP/1.1 | `GET /path` | `GET http://host/path` |
//! | pseudo-fields of HTTP/2 | of the connection's origin | of the request's URL |
//! | [headers of the proxy](crate::proxy::Proxy::header) | never sent | sent, where the request has none of the same name |
//! | `Proxy-Authorization` | never sent | as the request has it, else as the [`Proxy`] says |
//! | 407 | a response like any other | the request is sent again if there are better credentials to answer with |
//!
//! One connection can serve every `http` origin. A pool with keys of its own may use that; by default each origin has
//! its own connections. Any scheme but `http` is refused, because the proxy could read the request.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::hop::Hop;
use crate::{
    connect::{Connect, Connected, Connecting, poll_connector},
    error::Error,
    events::{self, ConnectStage},
    options::Protocols,
    target::{Proxy, Target},
};

/// Wraps a connector to make a [`Forward`].
///
/// The connector below receives the target of the proxy; for `https://` proxies it must speak TLS.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower::ServiceBuilder;
/// use tower_transport::{
///     RequestExt, connect::MemoryConnector, http::NegotiateLayer, pool::PoolLayer,
///     proxy::{ForwardLayer, Proxy},
/// };
///
/// # #[cfg(all(feature = "tokio", feature = "http1"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connector, mut listener) = MemoryConnector::pair();
/// let proxy: Proxy = "http://user:password@proxy.example:3128".parse()?;
/// let client = ServiceBuilder::new()
///     .layer(PoolLayer::new())
///     .layer(NegotiateLayer::new())
///     .layer(ForwardLayer::new(proxy))
///     .service(connector);
///
/// tokio::spawn(async move {
///     let (mut io, target) = listener.accept().await.expect("someone connects");
///     assert_eq!(target.to_string(), "proxy.example:3128");
///     let mut head = vec![0; 1024];
///     let length = io.read(&mut head).await?;
///     assert!(head[..length].starts_with(b"GET http://example.com/path HTTP/1.1\r\n"));
///     io.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await
/// });
/// let response = client.request("GET", "http://example.com/path").await?;
/// assert_eq!(response.status(), 204);
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "tokio", feature = "http1")))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct ForwardLayer {
    proxy: Proxy,
}

/// A connector to a proxy that forwards requests.
///
/// # Errors
///
/// [`is_builder`](Error::is_builder), before anything is connected, for a target the proxy does not forward: its
/// scheme is not `http`, it requires HTTP/2 with prior knowledge, or the proxy is set to
/// [tunnel](Proxy::tunnel_http). [`is_unsupported`](Error::is_unsupported), as early, if the target allows HTTP/1.1
/// alone, as for a request with `Upgrade`, and the proxy is set to HTTP/2. [`is_proxy`](Error::is_proxy) for failures
/// of the connection to the proxy.
///
/// # Cancellation
///
/// Dropping the future drops that of the connector below, and does nothing else.
#[derive(Clone, Debug)]
pub struct Forward<C> {
    inner: C,
    proxy: Proxy,
}

impl ForwardLayer {
    /// Forwards to this proxy.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy }
    }
}

impl<C> Layer<C> for ForwardLayer {
    type Service = Forward<C>;

    fn layer(&self, inner: C) -> Forward<C> {
        Forward { inner, proxy: self.proxy.clone() }
    }
}

impl<C: Connect<Target>> Service<Target> for Forward<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Connecting<C::Io> {
        let hop = match hop(&target, &self.proxy) {
            Ok(hop) => hop,
            Err(error) => return Connecting::new(std::future::ready(Err(error))),
        };
        let connecting = self.inner.call(hop.target.clone());
        Connecting::new(async move {
            let stage = || ConnectStage::Other {
                doing: format!("reaching the proxy {hop}"),
                is_proxy: true,
            };
            let reaching = events::stage(stage);
            let connected = connecting.await.map_err(|error| hop.unreachable(error))?;
            drop(reaching);
            let Connected { io, info } = connected;
            hop.check(&info)?;
            Ok(Connected { io, info: info.with_forwarder(hop.proxy) })
        })
    }
}

/// The target of the proxy, if it forwards requests for this target.
fn hop(target: &Target, proxy: &Proxy) -> Result<Hop, Error> {
    if !proxy.forwards(target.origin.scheme(), target.protocols) {
        let text = format!("{} is not forwarded by {proxy}: it needs a tunnel", target.origin);
        return Err(Error::builder(text));
    }
    proxy.check()?;
    let mut hop = Hop::to(proxy, target);
    hop.target.protocols = proxy.forwarding_protocols(target.protocols)?;
    if hop.target.protocols == Protocols::Http2Only && !hop.target.origin.scheme().is_tls() {
        let text =
            format!("the settings of {proxy} ask for HTTP/2, which needs TLS or prior knowledge");
        return Err(Error::builder(text));
    }
    Ok(hop)
}
