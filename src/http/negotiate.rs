//! Chooses the version of a new connection: a layer below a pool and above a connector.

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::Version;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    connect::{Connect, ConnectInfo, Connected, poll_connector},
    error::{BoxError, Error, Kind, ProxyFault},
    events::{self, Step},
    http::{http1::Http1Config, http2::Http2Config},
    io::Io,
    options::Protocols,
    rt::Runtime,
    target::Target,
};

use super::connection::HttpConnection;

/// Makes a [`Negotiate`] from a connector. `B` is the body of the requests, usually inferred.
pub struct NegotiateLayer<B> {
    config: Config,
    request: PhantomData<fn(B)>,
}

/// A service of [`Target`]s that returns [`HttpConnection`]s.
///
/// # Errors
///
/// [`is_builder`](Error::is_builder) for a target that needs an encrypted stream over one that is
/// [not](ConnectInfo::is_encrypted), and for HTTP/2 that has to be negotiated without TLS; [`is_tls`](Error::is_tls) for a
/// server that chose a protocol that was not offered. Errors of the connector pass through.
pub struct Negotiate<C, B> {
    inner: C,
    config: Config,
    request: PhantomData<fn(B)>,
}

#[derive(Clone, Debug, Default)]
struct Config {
    http1: Http1Config,
    http2: Http2Config,
    runtime: Runtime,
    /// What would encrypt the stream, for the error of one that is not.
    encrypting: Option<&'static str>,
}

impl<B> NegotiateLayer<B> {
    /// Both versions with their defaults.
    pub fn new() -> Self {
        Self { config: Config::default(), request: PhantomData }
    }

    /// Configures HTTP/1.1 connections.
    pub fn http1(mut self, config: Http1Config) -> Self {
        self.config.http1 = config;
        self
    }

    /// Configures HTTP/2 connections.
    pub fn http2(mut self, config: Http2Config) -> Self {
        self.config.http2 = config;
        self
    }

    /// For proxy connections that carry tunnels. `encrypting` names what encrypts those to `https` proxies.
    pub(crate) fn for_tunnels(mut self, encrypting: &'static str) -> Self {
        self.config.http2 = self.config.http2.for_tunnels();
        self.config.encrypting = Some(encrypting);
        self
    }

    /// Sets the runtime of the connections' tasks: tokio, unless the crate is built without it.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.config.runtime = runtime;
        self
    }
}

impl<B> NegotiateLayer<B> {
    /// Requires each setting of both versions to be in its range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.config.check()
    }
}

impl Config {
    fn check(&self) -> Result<(), Error> {
        self.http1.check()?;
        self.http2.check()
    }
}

impl<C, B> Layer<C> for NegotiateLayer<B> {
    type Service = Negotiate<C, B>;

    fn layer(&self, inner: C) -> Negotiate<C, B> {
        Negotiate { inner, config: self.config.clone(), request: PhantomData }
    }
}

impl<C, B> Service<Target> for Negotiate<C, B>
where
    C: Connect<Target>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = HttpConnection<B>;
    type Error = Error;
    type Future = Negotiating<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Negotiating<B> {
        let begun = self.check(&target);
        let begun = begun.map(|()| (self.inner.call(target.clone()), self.config.clone()));
        Negotiating {
            future: Box::pin(async move {
                let (connecting, config) = begun?;
                let connected = connecting.await.map_err(|error| failed(error.into(), &target))?;
                open(connected, &target, &config).await
            }),
        }
    }
}

impl<C, B> Negotiate<C, B>
where
    C: Connect<Target>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Like [`call`](Service::call), without the box of its future.
    pub(crate) async fn negotiate(&mut self, target: Target) -> Result<HttpConnection<B>, Error> {
        self.check(&target)?;
        // Awaited in place: a future in a variable would take its space twice.
        let connected = self.inner.call(target.clone()).await;
        let connected = connected.map_err(|error| failed(error.into(), &target))?;
        open(connected, &target, &self.config).await
    }

    fn check(&self, target: &Target) -> Result<(), Error> {
        self.config.check()?;
        check_target(target)
    }
}

fn failed(error: BoxError, target: &Target) -> Error {
    Error::from_connector(error, format!("connecting to {target}"))
}

async fn open<I, B>(
    connected: Connected<I>,
    target: &Target,
    config: &Config,
) -> Result<HttpConnection<B>, Error>
where
    I: Io,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let protocol = protocol_over(&connected.info, target, config)?;
    let span = events::start(|| Step::HttpHandshake { version: protocol.into() });
    let Config { http1, http2, runtime, .. } = config;
    let outcome = match protocol {
        Protocol::Http1 => HttpConnection::http1(connected, target, http1, runtime),
        // Boxed: HTTP/1.1 should not pay for its kilobyte.
        Protocol::Http2 => Box::pin(HttpConnection::http2(connected, target, http2, runtime)).await,
    };
    span.finish(&outcome, |_, _| ());
    outcome
}

/// The future of [`Negotiate`].
///
/// # Cancellation
///
/// Dropping it closes what was opened.
pub struct Negotiating<B> {
    future: Pin<Box<dyn Future<Output = Result<HttpConnection<B>, Error>> + Send>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Rejects targets that no connection can serve, before connecting.
fn check_target(target: &Target) -> Result<(), Error> {
    if target.protocols == Protocols::Http2Only && !target.origin.scheme().is_tls() {
        let text = format!("{target} is to speak HTTP/2, which needs TLS or prior knowledge");
        return Err(Error::builder(text));
    }
    Ok(())
}

/// The protocol of a stream, if its encryption suffices.
fn protocol_over(info: &ConnectInfo, target: &Target, config: &Config) -> Result<Protocol, Error> {
    let layer = config.encrypting.unwrap_or("a `TlsLayer` right below the `NegotiateLayer`");
    info.check_encryption(&target.origin, layer)?;
    protocol(target, info)
}

impl From<Protocol> for Version {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http1 => Self::HTTP_11,
            Protocol::Http2 => Self::HTTP_2,
        }
    }
}

/// The protocol of the peer: the origin, or the forward proxy.
fn protocol(target: &Target, info: &ConnectInfo) -> Result<Protocol, Error> {
    let Some(proxy) = info.forwarder() else {
        let spoken = decide(target.protocols, info.alpn());
        return spoken.map_err(|what| {
            Error::new(Kind::Tls, format!("negotiating with {target}: the server {what}"))
        });
    };
    let spoken = decide(proxy.forwarding_protocols(target.protocols)?, info.alpn());
    spoken.map_err(|what| {
        let text = format!("negotiating with the proxy {proxy}: it {what}");
        Error::new(Kind::Tls, text).by_proxy(ProxyFault::Failed)
    })
}

/// The protocol, given the allowed ones and ALPN's choice; or how the peer violated them.
fn decide(allowed: Protocols, alpn: Option<&[u8]>) -> Result<Protocol, Cow<'static, str>> {
    use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
    match (allowed, alpn) {
        (Http2PriorKnowledge, None | Some(b"h2")) => Ok(Protocol::Http2),
        (Http2Only | Negotiated, Some(b"h2")) => Ok(Protocol::Http2),
        (Http1Only | Negotiated, None | Some(b"http/1.1")) => Ok(Protocol::Http1),
        (Http2Only, None) => Err("does not speak HTTP/2".into()),
        (_, Some(other)) => {
            let other = String::from_utf8_lossy(other);
            Err(format!("chose `{other}`, which was not offered").into())
        }
    }
}

impl<B> Default for NegotiateLayer<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for NegotiateLayer<B> {
    fn clone(&self) -> Self {
        Self { config: self.config.clone(), request: PhantomData }
    }
}

impl<C: Clone, B> Clone for Negotiate<C, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), config: self.config.clone(), request: PhantomData }
    }
}

impl<B> Future for Negotiating<B> {
    type Output = Result<HttpConnection<B>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<B> fmt::Debug for NegotiateLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegotiateLayer").field("config", &self.config).finish()
    }
}

impl<C: fmt::Debug, B> fmt::Debug for Negotiate<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiate").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<B> fmt::Debug for Negotiating<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiating").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::target::{Origin, Proxy};

    #[test]
    fn the_protocol_is_what_is_allowed_and_agreed_on() {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
        let (h2, h1, odd) = (Some(&b"h2"[..]), Some(&b"http/1.1"[..]), Some(&b"spdy/3"[..]));
        // allowed, ALPN → spoken
        let table = [
            (Negotiated, h2, Some(Protocol::Http2)),
            (Negotiated, h1, Some(Protocol::Http1)),
            (Negotiated, None, Some(Protocol::Http1)),
            (Negotiated, odd, None),
            (Http1Only, h2, None),
            (Http1Only, h1, Some(Protocol::Http1)),
            (Http1Only, None, Some(Protocol::Http1)),
            (Http2Only, h2, Some(Protocol::Http2)),
            (Http2Only, h1, None),
            (Http2Only, None, None),
            (Http2PriorKnowledge, h2, Some(Protocol::Http2)),
            (Http2PriorKnowledge, None, Some(Protocol::Http2)),
        ];
        for (protocols, alpn, spoken) in table {
            assert_eq!(decide(protocols, alpn).ok(), spoken, "{protocols:?} {alpn:?}");
        }
    }

    #[test]
    fn a_proxy_that_forwards_is_spoken_with_as_it_is_said_of_it() {
        use Protocols::{Http1Only, Http2Only, Http2PriorKnowledge, Negotiated};
        let (h2, none) = (Some(&b"h2"[..]), None);
        // allowed to the target, said of the proxy, ALPN of the hop → spoken
        let table = [
            (Negotiated, Negotiated, none, Some(Protocol::Http1)),
            (Negotiated, Negotiated, h2, Some(Protocol::Http2)),
            (Negotiated, Http2PriorKnowledge, none, Some(Protocol::Http2)),
            (Negotiated, Http2Only, none, None),
            (Negotiated, Http1Only, h2, None),
            (Http1Only, Negotiated, none, Some(Protocol::Http1)),
            (Http1Only, Negotiated, h2, None),
            (Http1Only, Http2Only, h2, None),
            (Http1Only, Http2PriorKnowledge, none, None),
        ];
        for (allowed, said, alpn, spoken) in table {
            let mut target = Target::new(Origin::try_from(&"http://a/".parse().unwrap()).unwrap());
            target.protocols = allowed;
            let proxy = Proxy::new("https://proxy.example").unwrap().protocols(said);
            let alpn = alpn.map(Bytes::from_static);
            let info = ConnectInfo::default().with_alpn(alpn).with_forwarder(proxy);
            let outcome = protocol(&target, &info);
            assert_eq!(outcome.as_ref().ok(), spoken.as_ref(), "{allowed:?} {said:?}");
            assert!(outcome.err().is_none_or(|error| error.is_proxy() || error.is_unsupported()));
        }
    }

    #[test]
    fn http2_that_must_be_negotiated_needs_tls() {
        let mut target = Target::new(Origin::try_from(&"http://a/".parse().unwrap()).unwrap());
        target.protocols = Protocols::Http2Only;
        assert!(check_target(&target).unwrap_err().is_builder());
    }
}
