//! The whole client, for callers that block.

use std::fmt;

use http::{Method, Request};

use super::{Blocking, RequestBuilder, Transport};
use crate::{
    body::Body as AsyncBody,
    client::{Client as AsyncClient, ClientBuilder},
    error::Error,
    request::{IntoMethod, IntoUrl, Streamed},
    transport::Transport as AsyncTransport,
};

/// A whole HTTP client, for callers that block: the twin of [`Client`](crate::Client).
///
/// ```no_run
/// use tower_transport::{ResponseExt, blocking::Client};
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let client = Client::new();
/// let response = client.get("https://www.example.com/").query(&[("page", "1")]).send()?;
/// println!("{} {}", response.status(), response.error_for_status()?.text());
/// # Ok(())
/// # }
/// ```
///
/// `Client` has the same defaults, layers and settings, and may be used by any number of threads at once: clones share connections
/// and cookies. [`ResponseExt`](crate::ResponseExt) reads its responses; those that are streamed are read by
/// [`blocking::StreamedResponseExt`](super::StreamedResponseExt), and are `Read`.
///
/// [`Client::over`] makes one over a router, a double in a test, or any other service of requests:
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_transport::{ResponseExt, blocking::Client};
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let client = Client::over(Router::new().route("/", get(|| async { "hello" })));
/// assert_eq!(client.get("http://any.example/").send()?.text(), "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client<S = AsyncTransport> {
    over: Blocking<AsyncClient<S>>,
}

impl Client {
    /// Makes a client with the defaults of [`Client::new`](crate::Client::new).
    pub fn new() -> Self {
        Self { over: Blocking::new(AsyncClient::new()) }
    }

    /// Starts a builder; each setting has a default.
    pub fn builder() -> ClientBuilder<Self> {
        ClientBuilder::new()
    }

    /// Refuses further requests and waits until those in progress have finished: see [`Transport::close`]. Returns whether all
    /// finished.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) inside an async task, and [`is_closed`](Error::is_closed) after a fork.
    pub fn close(&self) -> Result<bool, Error> {
        self.over.runtime()?.run(self.over.service().close())
    }
}

impl<S> Client<S> {
    /// The layers, with their defaults, over any service of requests.
    pub fn over(service: S) -> Self
    where
        S: Clone,
    {
        Self { over: Blocking::new(AsyncClient::over(service)) }
    }

    /// The service below the layers.
    pub fn service(&self) -> &S {
        self.over.service().service()
    }

    /// The jar that cookies are kept in: to look at them, and to set some. `None` with a store of your own, or with none.
    #[cfg(feature = "cookies")]
    pub fn cookies(&self) -> Option<&crate::client::Jar> {
        self.over.service().cookies()
    }
}

/// Each a request whose response is read whole, and which is sent by `send`.
///
/// A URL may be a path where there is a [base](ClientBuilder::base_url).
impl<S: Clone> Client<S> {
    /// A `GET` request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::GET, url)
    }

    /// A `HEAD` request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::HEAD, url)
    }

    /// An `OPTIONS` request.
    pub fn options(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::OPTIONS, url)
    }

    /// A `POST` request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::POST, url)
    }

    /// A `PUT` request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::PUT, url)
    }

    /// A `PATCH` request.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE` request.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder<AsyncClient<S>> {
        self.request(Method::DELETE, url)
    }

    /// A request of any method.
    pub fn request(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<AsyncClient<S>> {
        self.start(self.over.service().start(method, url))
    }

    /// A request whose response is read as it comes, without a limit to its size, but for what comes before the end of an upload.
    pub fn stream(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<AsyncClient<S>, Streamed> {
        self.start(self.over.service().start(method, url))
    }

    /// A request that was put together elsewhere. Its own settings take precedence. The response is read whole, unless the request is
    /// `streamed()`.
    pub fn send(&self, request: Request<impl Into<AsyncBody>>) -> RequestBuilder<AsyncClient<S>> {
        self.start(Ok(request.map(Into::into)))
    }

    fn start<A>(
        &self,
        request: Result<Request<AsyncBody>, Error>,
    ) -> RequestBuilder<AsyncClient<S>, A> {
        let max_body = self.over.service().max_body();
        RequestBuilder::of(self.over.clone(), request).default_max_body(max_body)
    }

    /// The request with what the client adds before its redirects: see [`Client::prepare`](crate::Client::prepare).
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a URL that is not https where nothing else is allowed.
    pub fn prepare(
        &self,
        request: Request<impl Into<AsyncBody>>,
    ) -> Result<Request<AsyncBody>, Error> {
        self.over.service().prepare(request)
    }
}

impl ClientBuilder<Client> {
    /// Sends requests over this transport, which others may use as well.
    ///
    /// Settings of a transport are for one that is built with the client: together with this they are an error of
    /// [`build`](Self::build).
    pub fn transport(self, transport: Transport) -> Self {
        let service = transport.over.service().clone();
        // The runtime, and its connections, end with the last handle: this one is kept until the client has its own.
        self.over_transport(service, Some(Box::new(transport)))
    }

    /// Builds the blocking client.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a setting that is not valid, and for those of a transport beside a
    /// [transport](Self::transport) that is given. [`is_canceled`](Error::is_canceled) where the system gives no runtime.
    pub fn build(mut self) -> Result<Client, Error> {
        // Held until the client has a handle of its own.
        let kept = self.kept.take();
        let over = Blocking::new(self.build_client()?);
        drop(kept);
        over.runtime()?;
        Ok(Client { over })
    }

    /// Builds the blocking client over any service of requests: see [`Client::over`].
    ///
    /// # Errors
    ///
    /// As those of [`build`](Self::build), and for transport settings, which a given service cannot have.
    pub fn build_over<S: Clone>(self, service: S) -> Result<Client<S>, Error> {
        let over = Blocking::new(self.build_client_over(service)?);
        over.runtime()?;
        Ok(Client { over })
    }
}

crate::client::request::client_options!(Blocking<AsyncClient<S>>);

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Client<S> {
    /// What the layers show of themselves: no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.over.service().fmt(f)
    }
}
