//! SOCKS 4 and 4a: asks a proxy for a connection by address or by name.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::socks::{Asking, Destination};
use crate::{
    connect::{
        Connect, Connected, Connecting, Resolve, SystemResolver, poll_connector, take_polled,
    },
    error::Error,
    target::{Proxy, ProxyScheme, Target},
};

mod exchange;

pub use exchange::Socks4Error;
use exchange::Socks4Exchange;

/// Reaches every target through a SOCKS 4 proxy.
///
/// The connector below is asked for the proxy; what it answers with becomes a connection to the target. How names are
/// resolved is a matter of the [scheme](Proxy::scheme) of the proxy:
///
/// | scheme | the proxy is told |
/// |---|---|
/// | `socks4` | an address: names are resolved here, by the [`resolver`](Self::resolver). Its IPv4 addresses are tried in order, each over a connection of its own, as long as the proxy rejects the last one |
/// | `socks4a` | the name, of 255 bytes at the most; the resolver is never asked |
///
/// A host that is an IPv4 address is sent as one under both. IPv6 is not known to SOCKS 4.
///
/// The user of the [credentials](Proxy::credentials) is the user id of the request, which else is empty. There are no
/// passwords: one that is set is an error.
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
/// * What the proxy says instead of connecting is a [`Socks4Error`], as the [cause](Error::cause) of an error for which
///   [`is_proxy`](Error::is_proxy) holds, and [`is_connect`](Error::is_connect), or
///   [`is_protocol`](Error::is_protocol) if it is not SOCKS 4.
/// * A proxy that hangs up is [`is_proxy`](Error::is_proxy), [`is_connect`](Error::is_connect) and
///   [`is_io`](Error::is_io).
/// * [`is_dns`](Error::is_dns), if a name is to be resolved here and cannot be; [`is_connect`](Error::is_connect) alone, if
///   it has no IPv4 address.
/// * [`is_builder`](Error::is_builder), before anything is connected: the proxy speaks something else than SOCKS 4, or has
///   settings that only HTTP has a place for; there is a password; the name or the user is longer than 255 bytes or holds a
///   NUL; the host is an IPv6 address.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy.
#[derive(Clone, Debug)]
pub struct Socks4Layer<R = SystemResolver> {
    proxy: Proxy,
    resolver: R,
}

/// What a [`Socks4Layer`] makes of a connector.
///
/// A clone is as ready as a clone of the connector is: not, until it was asked.
#[derive(Clone, Debug)]
pub struct Socks4<C, R = SystemResolver> {
    inner: C,
    proxy: Proxy,
    resolver: R,
}

impl Socks4Layer {
    /// Through this proxy, whose scheme is `socks4` or `socks4a`; names that are resolved here are by the system's
    /// resolver, which does not block the caller.
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
        let (asking, resolver) = (Asking::new(self.proxy.clone(), target), self.resolver.clone());
        Connecting::new(async move {
            let exchanges = exchanges(&asking, resolver).await?;
            asking.connect(ready, exchanges).await
        })
    }
}

/// One for each IPv4 address that may be tried, or one for the name.
async fn exchanges<R: Resolve>(asking: &Asking, resolver: R) -> Result<Vec<Socks4Exchange>, Error> {
    asking.check("SOCKS 4", [ProxyScheme::Socks4, ProxyScheme::Socks4a])?;
    let resolves_here = asking.proxy().scheme() == ProxyScheme::Socks4;
    let mut destinations = asking.destinations(resolver, resolves_here).await?;
    if !asking.is_for_an_address() {
        destinations
            .retain(|destination| !matches!(destination, Destination::Address(to) if to.is_ipv6()));
    }
    let credentials = asking.proxy().authenticator().credentials();
    destinations.iter().map(|destination| Socks4Exchange::new(destination, credentials)).collect()
}
