//! Forwards requests: connects to a proxy that takes them in absolute-form (RFC 9112 §3.2.2).
//!
//! There is no handshake: the bytes to the proxy are the connection, and what is different are the requests on it. That they
//! are is known from [`ConnectInfo::forwarder`](crate::connect::ConnectInfo::forwarder), and done where HTTP is spoken:
//!
//! | | directly | to a proxy that forwards |
//! |---|---|---|
//! | request line of HTTP/1.1 | `GET /path` | `GET http://host/path` |
//! | pseudo-fields of HTTP/2 | of the connection's origin | of the request's URL |
//! | [headers of the proxy](crate::proxy::Proxy::header) | never sent | sent, where the request has none of the same name |
//! | `Proxy-Authorization` | never sent | as the request has it, else as the [`Proxy`] says |
//! | 407 | an answer like any other | answered, if there is something better to say, and the request is sent again |
//!
//! One connection serves every `http` origin. Whoever makes the keys of a pool can make use of that; by default each origin
//! has connections of its own. Anything but `http` is refused: the proxy would read it.

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

/// Makes a [`Forward`] of what connects to a proxy.
///
/// The connector below is given the target of the proxy; under `https://` proxies it has to be one that speaks TLS.
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

/// A connector whose bytes end at a proxy that forwards requests.
///
/// # Errors
///
/// [`is_builder`](Error::is_builder), before anyone is connected to, for a target that the proxy does not forward: one whose
/// scheme is not `http`, or that is to speak HTTP/2 with the origin beforehand, or if the proxy has been told to
/// [tunnel](Proxy::tunnel_http). [`is_unsupported`](Error::is_unsupported), as early, if the target allows HTTP/1.1 alone, as
/// that of a request with `Upgrade` does, and the proxy is to speak HTTP/2. [`is_proxy`](Error::is_proxy) for what goes wrong
/// on the way to the proxy.
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
    /// To this proxy.
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

/// The way to the proxy itself, if it forwards what there is for this target.
fn hop(target: &Target, proxy: &Proxy) -> Result<Hop, Error> {
    if !proxy.forwards(target.origin.scheme(), target.protocols) {
        let text = format!("{} is not forwarded by {proxy}: it needs a tunnel", target.origin);
        return Err(Error::builder(text));
    }
    proxy.check()?;
    let mut hop = Hop::to(proxy, target);
    hop.target.protocols = proxy.forwarding_protocols(target.protocols)?;
    if hop.target.protocols == Protocols::Http2Only && !hop.target.origin.scheme().is_tls() {
        let text = format!("{proxy} is to speak HTTP/2, which needs TLS or prior knowledge");
        return Err(Error::builder(text));
    }
    Ok(hop)
}
