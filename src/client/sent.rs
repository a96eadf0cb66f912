//! What was sent for a response: the request as the service below the layers was given it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Method, Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{body::Body, events::shown};

/// The request that a response is the answer to: an extension of each response of a [`Client`](super::Client).
///
/// It is the last one after redirects, with the header fields that the layers have added. Its body has gone.
#[derive(Clone)]
pub struct Sent {
    head: Arc<SentHead>,
}

struct SentHead {
    method: Method,
    url: Uri,
    headers: HeaderMap,
}

impl Sent {
    fn of(request: &Request<Body>) -> Self {
        let (method, url) = (request.method().clone(), request.uri().clone());
        Self { head: Arc::new(SentHead { method, url, headers: request.headers().clone() }) }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The URL, without a fragment.
    pub fn url(&self) -> &Uri {
        &self.head.url
    }

    /// The header fields, among them cookies and credentials. `Host` and those of the body are added further below.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }
}

impl fmt::Debug for Sent {
    /// Without the header: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({} {})", self.method(), shown(self.url()))
    }
}

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
