//! TLS: a handshake over the stream of any connector, for targets that require it.
//!
//! [`TlsLayer`] goes over any connector: TCP, a Unix socket, a tunnel, or TLS again. `https` targets get a handshake
//! by rustls (RFC 8446), `http` targets pass through. The target alone decides what is sent and verified:
//!
//! | field of the target | use |
//! |---|---|
//! | `server_name`, or the host of the origin | the name sent (RFC 6066 §3) and verified (RFC 9110 §4.3.4); an address is verified and not sent |
//! | `protocols` | the ALPN offer (RFC 7301): `h2` and `http/1.1`, or one of them, as far as their features are on |
//!
//! A server may choose none of the protocols offered, and must not choose another. The result of the handshake is on
//! the [`ConnectInfo`].
//!
//! # What the first handshake costs
//!
//! With aws-lc-rs, the provider of the feature `tls`, the first handshake of a process takes about 30 ms more CPU
//! than later ones: aws-lc collects entropy from the jitter of the CPU before its first random number. Without a
//! handshake, or with `http` only, nothing of it is spent, and no setting at run time avoids it. For a process that
//! sends one request, such as a script, use the feature `ring` without `tls`, which starts in about 1 ms; or build
//! with `AWS_LC_SYS_NO_JITTER_ENTROPY=1` in the environment, which leaves out that source of entropy and relies on
//! the operating system's alone.
//!
//! ```
//! use tower_layer::Layer;
//! use tower_transport::{connect::Connect, target::Target, tls::{Tls, TlsConfig, TlsLayer}};
//!
//! /// Over any connector:
//! fn private<C: Connect<Target>>(connector: C) -> Tls<C> {
//!     TlsLayer::new(TlsConfig::platform()).layer(connector)
//! }
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use pin_project_lite::pin_project;
use rustls::{ClientConnection, ProtocolVersion, pki_types};
use tokio_rustls::TlsConnector;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    connect::{Connect, ConnectInfo, Connected, poll_connector},
    error::{BoxError, Error},
    events::{self, Step},
    io::{
        Io,
        counted::Counted,
        direct::{DirectIo, DirectReader},
    },
    target::Target,
};

mod any_certificate;
mod config;
mod failure;
#[cfg(not(target_os = "android"))]
mod platform;
#[cfg(target_os = "android")]
#[path = "tls/platform_android.rs"]
mod platform;
mod provider;
mod stream;

pub use config::TlsConfig;
pub use stream::MaybeTls;

/// Adds TLS over a connector.
#[derive(Clone, Debug, Default)]
pub struct TlsLayer {
    config: TlsConfig,
}

/// A connector that encrypts the stream where the target requires it.
#[derive(Clone, Debug)]
pub struct Tls<C> {
    inner: C,
    config: TlsConfig,
}

pin_project! {
    /// The future of [`Tls`]: the inner connector's, then the handshake.
    ///
    /// # Cancellation
    ///
    /// Dropping it closes the connection.
    pub struct Handshaking<F, I> {
        #[pin]
        stage: HandshakeStage<F, I>,
    }
}

pin_project! {
    #[project = HandshakeStageProj]
    enum HandshakeStage<F, I> {
        Connecting { #[pin] connecting: F, target: Target, config: TlsConfig },
        // Boxed: it takes several kilobytes, which a plain stream does not need.
        Handshake { handshake: Handshake<I> },
    }
}

type Handshake<I> = Pin<Box<dyn Future<Output = Result<Connected<MaybeTls<I>>, Error>> + Send>>;

impl TlsLayer {
    /// Uses this configuration.
    pub fn new(config: TlsConfig) -> Self {
        Self { config }
    }
}

impl<C> Layer<C> for TlsLayer {
    type Service = Tls<C>;

    fn layer(&self, inner: C) -> Tls<C> {
        Tls { inner, config: self.config.clone() }
    }
}

impl<C: Connect<Target>> Service<Target> for Tls<C> {
    type Response = Connected<MaybeTls<C::Io>>;
    type Error = Error;
    type Future = Handshaking<C::Future, C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = self.inner.call(target.clone());
        let config = self.config.clone();
        Handshaking { stage: HandshakeStage::Connecting { connecting, target, config } }
    }
}

/// A handshake within its `tls.handshake` span.
async fn handshake_with_span<I>(
    target: &Target,
    handshake: impl Future<Output = Result<Connected<I>, Error>>,
) -> Result<Connected<I>, Error> {
    let name = || verified_name(target).to_owned();
    let span =
        events::start(|| Step::TlsHandshake { server_name: name(), version: None, alpn: None });
    let outcome = handshake.await;
    span.finish(&outcome, |step, connected| {
        let (version, alpn) = (connected.info.tls_version(), connected.info.alpn());
        let alpn = alpn.map(|alpn| String::from_utf8_lossy(alpn).into_owned());
        *step = Step::TlsHandshake { server_name: name(), version, alpn };
    });
    outcome
}

async fn handshake<I: Io>(
    connected: Connected<I>,
    target: &Target,
    config: &TlsConfig,
) -> Result<Connected<MaybeTls<I>>, Error> {
    let name = verified_name(target);
    let server_name = pki_types::ServerName::try_from(name.to_owned()).map_err(|error| {
        Error::builder(format!("`{name}` is not a name that TLS can verify")).because(error)
    })?;
    let connector = TlsConnector::from(config.for_target(target)?);
    let Connected { io, info } = connected;
    let io = Counted::new(DirectIo::new(io, info.reader()), info.write_count());
    let info = info.with_write_count(io.count().clone());
    let stream = connector
        .connect(server_name, io)
        .await
        .map_err(|error| failure::described(error, target))?;
    let info = described(info, name, stream.get_ref().1);
    let info = info.with_reader(DirectReader::of::<MaybeTls<I>>());
    Ok(Connected { io: MaybeTls::private(stream, target.clone()), info })
}

fn plain<I: Io>(Connected { io, info }: Connected<I>) -> Connected<MaybeTls<I>> {
    let io = MaybeTls::plain(io, info.reader());
    Connected { io, info: info.with_reader(DirectReader::of::<MaybeTls<I>>()) }
}

/// The name without the trailing dot of an absolute name, which certificates omit (RFC 6066 §3), and without the zone
/// of an address.
fn verified_name(target: &Target) -> &str {
    let name = target.server_name.as_ref().map_or(target.origin.host(), |name| name.as_str());
    let name = name.strip_suffix('.').unwrap_or(name);
    name.split_once("%25").map_or(name, |(address, _zone)| address)
}

fn described(info: ConnectInfo, name: &str, session: &ClientConnection) -> ConnectInfo {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
        Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
        other => other.and_then(|version| version.as_str()),
    };
    let chain = session.peer_certificates().unwrap_or_default();
    let chain = chain.iter().map(|certificate| Bytes::copy_from_slice(certificate)).collect();
    info.with_tls(version, name, chain)
        .with_alpn(session.alpn_protocol().map(Bytes::copy_from_slice))
}

impl<F, I, E> Future for Handshaking<F, I>
where
    F: Future<Output = Result<Connected<I>, E>>,
    I: Io,
    E: Into<BoxError>,
{
    type Output = Result<Connected<MaybeTls<I>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        let (connecting, target, config) = match stage.as_mut().project() {
            HandshakeStageProj::Connecting { connecting, target, config } => {
                (connecting, target, config)
            }
            HandshakeStageProj::Handshake { handshake } => return handshake.as_mut().poll(cx),
        };
        let connected = ready!(connecting.poll(cx))
            .map_err(|e| Error::from_connector(e.into(), format!("connecting to {target}")))?;
        if !target.origin.scheme().is_tls() || connected.info.stands_for_tls() {
            return Poll::Ready(Ok(plain(connected)));
        }
        let (target, config) = (target.clone(), config.clone());
        let mut handshake: Handshake<I> = Box::pin(async move {
            handshake_with_span(&target, handshake(connected, &target, &config)).await
        });
        let outcome = handshake.as_mut().poll(cx);
        stage.set(HandshakeStage::Handshake { handshake });
        outcome
    }
}

impl<F, I> fmt::Debug for Handshaking<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshaking").finish_non_exhaustive()
    }
}
