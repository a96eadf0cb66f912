//! Puts on each response what was sent for it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

pub use crate::request::Sent;

use crate::body::Body;

/// The innermost part of a [`Client`](super::Client): puts [`Sent`] on each response.
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct RecordSent<S> {
    inner: S,
}

impl<S> RecordSent<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

pin_project! {
    /// The future of [`RecordSent`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service.
    pub struct RecordingSent<F> {
        #[pin]
        future: F,
        sent: Option<Sent>,
    }
}

impl<S, RB> Service<Request<Body>> for RecordSent<S>
where
    S: Service<Request<Body>, Response = Response<RB>>,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = RecordingSent<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let sent = Some(Sent::of(&request));
        RecordingSent { future: self.inner.call(request), sent }
    }
}

impl<F, RB, E> Future for RecordingSent<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut outcome = ready!(this.future.poll(cx));
        if let (Ok(response), Some(sent)) = (&mut outcome, this.sent.take()) {
            response.extensions_mut().insert(sent);
        }
        Poll::Ready(outcome)
    }
}

impl<S> fmt::Debug for RecordSent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSent").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for RecordingSent<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSent").finish_non_exhaustive()
    }
}
