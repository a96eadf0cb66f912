//! The connection to a proxy: its key, and its errors.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;

use crate::{
    body::Body,
    connect::{ConnectInfo, poll_connector},
    connection::Connection,
    error::{BoxError, Error, ProxyFault},
    events::{self, Span, Step},
    target::{Proxy, Route, Target},
};

/// The key of connections to a proxy: its route, settings and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) proxy: Proxy,
    /// The target of the proxy, for connectors.
    pub(super) target: Target,
}

/// The layer that encrypts the stream to an `https` proxy, for error texts.
pub(super) const TLS_BELOW: &str = "a `TlsLayer` below the layer of the proxy";

impl Hop {
    /// The hop to a proxy for `target`, whose route leads to the proxy.
    pub(super) fn to(proxy: &Proxy, target: &Target) -> Self {
        Self { proxy: proxy.clone(), target: target.hop(proxy, target.route.clone()) }
    }

    /// Checks that a connection ends at the proxy and is encrypted where required. One that ends at an earlier,
    /// forwarding proxy would reveal the request and its credentials to that proxy; one to an `https` proxy without
    /// TLS would reveal them to the network.
    pub(super) fn check(&self, info: &ConnectInfo) -> Result<(), Error> {
        info.check_encryption(&self.target.origin, TLS_BELOW)?;
        info.forwarder().map_or(Ok(()), |nearer| {
            let text = format!("{nearer} forwards requests, so it cannot lead to the proxy {self}");
            Err(Error::builder(text))
        })
    }

    /// Starts the `proxy.connect` span to `target`.
    pub(super) fn start_span(&self, target: &Target) -> Span {
        events::start(|| Step::ProxyConnect {
            proxy: self.proxy.to_string(),
            target: target.origin.authority_form(),
        })
    }

    /// The error of a proxy that was not reached. An error of an earlier proxy, or of a setting, stays as it is.
    pub(super) fn unreachable(&self, error: impl Into<BoxError>) -> Error {
        let doing = format!("connecting to the proxy {self}");
        let error = Error::from_connector(error.into(), doing.clone());
        if error.is_proxy() || error.is_builder() {
            return error;
        }
        error.during(doing).by_proxy(ProxyFault::Unreachable)
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.proxy.fmt(f)?;
        match &self.target.route {
            Route::Any | Route::Direct => Ok(()),
            route => write!(f, " {route}"),
        }
    }
}

/// Adapts a maker of connections to targets for hops.
#[derive(Clone)]
pub(super) struct ToProxy<M> {
    pub(super) inner: M,
}

impl<M> Service<Hop> for ToProxy<M>
where
    M: Service<Target, Error: Into<BoxError>, Future: Send + 'static>,
    M::Response: Connection<Request<Body>>,
{
    type Response = M::Response;
    type Error = Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<M::Response, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, hop: Hop) -> Self::Future {
        let making = self.inner.call(hop.target.clone());
        Box::pin(async move {
            let connection = making.await.map_err(|error| hop.unreachable(error))?;
            connection.info().map_or(Ok(()), |info| hop.check(info))?;
            Ok(connection)
        })
    }
}
