//! Sends a request, and waits for its response.

use std::{future::Future, task::Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower_service::Service;

use super::{
    Blocking, Body, Canceler,
    ahead::read_ahead,
    cancel::{canceled, unless_canceled},
};
use crate::{
    body::Body as AsyncBody,
    error::{BoxError, Error},
    options::MaxBody,
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
        let (over, request, max_body) = self.into_parts();
        let request = request?;
        let (service, runtime) = over.into_parts()?;
        let waiter = BlockingWait::of(&request, runtime)?;
        waiter.run(Buffering::new(service.into_inner(), Ok(request), max_body))?
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
        let (over, request, _) = self.into_parts();
        let request = request?;
        let (service, runtime) = over.into_parts()?;
        let waiter = BlockingWait::of(&request, runtime)?;
        // Also for a free function: its timers, its upload and its PINGs go on while the body is not read. Before the request
        // is sent, so that a system without threads fails it unsent.
        waiter.runtime().keep_driving()?;
        let response = waiter.run(SendRequest::new(service.into_inner(), Ok(request)))??;
        Ok(response.map(|body| Body::of_response(body, waiter)))
    }
}

/// Whether the response is read whole or streamed: [`Buffered`] or [`Streamed`].
pub trait ResponseKind: sealed::SendInBackground {
    /// The body of the response: `Bytes` or [`Body`].
    type Body: Send + 'static;
}

impl ResponseKind for Buffered {
    type Body = Bytes;
}

impl ResponseKind for Streamed {
    type Body = Body;
}

/// A service of requests that can be called in the background, as an upload is: implemented for each that can.
pub trait RequestService:
    Service<
        Request<AsyncBody>,
        Response = Response<Self::ResponseBody>,
        Error: Into<BoxError>,
        Future: Send,
    > + Send
    + 'static
{
    /// The body of its responses.
    type ResponseBody: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static;
}

impl<S, RB> RequestService for S
where
    S: Service<Request<AsyncBody>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
        + Send
        + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type ResponseBody = RB;
}

mod sealed {
    use super::*;

    /// How a request is sent in the background. Ready when the response is complete; for a streamed one, when the upload is over, or
    /// at a head other than 2xx.
    pub trait SendInBackground {
        fn send(
            service: impl RequestService,
            request: Request<AsyncBody>,
            max_body: Option<MaxBody>,
            waiter: BlockingWait,
            upload_over: impl Future<Output = ()> + Send + 'static,
        ) -> impl Future<Output = Result<Response<Self::Body>, Error>> + Send + 'static
        where
            Self: ResponseKind;
    }

    impl SendInBackground for Buffered {
        async fn send(
            service: impl RequestService,
            request: Request<AsyncBody>,
            max_body: Option<MaxBody>,
            _: BlockingWait,
            _: impl Future<Output = ()> + Send + 'static,
        ) -> Result<Response<Bytes>, Error> {
            Buffering::new(service, Ok(request), max_body).await
        }
    }

    impl SendInBackground for Streamed {
        async fn send(
            service: impl RequestService,
            request: Request<AsyncBody>,
            max_body: Option<MaxBody>,
            waiter: BlockingWait,
            upload_over: impl Future<Output = ()> + Send + 'static,
        ) -> Result<Response<Body>, Error> {
            let mut response = SendRequest::new(service, Ok(request)).await?;
            // A refusal ends the upload; after a success it goes on.
            if response.status().is_success() {
                let body = std::mem::take(response.body_mut());
                *response.body_mut() =
                    read_ahead(body, max_body.unwrap_or_default(), upload_over).await?;
            }
            Ok(response.map(|body| Body::of_response(body, waiter)))
        }
    }
}

/// Waits on the caller's thread, unless it is canceled.
#[derive(Clone, Debug)]
pub struct BlockingWait {
    runtime: BlockingRuntime,
    canceler: Option<Canceler>,
    /// Whether the request may have been sent.
    is_sent: bool,
}

impl BlockingWait {
    pub(super) fn new(runtime: BlockingRuntime) -> Self {
        Self { runtime, canceler: None, is_sent: false }
    }

    /// Waits under the request's canceler, before it is sent.
    ///
    /// # Errors
    ///
    /// If it was canceled already.
    pub(super) fn of(
        request: &Request<AsyncBody>,
        runtime: BlockingRuntime,
    ) -> Result<Self, Error> {
        let canceler: Option<Canceler> = request.extensions().get().cloned();
        match canceler.as_ref().is_some_and(Canceler::is_canceled) {
            true => Err(canceled().with_sent(false)),
            false => Ok(Self { runtime, canceler, is_sent: false }),
        }
    }

    /// From here on the errors of the wait say that the request may have been sent.
    pub(super) fn sent(self) -> Self {
        Self { is_sent: true, ..self }
    }

    pub(super) fn runtime(&self) -> &BlockingRuntime {
        &self.runtime
    }

    /// Polls a future to its end, at first without driving: what has arrived already needs no more.
    pub(super) fn run_unless_ready<F: Future + Unpin>(
        &self,
        future: &mut F,
    ) -> Result<F::Output, Error> {
        if self.canceler.is_none()
            && let Poll::Ready(output) = self.runtime.poll_once(future)
        {
            return Ok(output);
        }
        self.run(future)
    }

    /// Polls a future to its end.
    pub(super) fn run<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        let outcome = match &self.canceler {
            None => self.runtime.run(future),
            Some(canceler) => {
                self.runtime.run(unless_canceled(canceler.clone(), future)).and_then(|it| it)
            }
        };
        outcome.map_err(|error| if self.is_sent { error.sent(true) } else { error })
    }
}
