//! Finds the addresses of a host: names by a resolver; literals are their own address.
//!
//! A resolver is any [`Service`] of [`Name`]s; [`Resolve`] is the alias for it. Two are here: the system's
//! ([`SystemResolver`]), and one with fixed answers ([`StaticResolver`]).

use std::{fmt, net::SocketAddr, sync::Arc};

use tower_service::Service;

use crate::error::{BoxError, Error, ForeignError, Kind};

mod any;
mod fixed;
pub(crate) mod lookup;
#[cfg(not(feature = "_sockets"))]
#[path = "dns/no_system.rs"]
mod system;
#[cfg(feature = "_sockets")]
mod system;

pub(crate) use any::AnyResolver;
pub use fixed::{NoFallback, StaticResolver, StaticResolving};
pub use system::{SystemResolver, SystemResolving};

/// Name to addresses: an alias for the services that resolve.
///
/// The order of the answer is the order of preference (RFC 6724). Ports are ignored: the target's is used. An empty
/// answer is an error.
///
/// ```
/// use std::{convert::Infallible, net::SocketAddr};
/// use tower_transport::connect::{Name, Resolve};
///
/// fn resolves<R: Resolve>(resolver: R) -> R {
///     resolver
/// }
/// resolves(tower::service_fn(|name: Name| async move {
///     println!("resolving {name}");
///     Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 1], 0))])
/// }));
/// ```
pub trait Resolve:
    Service<
        Name,
        Response: IntoIterator<Item = SocketAddr>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    >
{
}

impl<S> Resolve for S where
    S: Service<
            Name,
            Response: IntoIterator<Item = SocketAddr>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        >
{
}

/// The name of a host, in lower case: names compare without regard to case (RFC 4343).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// Accepts any text; the resolver decides whether it can be a name.
    pub fn new(name: &str) -> Self {
        Self(name.to_ascii_lowercase().into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Passes our own errors on, and wraps others as the cause.
fn failed(name: &Name, error: impl Into<BoxError>) -> Error {
    let foreign = ForeignError { kind: Kind::Dns, phase: None, sent: Some(false) };
    Error::adopt(error.into(), foreign, format!("resolving {name}"))
}
