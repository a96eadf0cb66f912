//! Stands in for TLS without its features: `http` passes through, `https` is an error.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    connect::{Connect, Connected, poll_connector},
    error::{BoxError, Error},
    options::TlsIdentity,
    target::Target,
};

/// The configuration of TLS; empty without the feature `tls`.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct TlsConfig {}

/// Refuses targets that require TLS.
#[derive(Clone, Debug, Default)]
pub struct TlsLayer {}

/// A connector for `http` only.
#[derive(Clone, Debug)]
pub struct Tls<C> {
    inner: C,
}

/// The stream of a connection, unchanged.
pub type MaybeTls<I> = I;

pin_project! {
    /// The future of [`Tls`].
    ///
    /// # Cancellation
    ///
    /// Dropping it closes the connection.
    pub struct Handshaking<F, I> {
        // `None` for a refused target.
        #[pin]
        connecting: Option<F>,
        target: Target,
        bytes: PhantomData<fn() -> I>,
    }
}

impl TlsConfig {
    /// The only configuration without the feature `tls`.
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
    /// Ignores the configuration, which is empty.
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
    type Future = Handshaking<C::Future, C::Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll_connector(&mut self.inner, cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let is_plain = !target.origin.scheme().is_tls();
        let connecting = is_plain.then(|| self.inner.call(target.clone()));
        Handshaking { connecting, target, bytes: PhantomData }
    }
}

impl<F, I, E> Future for Handshaking<F, I>
where
    F: Future<Output = Result<Connected<I>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Connected<I>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let doing = || format!("connecting to {}", this.target);
        match this.connecting.as_pin_mut() {
            Some(connecting) => {
                connecting.poll(cx).map_err(|e| Error::from_connector(e.into(), doing()))
            }
            None => {
                let message = format!("{}: built without TLS, enable the feature `tls`", doing());
                Poll::Ready(Err(Error::builder(message)))
            }
        }
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsConfig(built without TLS)")
    }
}

impl<F, I> fmt::Debug for Handshaking<F, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshaking").finish_non_exhaustive()
    }
}
