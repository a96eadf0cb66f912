//! Connectors by URI, in both directions: those of hyper-util as ours, and ours for hyper-util and tonic.
//!
//! Both translate the [`Target`] to or from a [`Uri`], which has only scheme, host and port.

use std::{
    fmt,
    future::ready,
    task::{Context, Poll},
};

use http::{Uri, uri::PathAndQuery};
use hyper::rt::{Read, Write};
use tower_service::Service;

use super::{Connect, ConnectInfo, Connected, Connecting, poll_connector};
use crate::{
    error::{BoxError, Error},
    io::{Io, delegate_read, delegate_write},
    options::Protocols,
    target::{Origin, Route, Target},
};

#[cfg(feature = "hyper-util")]
mod legacy;

/// Makes a connector from a service of [`Uri`]s, as for hyper-util's client: hyper-rustls, Unix sockets, Tor.
///
/// It is given the URI of the origin, `https://example.com:8443/`. If it speaks TLS for `https`, put no TLS layer above it,
/// and declare that with [`encrypts`](Self::encrypts): otherwise requests to `https` origins are refused. Two settings of the
/// target then do not reach its TLS:
///
/// * [`protocols`](Target::protocols) does not set ALPN. Configure the service's ALPN, and report the result by
///   [`info`](Self::info): a protocol that the target does not allow is then an error of negotiation, before any request is
///   sent.
/// * [`server_name`](Target::server_name) is neither sent nor verified: the host of the URI is.
///
/// ```
/// use tower::service_fn;
/// use tower_transport::connect::{ConnectInfo, UriConnector};
/// # use tower_transport::{connect::Connect, target::Target};
/// # fn connects<C: Connect<Target>>(_: C) {}
/// use hyper_util::rt::TokioIo;
/// use http::Uri;
/// # use std::{convert::Infallible, future::ready};
/// # use tokio::io::DuplexStream;
///
/// let theirs = service_fn(|uri: Uri| ready(Ok::<_, Infallible>(TokioIo::new(tokio::io::duplex(64).0))));
/// let ours = UriConnector::new(theirs).info(|_: &TokioIo<DuplexStream>| ConnectInfo::default());
/// # connects(ours);
/// ```
///
/// # Errors
///
/// Any error of the service is the source of one for which [`is_connect`](Error::is_connect) holds. A target with a
/// route or a local address, which a URI cannot express, gives one for which [`is_builder`](Error::is_builder) holds.
#[derive(Clone)]
pub struct UriConnector<S, F> {
    inner: S,
    inform: F,
    encrypts: bool,
}

/// Makes a service of [`Uri`]s from a connector of ours, with its TLS and proxies: for hyper-util's client, and for
/// tonic's `Endpoint::connect_with_connector`.
///
/// Its response implements hyper's [`Read`] and [`Write`] and, with the feature `hyper-util`, hyper-util's `Connection`,
/// which reports whether ALPN chose HTTP/2 and adds the [`ConnectInfo`] to the extensions of the HTTP response.
///
/// # Errors
///
/// Those of the connector; and [`is_builder`](Error::is_builder) for an `https` URI whose stream is not
/// [encrypted](ConnectInfo::is_encrypted), because the client above would send the request in the clear.
///
/// ```
/// use tower::ServiceExt;
/// use tower_transport::connect::{MemoryConnector, UriService};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (connector, mut listener) = MemoryConnector::pair();
/// let io = UriService::new(connector).oneshot("http://example.com/".parse()?).await?;
/// # drop(io);
/// # assert!(listener.accept().await.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct UriService<C> {
    inner: C,
    protocols: Protocols,
}

impl<S: Service<Uri>> UriConnector<S, fn(&S::Response) -> ConnectInfo> {
    /// A connector without facts about its streams.
    pub fn new(inner: S) -> Self {
        Self { inner, inform: |_| ConnectInfo::default(), encrypts: false }
    }
}

impl<S, F> UriConnector<S, F> {
    /// Sets the facts about a stream: the addresses, ALPN's choice, TLS.
    pub fn info<I, G: Fn(&I) -> ConnectInfo>(self, inform: G) -> UriConnector<S, G> {
        UriConnector { inner: self.inner, inform, encrypts: self.encrypts }
    }

    /// Declares that the service encrypts the stream of an `https` or `wss` URI, as hyper-rustls does. Off by default.
    pub fn encrypts(mut self) -> Self {
        self.encrypts = true;
        self
    }
}

impl<S, F> Service<Target> for UriConnector<S, F>
where
    S: Service<Uri, Response: Io, Error: Into<BoxError>, Future: Send + 'static>,
    F: Fn(&S::Response) -> ConnectInfo + Clone + Send + 'static,
{
    type Response = Connected<S::Response>;
    type Error = Error;
    type Future = Connecting<S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let uri = match uri(&target) {
            Ok(uri) => uri,
            Err(error) => return Connecting::new(ready(Err(error))),
        };
        let (connecting, inform) = (self.inner.call(uri), self.inform.clone());
        let is_encrypted = self.encrypts && target.origin.scheme().is_tls();
        Connecting::new(async move {
            let io = connecting.await.map_err(|error| failed(error, &target))?;
            let connected = Connected { info: inform(&io), io };
            Ok(if is_encrypted { connected.encrypted() } else { connected })
        })
    }
}

impl<C> UriService<C> {
    /// A service of URIs by this connector, which offers [`Protocols::Negotiated`].
    pub fn new(inner: C) -> Self {
        Self { inner, protocols: Protocols::default() }
    }

    /// Sets the allowed versions of HTTP, and so what ALPN offers. For tonic, which speaks only HTTP/2, use
    /// [`Protocols::Http2Only`].
    pub fn protocols(mut self, protocols: Protocols) -> Self {
        self.protocols = protocols;
        self
    }

    fn target(&self, uri: &Uri) -> Result<Target, Error> {
        let mut target = Target::new(Origin::try_from(uri)?);
        target.protocols = self.protocols;
        Ok(target)
    }
}

impl<C: Connect<Target>> Service<Uri> for UriService<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Connecting<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let target = match self.target(&uri) {
            Ok(target) => target,
            Err(error) => return Connecting::new(ready(Err(error))),
        };
        let connecting = self.inner.call(target.clone());
        Connecting::new(async move {
            let connected = connecting.await.map_err(|error| failed(error, &target))?;
            connected
                .info
                .check_encryption(&target.origin, "a `TlsLayer` below the `UriService`")?;
            Ok(connected)
        })
    }
}

fn failed(error: impl Into<BoxError>, target: &Target) -> Error {
    Error::from_connector(error.into(), format!("connecting to {target}"))
}

/// The URI of an origin, for a target without a route or a local address.
fn uri(target: &Target) -> Result<Uri, Error> {
    let is_direct = matches!(target.route, Route::Any | Route::Direct);
    if !is_direct || target.local_address.is_some() {
        let doing = format!("a URI cannot express the route or the local address of {target}");
        return Err(Error::builder(doing));
    }
    Uri::builder()
        .scheme(target.origin.scheme().as_str())
        .authority(&*target.origin.authority())
        .path_and_query(PathAndQuery::from_static("/"))
        .build()
        .map_err(|error| Error::builder(format!("writing {target} as a URI")).because(error))
}

// The stream itself, for users that expect one.
delegate_read!([I: Read + Unpin] Connected<I>, io in Self { io, .. });
delegate_write!([I: Write + Unpin] Connected<I>, io in Self { io, .. });

impl<S: fmt::Debug, F> fmt::Debug for UriConnector<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UriConnector").field(&self.inner).finish()
    }
}
