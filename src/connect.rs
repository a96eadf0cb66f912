//! Connectors: services that turn a target into a byte stream.
//!
//! A connector is a [`Service`] of [`Target`](crate::target::Target)s that returns a [`Connected`] stream. Layers
//! over one, like TLS, wrap the stream and add to the [`ConnectInfo`]; they do not depend on each other.
//! [`Connect`] and [`MakeConnection`] are aliases for such services: bounds to write, never traits to implement.

use std::{
    error::Error as StdError,
    io, mem,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    connection::Connection,
    error::{BoxError, Error, find},
    io::closed,
};

pub use crate::{
    connect_info::{ConnectInfo, HasConnectInfo},
    io::{Io, Recheck},
};

mod connecting;
mod dns;
#[cfg(feature = "_sockets")]
mod eyeballs;
mod memory;
#[cfg(feature = "_sockets")]
mod race;
mod retry;
#[cfg(feature = "_sockets")]
mod socket;
#[cfg(feature = "_sockets")]
mod tcp;
#[cfg(all(unix, feature = "_sockets"))]
mod unix;
#[cfg(all(not(unix), feature = "_sockets"))]
#[path = "connect/no_unix.rs"]
mod unix;
mod uri;

pub use connecting::Connecting;
pub(crate) use connecting::too_slow;
pub(crate) use dns::{AnyResolver, lookup};
pub use dns::{
    Name, NoFallback, Resolve, StaticResolver, StaticResolving, SystemResolver, SystemResolving,
};
pub use memory::{MemoryConnector, MemoryIo, MemoryListener};
pub use retry::{ConnectRetry, ConnectRetryLayer, Reconnecting};
#[cfg(feature = "_sockets")]
pub use socket::{RuntimeSocket, SocketIo, TcpIo, TcpSocket};
#[cfg(feature = "_sockets")]
pub use socket2;
#[cfg(feature = "_sockets")]
pub use tcp::TcpConnector;
#[cfg(feature = "_sockets")]
pub use unix::{UnixConnector, UnixIo, UnixSocket};
pub use uri::{UriConnector, UriService};

/// Target to byte stream: an alias for the services that connect.
///
/// A connector that encrypts by itself has to [declare](Connected::encrypted) it: requests to `https` and `wss` origins are
/// refused over a stream whose [`ConnectInfo`] does not say that it [is encrypted](ConnectInfo::is_encrypted). Below a
/// [`TlsLayer`](crate::tls::TlsLayer) the layer declares it.
///
/// ```
/// use tower_transport::{connect::Connect, target::Target};
///
/// /// A compile-time check: a mistake in a connector is reported at the call.
/// fn connects<C: Connect<Target>>(connector: C) -> C {
///     connector
/// }
/// # #[cfg(any(feature = "tokio", feature = "smol"))]
/// connects(tower_transport::connect::TcpConnector::new());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a connector: no service that makes bytes of a `{T}`",
    label = "this is not a connector",
    note = "a connector answers with `Connected<Io>`: `TcpConnector`, or a layer over one (`TlsLayer`, `ProxyLayer`, `TunnelLayer`, `Socks5Layer`)",
    note = "its stream has hyper's `Read` and `Write`: wrap a stream of tokio in `hyper_util::rt::TokioIo`, and return `Connected::new(TokioIo::new(stream))`",
    note = "`NegotiateLayer` and `PoolLayer` stand above all connectors: `PoolLayer`, then `NegotiateLayer`, then `TlsLayer`, then the connector",
    note = "put a hyper-util connector (a service of `Uri`) below a `UriConnector`"
)]
pub trait Connect<T>:
    Service<
        T,
        Response = Connected<<Self as Connect<T>>::Io>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    >
{
    /// The stream.
    type Io: Io;
}

#[diagnostic::do_not_recommend]
impl<S, T, I: Io> Connect<T> for S
where
    S: Service<T, Response = Connected<I>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Io = I;
}

/// Target to connection: an alias for the services that make connections for a pool.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make connections that speak HTTP of a `{T}`",
    label = "this does not make connections of HTTP",
    note = "if it is a connector, a `NegotiateLayer` is missing between the `PoolLayer` and it: it turns bytes into connections",
    note = "layers stand in this order: `PoolLayer`, `NegotiateLayer`, `TlsLayer`, then the connector"
)]
pub trait MakeConnection<T, Req>:
    Service<T, Response: Connection<Req>, Error: Into<BoxError>, Future: Send + 'static>
{
}

#[diagnostic::do_not_recommend]
impl<S, T, Req> MakeConnection<T, Req> for S where
    S: Service<T, Response: Connection<Req>, Error: Into<BoxError>, Future: Send + 'static>
{
}

/// A connector's result: the stream, and the facts about it.
///
/// For streams of this crate's connectors a failed write has taken nothing. A stream of your own may have passed part of it
/// on, as TLS does, so a request whose write failed there counts as [sent](crate::Error::was_sent) and is not repeated
/// unless it is idempotent.
#[derive(Debug)]
pub struct Connected<I> {
    /// The stream.
    pub io: I,
    /// The facts about it.
    pub info: ConnectInfo,
}

impl<I> Connected<I> {
    /// A stream without known facts.
    pub fn new(io: I) -> Self {
        Self { io, info: ConnectInfo::default() }
    }

    /// Declares the stream [encrypted](ConnectInfo::with_encryption): for a connector that encrypts by itself, and for
    /// test doubles of one. Over any other stream, this sends `https` requests in the clear.
    ///
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower_transport::{Body, connect::{Connected, MemoryConnector}, http::NegotiateLayer, pool::PoolLayer};
    ///
    /// let (connector, _listener) = MemoryConnector::pair();
    /// let stack = ServiceBuilder::new()
    ///     .layer(PoolLayer::<Body>::new())
    ///     .layer(NegotiateLayer::new())
    ///     .map_response(Connected::encrypted)
    ///     .service(connector);
    /// # drop(stack);
    /// ```
    pub fn encrypted(self) -> Self {
        Self { io: self.io, info: self.info.with_encryption() }
    }
}

impl<I: Io> Connected<I> {
    /// Wraps the stream, keeping the facts.
    pub(crate) fn map<J>(self, io: impl FnOnce(I) -> J) -> Connected<J> {
        Connected { io: io(self.io), info: self.info }
    }

    /// Erases the type of the stream.
    pub(crate) fn boxed(self) -> Connected<Box<dyn Io>> {
        self.map(|io| Box::new(io) as Box<dyn Io>)
    }
}

/// Polls the readiness of a connector, for a layer over it.
pub(crate) fn poll_connector<T, S>(inner: &mut S, cx: &mut Context<'_>) -> Poll<Result<(), Error>>
where
    S: Service<T, Error: Into<BoxError>>,
{
    inner.poll_ready(cx).map_err(|error| Error::from_connector(error.into(), "connecting"))
}

/// Takes the polled service, and leaves a clone that was not polled.
pub(crate) fn take_polled<S: Clone>(inner: &mut S) -> S {
    let clone = inner.clone();
    mem::replace(inner, clone)
}

/// Whether another attempt may succeed. Foreign errors are assumed to be temporary.
pub(crate) fn is_temporary(error: &(dyn StdError + 'static)) -> bool {
    let Some(ours) = find::<Error>(error) else { return true };
    !ours.is_builder() && !ours.is_denied() && (!ours.is_tls() || was_cut_off(ours))
}

/// Whether the peer closed the connection. Errors of TLS itself are also [`io::Error`]s, of other kinds.
fn was_cut_off(error: &Error) -> bool {
    error.cause::<io::Error>().is_some_and(|cause| closed::is_closed(cause.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Kind, ProxyFault};

    /// A TLS error as rustls brings it: an I/O error, whatever it is about.
    fn tls(kind: io::ErrorKind) -> BoxError {
        Error::new(Kind::Tls, "speaking TLS").because(io::Error::new(kind, "why")).into()
    }

    fn proxy(fault: ProxyFault) -> BoxError {
        Error::new(Kind::Connect, "asking the proxy").by_proxy(fault).into()
    }

    #[test]
    fn errors_that_another_attempt_will_not_mend_are_final() {
        let table: &[(BoxError, bool)] = &[
            (Error::new(Kind::Connect, "connecting").into(), true),
            (Error::new(Kind::Dns, "resolving").into(), true),
            ("somebody else's".into(), true),
            (Error::builder("what was asked for").into(), false),
            (Error::new(Kind::Tls, "a certificate").into(), false),
            (tls(io::ErrorKind::InvalidData), false),
            (tls(io::ErrorKind::ConnectionReset), true),
            (tls(io::ErrorKind::UnexpectedEof), true),
            (proxy(ProxyFault::Unreachable), true),
            (proxy(ProxyFault::Failed), true),
            (proxy(ProxyFault::Denied), false),
        ];
        for (error, temporary) in table {
            assert_eq!(is_temporary(&**error), *temporary, "{error:?}");
        }
    }
}
