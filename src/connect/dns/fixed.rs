//! A resolver with fixed answers.

use std::{
    collections::HashMap,
    fmt,
    future::{Future, Ready, ready},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Name, Resolve, failed};
use crate::error::{BoxError, Error};

/// A resolver with fixed answers, like curl's `--resolve`.
///
/// Other names fail, unless there is a [`fallback`](Self::fallback): a test with only `example.com` cannot reach another
/// host by mistake.
///
/// ```
/// use std::net::Ipv4Addr;
/// use tower_transport::connect::StaticResolver;
///
/// let resolver = StaticResolver::new().address("example.com", [Ipv4Addr::LOCALHOST]);
/// # #[cfg(feature = "tokio")] {
/// use tower_transport::connect::{SystemResolver, TcpConnector};
///
/// let resolver = resolver.fallback(SystemResolver::default());
/// let connector = TcpConnector::new().resolver(resolver);
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StaticResolver<F = NoFallback> {
    addresses: HashMap<Name, Vec<SocketAddr>>,
    fallback: F,
}

/// The resolver without any name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFallback;

impl StaticResolver {
    /// A resolver without any name.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<F> StaticResolver<F> {
    /// Adds addresses to a name, in the order of the attempts.
    pub fn address<A: Into<IpAddr>>(
        mut self,
        name: &str,
        addresses: impl IntoIterator<Item = A>,
    ) -> Self {
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address.into(), 0));
        self.addresses.entry(Name::new(name)).or_default().extend(addresses);
        self
    }

    /// Resolves all other names by this resolver.
    pub fn fallback<R: Resolve>(self, resolver: R) -> StaticResolver<R> {
        StaticResolver { addresses: self.addresses, fallback: resolver }
    }
}

impl<F: Resolve> Service<Name> for StaticResolver<F> {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = StaticResolving<F::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.fallback.poll_ready(cx).map_err(|error| failed(&Name::new("a name"), error))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let state = match self.addresses.get(&name) {
            Some(addresses) => ResolveState::Fixed { addresses: addresses.clone() },
            None => ResolveState::Fallback { resolving: self.fallback.call(name.clone()) },
        };
        StaticResolving { name, state }
    }
}

pin_project! {
    /// The future of a [`StaticResolver`]. Dropping it drops the fallback's future.
    pub struct StaticResolving<F> {
        name: Name,
        #[pin]
        state: ResolveState<F>,
    }
}

pin_project! {
    #[project = ResolveStateProj]
    enum ResolveState<F> {
        Fixed { addresses: Vec<SocketAddr> },
        Fallback { #[pin] resolving: F },
    }
}

impl<F, A, E> Future for StaticResolving<F>
where
    F: Future<Output = Result<A, E>>,
    A: IntoIterator<Item = SocketAddr>,
    E: Into<BoxError>,
{
    type Output = Result<vec::IntoIter<SocketAddr>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let resolving = match this.state.project() {
            ResolveStateProj::Fixed { addresses } => {
                return Poll::Ready(Ok(std::mem::take(addresses).into_iter()));
            }
            ResolveStateProj::Fallback { resolving } => resolving,
        };
        resolving.poll(cx).map(|answer| match answer {
            Ok(addresses) => Ok(addresses.into_iter().collect::<Vec<_>>().into_iter()),
            Err(error) => Err(failed(this.name, error)),
        })
    }
}

impl<F> fmt::Debug for StaticResolving<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticResolving").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Service<Name> for NoFallback {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Ready<Result<vec::IntoIter<SocketAddr>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        ready(Err(failed(&name, "no address was set for the name")))
    }
}
