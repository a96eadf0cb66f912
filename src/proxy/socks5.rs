//! SOCKS 5 (RFC 1928): asks a proxy for a connection by address or by name.

use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::socks::Asking;
use crate::{
    connect::{
        Connect, Connected, Connecting, Resolve, SystemResolver, poll_connector, take_polled,
    },
    error::Error,
    target::{Proxy, ProxyScheme, Target},
};

mod exchange;
mod refusal;

use exchange::Socks5Exchange;
pub use refusal::Socks5Error;

/// Reaches every target through a SOCKS 5 proxy (RFC 1928).
///
/// The connector below is asked for the proxy; what it answers with becomes a connection to the target. How names are
/// resolved is a matter of the [scheme](Proxy::scheme) of the proxy:
///
/// | scheme | the proxy is told |
/// |---|---|
/// | `socks5` | an address: names are resolved here, by the [`resolver`](Self::resolver). Its addresses are tried in order, each over a connection of its own, as long as the proxy cannot reach the last one |
/// | `socks5h` | the name, of 255 bytes at the most; the resolver is never asked |
///
/// A host that is an address is sent as one under both. One with a zone cannot be sent.
///
/// With [credentials](Proxy::credentials) the proxy may choose between user and password (RFC 1929) and no authentication
/// at all, as curl and Go let it: many proxies that know their users by address or by port know no other method than none.
/// They are said to nobody who does not ask. Without them, only no authentication is offered.
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
/// * What the proxy says instead of connecting is a [`Socks5Error`], as the [cause](Error::cause) of an error for which
///   [`is_proxy`](Error::is_proxy) holds, and [`is_connect`](Error::is_connect), or
///   [`is_protocol`](Error::is_protocol) if it is not SOCKS 5.
/// * A proxy that hangs up is [`is_proxy`](Error::is_proxy), [`is_connect`](Error::is_connect) and
///   [`is_io`](Error::is_io).
/// * [`is_dns`](Error::is_dns), if a name is to be resolved here and cannot be.
/// * [`is_builder`](Error::is_builder), before anything is connected: the proxy speaks something else than SOCKS 5, or has
///   settings that only HTTP has a place for; the name, the user or the password is longer than 255 bytes, the user is
///   empty, or the host has a zone.
///
/// # Cancellation
///
/// Dropping the future closes the connection to the proxy.
#[derive(Clone, Debug)]
pub struct Socks5Layer<R = SystemResolver> {
    proxy: Proxy,
    resolver: R,
}

/// What a [`Socks5Layer`] makes of a connector.
///
/// A clone is as ready as a clone of the connector is: not, until it was asked.
#[derive(Clone, Debug)]
pub struct Socks5<C, R = SystemResolver> {
    inner: C,
    proxy: Proxy,
    resolver: R,
}

impl Socks5Layer {
    /// Through this proxy, whose scheme is `socks5` or `socks5h`; names that are resolved here are by the system's
    /// resolver, which does not block the caller.
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
        let (asking, resolver) = (Asking::new(self.proxy.clone(), target), self.resolver.clone());
        Connecting::new(async move {
            let exchanges = exchanges(&asking, resolver).await?;
            asking.connect(ready, exchanges).await
        })
    }
}

/// One for each address that may be tried, or one for the name.
async fn exchanges<R: Resolve>(asking: &Asking, resolver: R) -> Result<Vec<Socks5Exchange>, Error> {
    asking.check("SOCKS 5", [ProxyScheme::Socks5, ProxyScheme::Socks5h])?;
    let resolves_here = asking.proxy().scheme() == ProxyScheme::Socks5;
    let destinations = asking.destinations(resolver, resolves_here).await?;
    let credentials = asking.proxy().authenticator().credentials();
    destinations.iter().map(|destination| Socks5Exchange::new(destination, credentials)).collect()
}
