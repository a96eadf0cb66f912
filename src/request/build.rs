//! Ends of a request builder: sends it, streams it, or returns the request.

use std::{future::IntoFuture, marker::PhantomData};

use http::Request;

use super::{Buffered, RequestBuilder, Streamed};
use crate::{body::Body, error::Error, options::MaxBody};

impl<S, A> RequestBuilder<S, A> {
    /// A request that was put together elsewhere.
    pub(crate) fn of(service: S, request: Result<Request<Body>, Error>) -> Self {
        Self { service, request, max_body: None, answer: PhantomData }
    }

    /// Sets the limit of a client, for a request without its own: kept beside the request, because an extension costs
    /// allocations, and would hold for another client that sends the request.
    #[cfg(feature = "client")]
    pub(crate) fn default_max_body(self, max_body: MaxBody) -> Self {
        Self { max_body: Some(max_body), ..self }
    }

    /// The service, the request, and the limit of its response's body.
    pub(crate) fn into_parts(self) -> (S, Result<Request<Body>, Error>, Option<MaxBody>) {
        let own =
            self.request.as_ref().ok().and_then(|request| request.extensions().get().copied());
        (self.service, self.request, own.or(self.max_body))
    }

    /// The request, without sending it.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for the first mistake in any part of it.
    pub fn build(self) -> Result<Request<Body>, Error> {
        self.request
    }
}

impl<S> RequestBuilder<S, Buffered> {
    /// The response is read as it comes, without a limit to its size: `http::Response<Body>`.
    pub fn streamed(self) -> RequestBuilder<S, Streamed> {
        let Self { service, request, max_body, .. } = self;
        RequestBuilder { service, request, max_body, answer: PhantomData }
    }

    /// How many bytes the body of the response may have, decoded; `None` for any number. A longer one is an error for which
    /// [`is_decode`](Error::is_decode) holds.
    ///
    /// By default there is no limit, but for a [client](crate::client), whose limit is 64 MiB.
    pub fn max_body(self, bytes: impl Into<Option<u64>>) -> Self {
        self.extension(MaxBody::new(bytes))
    }
}

impl<S, A> RequestBuilder<S, A>
where
    Self: IntoFuture,
{
    /// Sends the request, as `await` does by itself: for functions that take futures.
    pub fn send(self) -> <Self as IntoFuture>::IntoFuture {
        self.into_future()
    }
}
