//! Any service of requests, for callers that block.

use std::fmt;

use http::{Request, Response};
use tower_service::Service;

use super::{Body, RequestBuilder};
use crate::{
    error::{BoxError, Error},
    request::{IntoMethod, IntoUrl, Streamed},
    rt::{BlockingRuntime, Held},
    unpooled::Unpooled,
};

/// A service of requests, for callers that block: a stack of layers, a pool, a double in a test.
///
/// [`Transport`](super::Transport) and `Client` wrap one.
///
/// ```
/// # #[cfg(all(feature = "http1", feature = "tokio"))]
/// # fn example() -> Result<(), tower_transport::Error> {
/// use tower::ServiceBuilder;
/// use tower_transport::{
///     blocking::Blocking, connect::TcpConnector, http::NegotiateLayer, pool::PoolLayer,
/// };
///
/// let stack = ServiceBuilder::new()
///     .layer(PoolLayer::new())
///     .layer(NegotiateLayer::new())
///     .service(TcpConnector::new());
/// let response = Blocking::new(stack).request("GET", "http://www.example.com/").send()?;
/// # Ok(())
/// # }
/// ```
pub struct Blocking<S> {
    service: Held<S>,
    /// `Err` if the system could not give a runtime.
    runtime: Result<BlockingRuntime, Error>,
    /// Whether connections live on between requests.
    is_pooled: bool,
}

impl<S> Blocking<S> {
    /// Lets callers block on requests over this service. Its connections are those of this module's runtime, so
    /// the service must not have open connections yet.
    pub fn new(service: S) -> Self {
        let runtime = BlockingRuntime::get();
        let service = Held::new(service, runtime.as_ref().ok().cloned());
        Self { service, runtime, is_pooled: true }
    }

    /// The same with a service that is made inside of this module's runtime, for layers that spawn a task when they are made.
    ///
    /// ```
    /// # #[cfg(all(feature = "http1", feature = "tokio"))]
    /// # fn example() -> Result<(), tower_transport::Error> {
    /// use tower::buffer::Buffer;
    /// use tower_transport::{Transport, blocking::Blocking};
    ///
    /// let buffered = Blocking::make(|| Buffer::new(Transport::new(), 100));
    /// buffered.request("GET", "https://www.example.com/").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn make(make: impl FnOnce() -> S) -> Self {
        // Held until the service has a handle of its own: its tasks would end with the last.
        let runtime = BlockingRuntime::get();
        let service = match &runtime {
            Ok(runtime) => runtime.inside(make),
            Err(_) => make(),
        };
        let made = Self::new(service);
        drop(runtime);
        made
    }

    /// Starts a request whose response is read to its end: `http::Response<Bytes>`.
    pub fn request(&self, method: impl IntoMethod, url: impl IntoUrl) -> RequestBuilder<S>
    where
        S: Clone,
    {
        RequestBuilder::new(self.clone(), method, url)
    }

    /// Starts a request whose response is streamed: `http::Response<blocking::Body>`.
    pub fn stream(&self, method: impl IntoMethod, url: impl IntoUrl) -> RequestBuilder<S, Streamed>
    where
        S: Clone,
    {
        RequestBuilder::new(self.clone(), method, url)
    }

    /// Sends a request that is complete already, and streams the response.
    ///
    /// # Errors
    ///
    /// As those of [`stream`](Self::stream).
    pub fn send<B, RB>(&self, request: Request<B>) -> Result<Response<Body>, Error>
    where
        B: Into<crate::body::Body>,
        S: Service<Request<crate::body::Body>, Response = Response<RB>, Error: Into<BoxError>>
            + Clone
            + 'static,
        RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        RequestBuilder::<S, Streamed>::of(self.clone(), Ok(request.map(Into::into))).send()
    }

    /// The service.
    pub fn service(&self) -> &S {
        self.service.get()
    }

    /// The runtime.
    ///
    /// # Errors
    ///
    /// The error of making it.
    pub(super) fn runtime(&self) -> Result<&BlockingRuntime, Error> {
        self.runtime.as_ref().map_err(Error::clone)
    }

    /// The service and its runtime, to send one request.
    pub(super) fn into_parts(self) -> Result<(Held<S>, BlockingRuntime), Error> {
        let runtime = self.runtime?;
        if self.is_pooled {
            runtime.keep_driving()?;
        }
        Ok((self.service, runtime))
    }
}

impl Blocking<Unpooled> {
    pub(super) fn unpooled() -> Self {
        let mut unpooled = Self::new(Unpooled);
        unpooled.is_pooled = false;
        unpooled
    }
}

impl<S: Clone> Clone for Blocking<S> {
    fn clone(&self) -> Self {
        let service = self.service.get().clone();
        Self {
            service: Held::new(service, self.service.runtime().cloned()),
            runtime: self.runtime.clone(),
            is_pooled: self.is_pooled,
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Blocking<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(self.service.get()).finish()
    }
}
