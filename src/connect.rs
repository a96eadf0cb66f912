//! Reaches bytes: what a connector is, and what it hands on.
//!
//! A connector is a [`Service`] of [`Target`](crate::target::Target)s that answers with [`Connected`] bytes. Layers
//! that wrap one, like TLS, map the bytes and add to the [`ConnectInfo`]; none of them needs to know the others.
//! [`Connect`] and [`MakeConnection`] are aliases for such services: bounds to write, never traits to implement.

use std::{error::Error as StdError, fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::Version;
use tower_service::Service;

use crate::{
    connection::Connection,
    error::BoxError,
    io::{Io, Recheck},
};

mod connecting;
mod dns;
#[cfg(feature = "tokio")]
mod eyeballs;
mod memory;
#[cfg(feature = "tokio")]
mod race;
mod retry;
#[cfg(feature = "tokio")]
mod socket;
#[cfg(feature = "tokio")]
mod tcp;
#[cfg(all(unix, feature = "tokio"))]
mod unix;
#[cfg(all(not(unix), feature = "tokio"))]
#[path = "connect/no_unix.rs"]
mod unix;
mod uri;

pub use connecting::Connecting;
pub use dns::{Name, NoFallback, Resolve, StaticResolver, StaticResolving};
#[cfg(feature = "tokio")]
pub use dns::{SystemResolver, SystemResolving};
pub use memory::{MemoryConnector, MemoryIo, MemoryListener};
pub use retry::{ConnectRetry, ConnectRetryLayer};
#[cfg(feature = "tokio")]
pub use socket::{SocketIo, TcpIo};
#[cfg(feature = "tokio")]
pub use tcp::TcpConnector;
#[cfg(feature = "tokio")]
pub use unix::{UnixConnector, UnixIo};
pub use uri::{UriConnector, UriService};

/// Target to bytes: an alias for the services that connect.
///
/// ```
/// use tower_transport::{connect::Connect, target::Target};
///
/// /// A fence: a mistake in a connector is reported where this is called.
/// fn connects<C: Connect<Target>>(connector: C) -> C {
///     connector
/// }
/// # #[cfg(feature = "tokio")]
/// connects(tower_transport::connect::TcpConnector::new());
/// ```
pub trait Connect<T>:
    Service<
        T,
        Response = Connected<<Self as Connect<T>>::Io>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    >
{
    /// The bytes.
    type Io: Io;
}

impl<S, T, I: Io> Connect<T> for S
where
    S: Service<T, Response = Connected<I>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Io = I;
}

/// Target to connection: an alias for the services that make what a pool keeps.
pub trait MakeConnection<T, Req>:
    Service<T, Response: Connection<Req>, Error: Into<BoxError>, Future: Send + 'static>
{
}

impl<S, T, Req> MakeConnection<T, Req> for S where
    S: Service<T, Response: Connection<Req>, Error: Into<BoxError>, Future: Send + 'static>
{
}

/// What a connector answers with: the bytes, and what is known about them.
#[derive(Debug)]
pub struct Connected<I> {
    /// The bytes.
    pub io: I,
    /// What is known about them.
    pub info: ConnectInfo,
}

impl<I> Connected<I> {
    /// Bytes about which nothing is known.
    pub fn new(io: I) -> Self {
        Self { io, info: ConnectInfo::default() }
    }
}

/// How a response came: an extension of every response.
///
/// ```
/// # use tower_transport::connect::ConnectInfo;
/// # fn example(response: http::Response<()>) {
/// let info: &ConnectInfo = response.extensions().get().unwrap();
/// println!("{:?} from {:?}, reused: {}", info.version(), info.peer_addr(), info.is_reused());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ConnectInfo {
    way: Arc<Way>,
    served: u64,
}

/// What does not change while a connection lives.
#[derive(Clone, Default)]
struct Way {
    local_addr: Option<SocketAddr>,
    peer_addr: Option<SocketAddr>,
    version: Option<Version>,
    alpn: Option<Bytes>,
    tls_version: Option<&'static str>,
    server_name: Option<Arc<str>>,
    peer_certificates: Vec<Bytes>,
    recheck: Option<Recheck>,
}

impl ConnectInfo {
    /// The address on this side.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.way.local_addr
    }

    /// The address on the other side.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.way.peer_addr
    }

    /// The version of HTTP that is spoken.
    pub fn version(&self) -> Option<Version> {
        self.way.version
    }

    /// The protocol that ALPN chose (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.way.alpn.as_deref()
    }

    /// The version of TLS, as `TLSv1.3`.
    pub fn tls_version(&self) -> Option<&'static str> {
        self.way.tls_version
    }

    /// The name that TLS verified.
    pub fn server_name(&self) -> Option<&str> {
        self.way.server_name.as_deref()
    }

    /// The certificates of the peer in DER, its own first.
    pub fn peer_certificates(&self) -> &[Bytes] {
        &self.way.peer_certificates
    }

    /// Whether the connection had served a request before this one.
    pub fn is_reused(&self) -> bool {
        self.served > 1
    }

    /// How many requests the connection has been given, with this one.
    pub fn served(&self) -> u64 {
        self.served
    }

    /// Says how many requests the connection has been given.
    pub(crate) fn after(&self, served: u64) -> Self {
        Self { way: self.way.clone(), served }
    }

    /// The switch by which a connection asks its socket to look again.
    pub fn recheck(&self) -> Option<&Recheck> {
        self.way.recheck.as_ref()
    }

    /// Says both addresses.
    pub fn with_addrs(self, local: Option<SocketAddr>, peer: Option<SocketAddr>) -> Self {
        self.with(|way| (way.local_addr, way.peer_addr) = (local, peer))
    }

    /// Says what ALPN chose.
    pub fn with_alpn(self, alpn: impl Into<Option<Bytes>>) -> Self {
        self.with(|way| way.alpn = alpn.into())
    }

    /// Says what TLS agreed on and whom it verified.
    pub fn with_tls(
        self,
        version: Option<&'static str>,
        server_name: impl Into<Arc<str>>,
        peer_certificates: Vec<Bytes>,
    ) -> Self {
        self.with(|way| {
            way.tls_version = version;
            way.server_name = Some(server_name.into());
            way.peer_certificates = peer_certificates;
        })
    }

    /// Says that the stream answers to this switch.
    pub fn with_recheck(self, recheck: Recheck) -> Self {
        self.with(|way| way.recheck = Some(recheck))
    }

    /// Says which version of HTTP is spoken.
    pub fn with_version(self, version: Version) -> Self {
        self.with(|way| way.version = Some(version))
    }

    fn with(mut self, say: impl FnOnce(&mut Way)) -> Self {
        say(Arc::make_mut(&mut self.way));
        self
    }
}

impl fmt::Debug for ConnectInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectInfo")
            .field("local_addr", &self.way.local_addr)
            .field("peer_addr", &self.way.peer_addr)
            .field("version", &self.way.version)
            .field("alpn", &self.way.alpn)
            .field("tls_version", &self.way.tls_version)
            .field("server_name", &self.way.server_name)
            .field("peer_certificates", &self.way.peer_certificates.len())
            .field("served", &self.served)
            .finish()
    }
}

/// Whether another attempt may end better. A connector's error is any error, and those of others are taken to pass.
pub(crate) fn is_temporary(error: &(dyn StdError + 'static)) -> bool {
    let Some(ours) = error.downcast_ref::<crate::Error>() else { return true };
    !ours.is_builder() && (!ours.is_tls() || was_cut_off(ours))
}

/// Whether the peer went away in the middle. What TLS itself objects to comes as an [`io::Error`], too, of another kind.
fn was_cut_off(error: &crate::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    error.cause::<io::Error>().is_some_and(|cause| {
        matches!(cause.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};

    /// A TLS error as rustls brings it: an I/O error, whatever it is about.
    fn tls(kind: io::ErrorKind) -> BoxError {
        Error::new(Kind::Tls, "speaking TLS").because(io::Error::new(kind, "why")).into()
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
        ];
        for (error, temporary) in table {
            assert_eq!(is_temporary(&**error), *temporary, "{error:?}");
        }
    }
}
