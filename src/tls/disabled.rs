//! TLS where it was not built in: `http` passes through, `https` is a clear error.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower_layer::Layer;
use tower_service::Service;

use crate::{
    connect::{Connect, Connected, poll_connector},
    error::Error,
    options::TlsIdentity,
    target::Target,
};

/// Whom TLS would trust: nobody, without the feature `tls`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TlsConfig {}

/// Refuses the targets that want TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsLayer {}

/// A connector for `http` alone.
#[derive(Clone, Debug)]
pub struct Tls<C> {
    inner: C,
}

/// The bytes of a connection, which are as they came.
pub type MaybeTls<I> = I;

/// The future of a connection by [`Tls`].
///
/// # Cancellation
///
/// Dropping it closes the connection.
pub struct Handshaking<I> {
    connecting: Connecting<I>,
}

type Connecting<I> = Pin<Box<dyn Future<Output = Result<Connected<I>, Error>> + Send>>;

impl TlsConfig {
    /// The default, and all there is without the feature `tls`.
    pub fn platform() -> Self {
        Self {}
    }
}

impl TlsConfig {
    pub(crate) fn for_proxies(&self) -> Self {
        self.clone()
    }
}

impl From<TlsConfig> for TlsIdentity {
    fn from(_: TlsConfig) -> Self {
        Self::new(Arc::new(()))
    }
}

impl TlsLayer {
    /// No TLS by any configuration.
    pub fn new(_: TlsConfig) -> Self {
        Self {}
    }
}

impl<C> Layer<C> for TlsLayer {
    type Service = Tls<C>;

    fn layer(&self, inner: C) -> Tls<C> {
        Tls { inner }
    }
}

impl<C: Connect<Target>> Service<Target> for Tls<C> {
    type Response = Connected<C::Io>;
    type Error = Error;
    type Future = Handshaking<C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Handshaking<C::Io> {
        if target.origin.scheme().is_tls() {
            let message =
                format!("connecting to {target}: built without TLS, enable the feature `tls`");
            return Handshaking {
                connecting: Box::pin(std::future::ready(Err(Error::builder(message)))),
            };
        }
        let connecting = self.inner.call(target.clone());
        let doing = format!("connecting to {target}");
        let connecting =
            async move { connecting.await.map_err(|e| Error::from_connector(e.into(), doing)) };
        Handshaking { connecting: Box::pin(connecting) }
    }
}

impl<I> Future for Handshaking<I> {
    type Output = Result<Connected<I>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.connecting.as_mut().poll(cx)
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConfig(built without TLS)")
    }
}

impl<I> fmt::Debug for Handshaking<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshaking").finish_non_exhaustive()
    }
}
