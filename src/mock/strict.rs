//! Checks the callers of a service.

use std::{
    mem,
    task::{Context, Poll, ready},
};

use tower_service::Service;

/// A service that panics if it is called without being ready, as the contract of `Service` allows.
///
/// Put it below a layer of yours: each call needs its own `poll_ready` on the same value, and a clone is not ready.
/// It implements the inner service's traits: it is a connector if that is one.
///
/// ```
/// # #[cfg(all(feature = "http1", feature = "tokio"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use tower_transport::{RequestExt, Transport, mock::{Script, ScriptedConnector, StrictService}};
///
/// let script = Script::new().expect_head().respond("HTTP/1.1 204 No Content\r\n\r\n");
/// let connector = StrictService::new(ScriptedConnector::new([script]));
/// let transport = Transport::builder().connector(connector).build()?;
/// assert_eq!(transport.request("GET", "http://api.example/").await?.status(), 204);
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "http1", feature = "tokio")))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct StrictService<S> {
    inner: S,
    is_ready: bool,
}

impl<S> StrictService<S> {
    /// Checks the calls of this service.
    pub fn new(service: S) -> Self {
        Self { inner: service, is_ready: false }
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for StrictService<S> {
    /// A clone is not ready, whatever the state of this one.
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<S: Service<R>, R> Service<R> for StrictService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.is_ready = false;
        ready!(self.inner.poll_ready(cx))?;
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    /// # Panics
    ///
    /// If `poll_ready` has not returned `Ready(Ok(()))` since the last call.
    fn call(&mut self, request: R) -> S::Future {
        let was_ready = mem::take(&mut self.is_ready);
        assert!(
            was_ready,
            "called without `poll_ready` having returned `Ready(Ok(()))` for this call"
        );
        self.inner.call(request)
    }
}
