//! Ends a request at a moment, whatever is done within it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response, Uri};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::failing::{failed, not_ready};
use crate::{
    body::Body,
    error::{BoxError, Error, ForeignError, Kind, Phase},
    events::shown,
    options::{Deadline, Timeouts, TotalTimeout},
    request::described,
    rt::{Runtime, Sleep},
};

/// Limits the time of a request over all its redirects, tries, pauses and challenges, to the end of the last body.
///
/// ```
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::time::Duration;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_transport::{Body, RequestExt, client::DeadlineLayer};
///
/// let slow = service_fn(|_: Request<Body>| async {
///     tokio::time::sleep(Duration::from_secs(60)).await;
///     Ok::<_, std::io::Error>(Response::new(Full::<Bytes>::default()))
/// });
/// let client = ServiceBuilder::new().layer(DeadlineLayer::new(Duration::from_secs(30))).service(slow);
/// assert!(client.request("GET", "http://a.example/").await.unwrap_err().is_timeout());
/// # Ok(())
/// # }
/// ```
///
/// The time is the shortest of its own, that of the [total](Timeouts::total) of the request's [`Timeouts`], its
/// [`TotalTimeout`], and an outer [`Deadline`]; what stands below finds it as a [`Deadline`], so that no try is begun which would end too late. The body of
/// the response is as the service below returns it: a pool of this crate ends it in time, another service may not.
///
/// It belongs above all layers that send a request more than once. The error is a timeout of the phase
/// [`Total`](Phase::Total). A time of zero sends nothing.
#[derive(Clone)]
pub struct DeadlineLayer {
    limit: Option<Duration>,
    runtime: Runtime,
}

/// The service of a [`DeadlineLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct WithDeadline<S> {
    inner: S,
    limit: Option<Duration>,
    runtime: Runtime,
}

impl DeadlineLayer {
    /// Limits each request to this time; `None` leaves it to the request.
    pub fn new(limit: impl Into<Option<Duration>>) -> Self {
        Self { limit: limit.into(), runtime: Runtime::default() }
    }

    /// Sets the clock. By default it is that of [`Runtime::default`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> WithDeadline<S> {
        WithDeadline { inner, limit: self.limit, runtime: self.runtime.clone() }
    }
}

impl<S> WithDeadline<S> {
    /// Sets the deadline of a request, if there is one.
    fn set(&self, request: &mut Request<Body>) -> Option<Box<Running>> {
        let extensions = request.extensions();
        if self.limit.is_none() && extensions.is_empty() {
            return None;
        }
        let asked = extensions.get::<Timeouts>().and_then(|timeouts| timeouts.total);
        let outer = extensions.get::<Deadline>().copied();
        let beside = extensions.get().copied().and_then(TotalTimeout::limit);
        let limit = self.limit.into_iter().chain(asked).chain(beside).min();
        if limit.is_none() && outer.is_none() {
            return None;
        }
        let now = self.runtime.now();
        let own = limit.and_then(|limit| Deadline::after(limit, now));
        let deadline = own.map(|own| own.within(outer)).or(outer)?;
        request.extensions_mut().insert(deadline);
        let is_over = deadline.left(now).is_zero();
        let (limit, uri) = (deadline.limit(now), request.uri().clone());
        let runtime = self.runtime.clone();
        Some(Box::new(Running { deadline, limit, uri, is_over, timer: None, runtime }))
    }
}

/// The time of one request.
struct Running {
    deadline: Deadline,
    limit: Duration,
    uri: Uri,
    is_over: bool,
    /// Set once there is something to wait for.
    timer: Option<Sleep>,
    runtime: Runtime,
}

pin_project! {
    /// The future of a [`WithDeadline`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service.
    #[must_use = "futures do nothing unless polled"]
    pub struct UntilDeadline<F> {
        // `None` once it has answered or the time is over.
        #[pin]
        response: Option<F>,
        // Boxed: most requests have none.
        running: Option<Box<Running>>,
    }
}

impl<S, RB> Service<Request<Body>> for WithDeadline<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
{
    type Response = Response<RB>;
    type Error = Error;
    type Future = UntilDeadline<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Body>) -> UntilDeadline<S::Future> {
        let running = self.set(&mut request);
        if running.as_ref().is_some_and(|running| running.is_over) {
            return UntilDeadline { response: None, running };
        }
        UntilDeadline { response: Some(self.inner.call(request)), running }
    }
}

impl<F, RB, E> Future for UntilDeadline<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<RB>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The service first: it may know whether the request was sent when its time is over.
        if let Some(response) = this.response.as_mut().as_pin_mut() {
            let polled = response.poll(cx);
            if polled.is_ready() {
                this.response.set(None);
                // Taken after an answer as well: nothing is left to wait for.
                let running = this.running.take();
                return polled.map_err(|error| match running {
                    Some(running) => described(error.into(), ForeignError::LAYER, &running.uri),
                    None => failed(error, ForeignError::LAYER),
                });
            }
        }
        let was_called = this.response.is_some();
        let Some(running) = this.running else {
            return if was_called {
                Poll::Pending
            } else {
                Poll::Ready(Err(Error::polled_again()))
            };
        };
        let error = ready!(running.poll(was_called, cx));
        *this.running = None;
        this.response.set(None);
        Poll::Ready(Err(error))
    }
}

impl Running {
    /// The error when the time is over.
    fn poll(&mut self, was_called: bool, cx: &mut Context<'_>) -> Poll<Error> {
        if !self.is_over {
            let left = || self.deadline.left(self.runtime.now());
            let timer = self.timer.get_or_insert_with(|| self.runtime.sleep(left()));
            ready!(Pin::new(timer).poll(cx));
        }
        let doing = format!("waiting for the answer to a request for {}", shown(&self.uri));
        let error = Error::timed_out(Phase::Total, self.limit, doing);
        Poll::Ready(match was_called {
            false => error,
            // What the service has done with the request is not known.
            true => Error::custom(Kind::Timeout(Phase::Total), error.to_string()),
        })
    }
}

impl fmt::Debug for DeadlineLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeadlineLayer").field(&self.limit).finish()
    }
}

impl<S> fmt::Debug for WithDeadline<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithDeadline").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for UntilDeadline<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilDeadline").finish_non_exhaustive()
    }
}
