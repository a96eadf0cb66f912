//! SOCKS 4 and 4a: asks a proxy for a connection by address or by name.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::socks::{Destination, SocksRequest};
use crate::{
    connect::{
        Connect, Connected, Connecting, Resolve, SystemResolver, poll_connector, take_polled,
    },
    error::Error,
    target::{Proxy, ProxyScheme, Target},
};

mod handshake;

pub use handshake::Socks4Error;
use handshake::Socks4Handshake;

/// Connects to every target through a SOCKS 4 proxy.
///
/// The connector below connects to the proxy; that connection becomes the one to the target. The proxy's
/// [scheme](Proxy::scheme) decides where names are resolved:
///
/// | scheme | the proxy receives |
/// |---|---|
/// | `socks4` | an address: names are resolved here, by the [`resolver`](Self::resolver). IPv4 addresses are tried in order, each over its own connection, while the proxy rejects them |
/// | `socks4a` | the name, of at most 255 bytes; the resolver is not used |
///
/// An IPv4 address is sent as such under both. SOCKS 4 does not know IPv6.
///
/// The user of the [credentials](Proxy::credentials) becomes the user id of the request, which is empty otherwise.
/// SOCKS 4 has no passwords: setting one is an error.
///
/// ```
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tower::{Layer, ServiceExt};
/// use tower_transport::{
///     connect::MemoryConnector,
///     proxy::{Proxy, Socks4Layer},
///     target::{Origin, Target},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connector, mut listener) = MemoryConnector::pair();
/// let proxy: Proxy = "socks4a://me@proxy.example".parse()?;
/// let socks = Socks4Layer::new(proxy).layer(connector);
///
/// let origin = Origin::try_from(&"http://example.com".parse()?)?;
/// let connecting = tokio::spawn(socks.oneshot(Target::new(origin)));
///
/// let (mut proxy, asked_for) = listener.accept().await.ok_or("the connector is gone")?;
/// assert_eq!(asked_for.to_string(), "proxy.example:1080");
/// let mut heard = [0; 23];
/// proxy.read_exact(&mut heard).await?;
/// assert_eq!(&heard, b"\x04\x01\x00\x50\x00\x00\x00\x01me\0example.com\0");
/// proxy.write_all(b"\x00\x5a\x00\x00\x00\x00\x00\x00").await?;
///
/// let connected = connecting.await??;
/// assert_eq!(connected.info.proxies().len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// * A refusal by the proxy is a [`Socks4Error`], as the [cause](Error::cause) of an error for which
///   [`is_proxy`](Error::is_proxy) holds, and [`is_connect`](Error::is_connect), or
///   [`is_protocol`](Error::is_protocol) if it is not SOCKS 4.
/// * A proxy that closes the connection is [`is_proxy`](Error::is_proxy), [`is_connect`](Error::is_connect) and
///   [`is_io`](Error::is_io).
/// * [`is_dns`](Error::is_dns) if a name must be resolved here and cannot be; [`is_connect`](Error::is_connect) alone
///   if it has no IPv4 address.
/// * [`is_builder`](Error::is_builder), before anything is connected: the proxy's scheme is not SOCKS 4, or has
///   settings for HTTP only; there is a password; the name or the user is longer than 255 bytes or contains a NUL;
///   the host is an IPv6 address.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy.
#[derive(Clone, Debug)]
pub struct Socks4Layer<R = SystemResolver> {
    proxy: Proxy,
    resolver: R,
}

/// The connector of a [`Socks4Layer`].
///
/// A clone is as ready as a clone of the connector: not, until it is polled.
#[derive(Clone, Debug)]
pub struct Socks4<C, R = SystemResolver> {
    inner: C,
    proxy: Proxy,
    resolver: R,
}

impl Socks4Layer {
    /// Connects through this proxy, whose scheme is `socks4` or `socks4a`. Names are resolved here by the system's
    /// resolver, without blocking the caller.
    pub fn new(proxy: Proxy) -> Self {
        Self { proxy, resolver: SystemResolver::new() }
    }
}

impl<R> Socks4Layer<R> {
    /// Resolves by this resolver instead, for the scheme `socks4`.
    pub fn resolver<S: Resolve + Clone + Send + 'static>(self, resolver: S) -> Socks4Layer<S> {
        Socks4Layer { proxy: self.proxy, resolver }
    }
}

impl<C, R: Clone> Layer<C> for Socks4Layer<R> {
    type Service = Socks4<C, R>;

    fn layer(&self, inner: C) -> Socks4<C, R> {
        Socks4 { inner, proxy: self.proxy.clone(), resolver: self.resolver.clone() }
    }
}

impl<C, R> Service<Target> for Socks4<C, R>
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

/// One handshake for each IPv4 address to try, or one for the name.
async fn handshakes<R: Resolve>(
    request: &SocksRequest,
    resolver: R,
) -> Result<Vec<Socks4Handshake>, Error> {
    request.check("SOCKS 4", [ProxyScheme::Socks4, ProxyScheme::Socks4a])?;
    let resolves_here = request.proxy().scheme() == ProxyScheme::Socks4;
    let mut destinations = request.destinations(resolver, resolves_here).await?;
    if !request.is_for_an_address() {
        destinations
            .retain(|destination| !matches!(destination, Destination::Address(to) if to.is_ipv6()));
    }
    let credentials = request.proxy().authenticator().credentials();
    destinations.iter().map(|destination| Socks4Handshake::new(destination, credentials)).collect()
}
