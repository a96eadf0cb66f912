//! A layer of timeouts, for stacks other than a [`Transport`](crate::Transport).

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::Timeouts;

/// Sets [`Timeouts`] on every request without timeouts of its own.
///
/// The pool and connections below enforce them. It may be anywhere above the pool, and more than once: the outermost
/// wins.
///
/// ```
/// # #[cfg(all(feature = "tokio", feature = "http1"))] {
/// use std::time::Duration;
/// use tower::ServiceBuilder;
/// use tower_transport::{
///     Body, connect::TcpConnector, http::NegotiateLayer, options::{Timeouts, TimeoutsLayer},
///     pool::PoolLayer,
/// };
///
/// let stack = ServiceBuilder::new()
///     .layer(TimeoutsLayer::new(Timeouts::default().total(Duration::from_secs(60))))
///     .layer(PoolLayer::<Body>::new())
///     .layer(NegotiateLayer::new())
///     .service(TcpConnector::new());
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeoutsLayer {
    timeouts: Timeouts,
}

/// The service of a [`TimeoutsLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
///
/// # Cancellation
///
/// That of the inner service, whose future it returns.
#[derive(Clone, Copy, Debug)]
pub struct WithTimeouts<S> {
    inner: S,
    timeouts: Timeouts,
}

impl TimeoutsLayer {
    /// Sets these on requests without their own.
    pub fn new(timeouts: Timeouts) -> Self {
        Self { timeouts }
    }
}

impl<S> Layer<S> for TimeoutsLayer {
    type Service = WithTimeouts<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithTimeouts { inner, timeouts: self.timeouts }
    }
}

impl<S, B> Service<Request<B>> for WithTimeouts<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().get_or_insert(self.timeouts);
        self.inner.call(request)
    }
}
