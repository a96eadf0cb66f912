//! Sends a request, and waits for its response.

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::{Blocking, Body, Canceler, cancel::unless_canceled};
use crate::{
    body::Body as AsyncBody,
    error::{BoxError, Error},
    request::{Buffered, Buffering, RequestBuilder, SendRequest, Streamed},
    rt::BlockingRuntime,
};

impl<S, RB> RequestBuilder<Blocking<S>, Buffered>
where
    S: Service<Request<AsyncBody>, Response = Response<RB>, Error: Into<BoxError>> + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Sends the request, and waits until its response was read to its end.
    ///
    /// # Errors
    ///
    /// Those of the async request. Beside them, nothing being sent: [`is_builder`](Error::is_builder) inside an async task,
    /// [`is_closed`](Error::is_closed) after a fork, and [`is_canceled`](Error::is_canceled) where the system gives no thread.
    pub fn send(self) -> Result<Response<Bytes>, Error> {
        let (over, request) = self.into_parts();
        let request = request?;
        let canceler = canceler_of(&request);
        let (service, runtime) = over.into_parts()?;
        let future = Buffering::new(service.into_inner(), Ok(request));
        run(&runtime, canceler, future)
    }
}

impl<S, RB> RequestBuilder<Blocking<S>, Streamed>
where
    S: Service<Request<AsyncBody>, Response = Response<RB>, Error: Into<BoxError>> + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Sends the request, and waits for the head of its response.
    ///
    /// # Errors
    ///
    /// As those of a request whose response is read to its end.
    pub fn send(self) -> Result<Response<Body>, Error> {
        let (over, request) = self.into_parts();
        let request = request?;
        let canceler = canceler_of(&request);
        let (service, runtime) = over.into_parts()?;
        let future = SendRequest::new(service.into_inner(), Ok(request));
        let response = run(&runtime, canceler.clone(), future)?;
        Ok(response.map(|body| Body::of_response(body, runtime, canceler)))
    }
}

/// The canceler of a request.
pub(super) fn canceler_of(request: &Request<AsyncBody>) -> Option<Canceler> {
    request.extensions().get().cloned()
}

/// Polls a future to its end, unless it is canceled.
pub(super) fn run<T>(
    runtime: &BlockingRuntime,
    canceler: Option<Canceler>,
    future: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match canceler {
        None => runtime.run(future)?,
        Some(canceler) => runtime.run(unless_canceled(canceler, future))??,
    }
}
