//! SOCKS 5 (RFC 1928): asks a proxy for a connection by address or by name.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::socks::SocksRequest;
use crate::{
    connect::{
        Connect, Connected, Connecting, Resolve, SystemResolver, poll_connector, take_polled,
    },
    error::Error,
    target::{Proxy, ProxyScheme, Target},
};

mod handshake;
mod refusal;

use handshake::Socks5Handshake;
pub use refusal::Socks5Error;

/// Connects to every target through a SOCKS 5 proxy (RFC 1928).
///
/// The connector below connects to the proxy; that connection becomes the one to the target. The proxy's
/// [scheme](Proxy::scheme) decides where names are resolved:
///
/// | scheme | the proxy receives |
/// |---|---|
/// | `socks5` | an address: names are resolved here, by the [`resolver`](Self::resolver). Addresses are tried in order, each over its own connection, while the proxy cannot reach them |
/// | `socks5h` | the name, of at most 255 bytes; the resolver is not used |
///
/// An IP address is sent as such under both. One with a zone cannot be sent.
///
/// With [credentials](Proxy::credentials) the proxy may choose between user and password (RFC 1929) and no
/// authentication, as with curl and Go: many proxies identify users by address or port and support no other method.
/// Credentials are sent only to a proxy that asks. Without credentials, only no authentication is offered.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower::{Layer, ServiceExt};
/// use tower_transport::{
///     connect::MemoryConnector,
///     proxy::{Proxy, Socks5Layer},
///     target::{Origin, Target},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connector, mut listener) = MemoryConnector::pair();
/// let proxy: Proxy = "socks5h://proxy.example".parse()?;
/// let socks = Socks5Layer::new(proxy).layer(connector);
///
/// let origin = Origin::try_from(&"http://example.com".parse()?)?;
/// let connecting = tokio::spawn(socks.oneshot(Target::new(origin)));
///
/// let (mut proxy, asked_for) = listener.accept().await.ok_or("the connector is gone")?;
/// assert_eq!(asked_for.to_string(), "proxy.example:1080");
/// let mut heard = [0; 3 + 18];
/// proxy.read_exact(&mut heard[..3]).await?;
/// proxy.write_all(b"\x05\x00").await?;
/// proxy.read_exact(&mut heard[3..]).await?;
/// assert_eq!(&heard, b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.com\x00\x50");
/// proxy.write_all(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38").await?;
///
/// let connected = connecting.await??;
/// assert_eq!(connected.info.proxies().len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// * A refusal by the proxy is a [`Socks5Error`], as the [cause](Error::cause) of an error for which
///   [`is_proxy`](Error::is_proxy) holds, and [`is_connect`](Error::is_connect), or
///   [`is_protocol`](Error::is_protocol) if it is not SOCKS 5.
/// * A proxy that closes the connection is [`is_proxy`](Error::is_proxy), [`is_connect`](Error::is_connect) and
///   [`is_io`](Error::is_io).
/// * [`is_dns`](Error::is_dns) if a name must be resolved here and cannot be.
/// * [`is_builder`](Error::is_builder), before anything is connected: the proxy's scheme is not SOCKS 5, or has
///   settings for HTTP only; the name, the user or the password is longer than 255 bytes; the user is empty; the host
///   has a zone.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy.
#[derive(Clone, Debug)]
pub struct Socks5Layer<R = SystemResolver> {
    proxy: Proxy,
    resolver: R,
}

/// The connector of a [`Socks5Layer`].
///
/// A clone is as ready as a clone of the connector: not, until it is polled.
#[derive(Clone, Debug)]
pub struct Socks5<C, R = SystemResolver> {
    inner: C,
    proxy: Proxy,
    resolver: R,
}

impl Socks5Layer {
    /// Connects through this proxy, whose scheme is `socks5` or `socks5h`. Names are resolved here by the system's
    /// resolver, without blocking the caller.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, resolver: SystemResolver::new() }
    }
}

impl<R> Socks5Layer<R> {
    /// Resolves by this resolver instead, for the scheme `socks5`.
    pub fn resolver<S: Resolve + Clone + Send + 'static>(self, resolver: S) -> Socks5Layer<S> {
        Socks5Layer { proxy: self.proxy, resolver }
    }
}

impl<C, R: Clone> Layer<C> for Socks5Layer<R> {
    type Service = Socks5<C, R>;

    fn layer(&self, inner: C) -> Socks5<C, R> {
        Socks5 { inner, proxy: self.proxy.clone(), resolver: self.resolver.clone() }
    }
}

impl<C, R> Service<Target> for Socks5<C, R>
where
    C: Connect<Target> + Clone + Send + 'static,
    R: Resolve + Clone + Send + 'static,
{
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let ready = take_polled(&mut self.inner);
        let (request, resolver) =
            (SocksRequest::new(self.proxy.clone(), target), self.resolver.clone());
        Connecting::new(async move {
            let handshakes = handshakes(&request, resolver).await?;
            request.connect(ready, handshakes).await
        })
    }
}

/// One handshake for each address to try, or one for the name.
async fn handshakes<R: Resolve>(
    request: &SocksRequest,
    resolver: R,
) -> Result<Vec<Socks5Handshake>, Error> {
    request.check("SOCKS 5", [ProxyScheme::Socks5, ProxyScheme::Socks5h])?;
    let resolves_here = request.proxy().scheme() == ProxyScheme::Socks5;
    let destinations = request.destinations(resolver, resolves_here).await?;
    let credentials = request.proxy().authenticator().credentials();
    destinations.iter().map(|destination| Socks5Handshake::new(destination, credentials)).collect()
}
