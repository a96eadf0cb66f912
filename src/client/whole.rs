//! The whole client: all layers over a transport, wired in one place.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    AuthLayer, DeadlineLayer, Defaults, DefaultsLayer, ProgressLayer, Redirect, RedirectLayer,
    Retry, RetryLayer, WithAuth, WithDeadline, WithProgress,
    builder::{ClientBuilder, CookieChoice, CookiesOver, DecodeChoice, DecodeOver},
    sent::RecordSent,
};
use crate::{
    body::Body,
    error::{BoxError, Error},
    options::{MaxBody, Timeouts, TotalTimeout},
    request::{Buffered, IntoMethod, IntoUrl, RequestBuilder, Streamed, UrlFragment},
    transport::Transport,
};

/// A whole HTTP client: redirects, cookies, decoding, authentication, retries, deadlines, over a [`Transport`] or any other
/// service of requests.
///
/// It is cheap to clone, and clones share connections and cookies. It is itself a service of requests, and what it answers
/// with are plain [`http::Response`]s, which [`ResponseExt`](super::ResponseExt) helps to read.
///
/// # A script
///
/// ```no_run
/// use tower_transport::client::{Client, ResponseExt};
///
/// # async fn example() -> Result<(), tower_transport::Error> {
/// let client = Client::new();
/// let response = client.get("https://www.example.com/").query(&[("page", "1")]).await?;
/// println!("{} {}", response.status(), response.text());
/// # Ok(())
/// # }
/// ```
///
/// # A client of an API
///
/// ```
/// # #[cfg(feature = "json")]
/// # async fn example(token: &str) -> Result<(), tower_transport::Error> {
/// use std::{collections::HashMap, time::Duration};
/// use tower_transport::{client::{Auth, Client, ResponseExt}, options::Retries};
///
/// let client = Client::builder()
///     .base_url("https://api.example/v1/")
///     .auth(Auth::bearer(token))
///     .retries(Retries::new(3))
///     .timeout(Duration::from_secs(20))
///     .build()?;
/// let user: HashMap<String, String> = client.get("users/1").await?.error_for_status()?.json()?;
/// client.post("users").json(&user).await?.error_for_status()?;
/// # Ok(())
/// # }
/// ```
///
/// # Streams
///
/// ```
/// # async fn example(client: tower_transport::client::Client) -> Result<(), tower_transport::Error> {
/// use tower_transport::client::{ResponseExt, StreamedResponseExt};
///
/// let response = client.get("https://example.com/large").streamed().await?;
/// response.error_for_status().await?.save_to("large").await?;
///
/// let mut lines = client.stream("GET", "https://example.com/log").await?.lines();
/// while let Some(line) = lines.next().await? {
///     println!("{line}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Any service
///
/// Without a network, as in tests, over a router of axum:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use axum::{Router, routing::get};
/// use tower_transport::client::{Client, ResponseExt};
///
/// let client = Client::over(Router::new().route("/", get(|| async { "hello" })));
/// assert_eq!(client.get("http://any.example/").await?.text(), "hello");
/// # Ok(())
/// # }
/// ```
///
/// # In code that is generic over services
///
/// A client over any service needs the bounds of [`RequestExt`](crate::RequestExt#in-code-that-is-generic-over-services):
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use tower_service::Service;
/// use tower_transport::{Body, Client, Error, error::BoxError};
///
/// struct Api<S> {
///     client: Client<S>,
/// }
///
/// impl<S, RB> Api<S>
/// where
///     S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
///         + Clone
///         + Send
///         + 'static,
///     RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
/// {
///     async fn status(&self) -> Result<StatusCode, Error> {
///         Ok(self.client.get("https://api.example/status").await?.status())
///     }
/// }
/// ```
///
/// As a [`Service`] it takes requests with a [`Body`]: convert another by `request.map(Body::new)`.
///
/// # Defaults
///
/// Proxies are those of the environment, 20 redirects are followed, requests are not sent again, and the
/// [timeouts](Timeouts) are strict, without a total. With their features on, cookies are kept in a jar of the client, and
/// bodies are decoded. A body that is read whole has at most 64 MiB, decoded; one that generic code requests by
/// [`RequestExt`](crate::RequestExt), which knows of no client, has no limit.
#[derive(Clone)]
pub struct Client<S = Transport> {
    stack: ClientStack<S>,
    pub(super) settings: Arc<ClientSettings>,
    /// The service below, for what it can do beside sending requests.
    service: S,
}

/// The layers of a [`Client`], the outermost first.
///
/// Where a feature is off, the service of its layer is the one below.
pub type ClientStack<S> = WithProgress<
    Defaults<WithDeadline<Redirect<Retry<WithAuth<CookiesOver<DecodeOver<RecordSent<S>>>>>>>>,
>;

/// The layers before they are put together.
pub(super) struct Layers {
    pub(super) defaults: DefaultsLayer,
    pub(super) deadline: DeadlineLayer,
    pub(super) redirect: RedirectLayer,
    pub(super) retry: RetryLayer,
    pub(super) auth: AuthLayer,
    pub(super) cookies: CookieChoice,
    pub(super) decoding: DecodeChoice,
}

impl Layers {
    /// The third place where layers meet.
    fn assemble<S>(&self, over: S) -> ClientStack<S> {
        let Self { defaults, deadline, redirect, retry, auth, cookies, decoding } = self;
        let sent = RecordSent::new(over);
        ProgressLayer::new().layer(defaults.layer(
            deadline.layer(
                redirect.layer(retry.layer(auth.layer(cookies.layer(decoding.layer(sent))))),
            ),
        ))
    }
}

/// Defaults for requests without settings of their own.
pub(super) struct RequestDefaults {
    pub(super) timeouts: Option<Timeouts>,
    /// Of `ClientBuilder::timeout`, which is beside all timeouts.
    pub(super) total: Option<TotalTimeout>,
    /// The shorter of that and of the total of the client's timeouts.
    pub(super) shortest: Option<TotalTimeout>,
    pub(super) max_body: MaxBody,
}

pub(super) struct ClientSettings {
    pub(super) layers: Layers,
    requests: RequestDefaults,
}

impl Client {
    /// With the defaults: see [`Client`].
    ///
    /// An invalid proxy in the environment is an error of each request that needs it.
    pub fn new() -> Self {
        ClientBuilder::build_default()
    }

    /// A builder with all settings, each with its default.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// Refuses further requests and waits until those in progress have finished: see [`Transport::close`]. Returns whether all
    /// finished.
    ///
    /// # Cancellation
    ///
    /// The transport stays closed; only the waiting ends.
    pub async fn close(&self) -> bool {
        self.service.close().await
    }
}

impl<S> Client<S> {
    /// The layers, with their defaults, over any service of requests: one of another library, a router, a double in a test.
    pub fn over(service: S) -> Self
    where
        S: Clone,
    {
        ClientBuilder::default_over(service)
    }

    pub(super) fn assemble(layers: Layers, requests: RequestDefaults, service: S) -> Self
    where
        S: Clone,
    {
        let stack = layers.assemble(service.clone());
        Self { stack, settings: Arc::new(ClientSettings { layers, requests }), service }
    }

    /// The service below the layers.
    pub fn service(&self) -> &S {
        &self.service
    }
}

/// Each a request whose response is read whole, and which is sent when it is awaited.
///
/// A URL may be a path where there is a [base](ClientBuilder::base_url).
impl<S: Clone> Client<S> {
    /// A `GET` request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::GET, url)
    }

    /// A `HEAD` request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::HEAD, url)
    }

    /// An `OPTIONS` request.
    pub fn options(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::OPTIONS, url)
    }

    /// A `POST` request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::POST, url)
    }

    /// A `PUT` request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::PUT, url)
    }

    /// A `PATCH` request.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::PATCH, url)
    }

    /// A `DELETE` request.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder<Self, Buffered> {
        self.request(Method::DELETE, url)
    }

    /// A request of any method.
    pub fn request(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<Self, Buffered> {
        RequestBuilder::of(self.clone(), self.start(method, url)).default_max_body(self.max_body())
    }

    /// A request whose response is read as it comes, without a limit to its size.
    pub fn stream(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<Self, Streamed> {
        RequestBuilder::of(self.clone(), self.start(method, url))
    }

    /// A request that was put together elsewhere. Its own settings take precedence.
    ///
    /// Unlike [`RequestExt::send`](crate::RequestExt::send), which streams, it reads the response whole;
    /// [`streamed`](RequestBuilder::streamed) streams it. In code that is generic over services, `send` is the method of `RequestExt`.
    pub fn send(&self, request: Request<impl Into<Body>>) -> RequestBuilder<Self, Buffered> {
        RequestBuilder::of(self.clone(), Ok(request.map(Into::into)))
            .default_max_body(self.max_body())
    }

    /// Returns the request with what the client adds before redirects: a URL below the base, the client's header fields, the
    /// limit on its total time, and credentials, which stay an extension until it is sent. Over a transport or service of
    /// yours, it also gets the client's other timeouts. Cookies are added only when it is sent.
    ///
    /// Sending the result adds nothing twice.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a URL that is not https where nothing else is allowed.
    pub fn prepare(&self, request: Request<impl Into<Body>>) -> Result<Request<Body>, Error> {
        let mut request = request.map(Into::into);
        self.settings.extend(&mut request);
        self.settings.layers.defaults.prepare(&mut request)?;
        Ok(request)
    }

    pub(crate) fn start(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> Result<Request<Body>, Error> {
        let fragment = UrlFragment::of(&url);
        let url = match self.settings.layers.defaults.has_base() {
            true => url.into_reference()?,
            false => url.into_absolute()?,
        };
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.into_method()?;
        *request.uri_mut() = url;
        if let Some(fragment) = fragment {
            request.extensions_mut().insert(fragment);
        }
        Ok(request)
    }

    pub(crate) fn max_body(&self) -> MaxBody {
        self.settings.requests.max_body
    }
}

impl ClientSettings {
    fn extend(&self, request: &mut Request<Body>) {
        let RequestDefaults { timeouts, total, shortest, .. } = &self.requests;
        let extensions = request.extensions_mut();
        let total = match (*shortest, extensions.get::<Timeouts>()) {
            (None, _) => None,
            (shortest, None) => shortest,
            // A request with a total of its own is not limited by the client's.
            (_, Some(own)) => total.filter(|_| own.total.is_none()),
        };
        if let Some(total) = total {
            extensions.get_or_insert(total);
        }
        if let Some(timeouts) = timeouts {
            extensions.get_or_insert(*timeouts);
        }
        self.layers.decoding.extend(extensions);
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl<S, RB> Service<Request<Body>> for Client<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ClientFuture<<ClientStack<S> as Service<Request<Body>>>::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        self.settings.extend(&mut request);
        ClientFuture { future: self.stack.call(request) }
    }
}

pin_project! {
    /// The future of a [`Client`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request that is under way, and nothing is sent after it.
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F> Future for ClientFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<Body>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx)
    }
}

impl<S> fmt::Debug for Client<S> {
    /// What the layers show of themselves: no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = &self.settings.layers;
        let mut out = f.debug_struct("Client");
        out.field("defaults", &layers.defaults).field("redirect", &layers.redirect);
        out.field("retry", &layers.retry).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ClientFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
