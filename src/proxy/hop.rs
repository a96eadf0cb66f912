//! The way to a proxy itself, as a connection to it is kept and as its failures are told.

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

/// What connections to proxies are kept under: how to get there, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) proxy: Proxy,
    /// The proxy's own, as connectors are given it.
    pub(super) target: Target,
}

/// What encrypts the stream to an `https` proxy.
pub(super) const TLS_BELOW: &str = "a `TlsLayer` below the layer of the proxy";

impl Hop {
    /// The way to a proxy that is to be asked for `target`, whose route leads to the proxy.
    pub(super) fn to(proxy: &Proxy, target: &Target) -> Self {
        Self { proxy: proxy.clone(), target: target.hop(proxy, target.route.clone()) }
    }

    /// Whether a connection leads to the proxy. One that ends before, at a proxy that forwards requests, would tell that
    /// what is meant for this one, and its credentials. One to an `https` proxy without TLS would tell them to everyone.
    pub(super) fn check(&self, info: &ConnectInfo) -> Result<(), Error> {
        info.check_encryption(&self.target.origin, TLS_BELOW)?;
        info.forwarder().map_or(Ok(()), |nearer| {
            let text = format!("{nearer} forwards requests, which is no way to the proxy {self}");
            Err(Error::builder(text))
        })
    }

    /// Starts to tell of the way through the proxy to `target`.
    pub(super) fn told(&self, target: &Target) -> Span {
        events::start(|| Step::ProxyConnect {
            proxy: self.proxy.to_string(),
            target: target.origin.authority_form(),
        })
    }

    /// What went wrong on the way to the proxy, so that nothing was heard of it. What an earlier proxy had to say is
    /// said already.
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

/// Makes connections to proxies by what makes them to targets.
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
