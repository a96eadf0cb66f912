//! Answers with the addresses it was given.

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

/// A resolver that is told what to answer, like curl's `--resolve`.
///
/// Other names fail, unless there is a [`fallback`](Self::fallback): a test that only knows `example.com` then cannot
/// reach anybody else by mistake.
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

/// The resolver that knows no name.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFallback;

impl StaticResolver {
    /// A resolver that knows no name yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<F> StaticResolver<F> {
    /// Adds addresses to a name, in the order in which they are to be tried.
    pub fn address<A: Into<IpAddr>>(
        mut self,
        name: &str,
        addresses: impl IntoIterator<Item = A>,
    ) -> Self {
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address.into(), 0));
        self.addresses.entry(Name::new(name)).or_default().extend(addresses);
        self
    }

    /// Asks this resolver for all other names.
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
            Some(addresses) => State::Known { addresses: addresses.clone() },
            None => State::Asking { asking: self.fallback.call(name.clone()) },
        };
        StaticResolving { name, state }
    }
}

pin_project! {
    /// The answer of a [`StaticResolver`]. Dropping it drops the question to the fallback.
    pub struct StaticResolving<F> {
        name: Name,
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Known { addresses: Vec<SocketAddr> },
        Asking { #[pin] asking: F },
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
        let asking = match this.state.project() {
            StateProjection::Known { addresses } => {
                return Poll::Ready(Ok(std::mem::take(addresses).into_iter()));
            }
            StateProjection::Asking { asking } => asking,
        };
        asking.poll(cx).map(|answer| match answer {
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
