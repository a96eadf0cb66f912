//! Requests in one line: `request` and `stream`.
//!
//! The free functions open a connection for one request: for scripts and trials. [`RequestExt`] adds the same two to
//! every service of requests, so that `transport.request("GET", url).await?` uses the pool. `request` reads the whole
//! body into memory, `stream` returns it as it arrives. Both return a plain [`http::Response`].
//!
//! ```
//! # use tower_transport::{Error, RequestExt, Transport};
//! # async fn example(lines: Vec<String>) -> Result<(), Error> {
//! let transport = Transport::new();
//! let response = transport.request("GET", "https://www.example.com/").await?;
//! println!("{} {:?}", response.status(), response.body());
//!
//! let response = transport
//!     .request("POST", "https://www.example.com/")
//!     .header("content-type", "text/plain")
//!     .body("Hello, world")
//!     .await?;
//!
//! let mut body = transport.stream("GET", "https://www.example.com/large").await?.into_body();
//! while let Some(chunk) = body.chunk().await? {
//!     println!("{} bytes", chunk.len());
//! }
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri, header::CONTENT_TYPE, uri::PathAndQuery,
};
use tower_service::Service;

use crate::{
    body::{Body, TryCloneRequest},
    error::{BoxError, Error, ForeignError},
    events::shown,
    fields,
    options::{MaxBody, Timeouts},
};

mod build;
mod cookie;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "redirect")]
mod fragment;
#[cfg(not(feature = "redirect"))]
#[path = "request/no_fragment.rs"]
mod fragment;
#[cfg(feature = "json")]
mod json;
mod names;
#[cfg(feature = "form")]
mod query;
#[cfg(not(feature = "form"))]
#[path = "request/query/pairs.rs"]
mod query;
pub(crate) mod query_string;
mod sending;
#[cfg(feature = "client")]
mod sent;
#[cfg(not(feature = "client"))]
#[path = "request/no_sent.rs"]
mod sent;
mod url;

pub(crate) use fragment::UrlFragment;
pub use names::{IntoHeaderName, IntoMethod};
#[cfg(feature = "client")]
pub use sent::Sent;
pub use url::IntoUrl;

// For layers of a client, which know of no transport.
pub(crate) use crate::transport::response_body;

pub(crate) use sending::{Buffering, SendRequest};

/// A request under construction, sent when awaited.
///
/// An invalid part, such as the URL or a header, is the error of the await, for which [`Error::is_builder`] holds;
/// nothing is sent then. `Host` is always sent. A body of known length is sent with `Content-Length`, a stream with
/// `Transfer-Encoding: chunked`, or on HTTP/2 without either.
///
/// It implements [`IntoFuture`], which `await` calls. Where a function takes futures, such as `join_all` or a spawn,
/// the compiler reports "`RequestBuilder` is not a future": pass `request.send()`.
///
/// | to set | methods |
/// |---|---|
/// | header fields | [`header`](Self::header), [`headers`](Self::headers), [`cookie`](Self::cookie) |
/// | the query | [`query`](Self::query) |
/// | the body | [`body`](Self::body), [`body_stream`](Self::body_stream), [`json`](Self::json), [`form`](Self::form), [`multipart`](Self::multipart) |
/// | options | [`timeouts`](Self::timeouts), [`max_body`](Self::max_body), [`extension`](Self::extension); over a client also [`auth`](Self::auth), [`redirects`](Self::redirects), [`retries`](Self::retries) |
/// | the end | `await`, or [`send`](Self::send) for a future; [`streamed`](Self::streamed) before it streams the response; [`build`](Self::build) returns the request; [`try_clone`](Self::try_clone) |
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let request = tower_transport::request("GET", "https://www.example.com/");
/// let response = tokio::spawn(request.send()).await??;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request is sent when it is awaited"]
pub struct RequestBuilder<S, A> {
    service: S,
    request: Result<Request<Body>, Error>,
    /// The limit of a client, for a request without its own.
    max_body: Option<MaxBody>,
    answer: PhantomData<fn() -> A>,
}

/// The response's body is read into memory.
#[derive(Debug)]
pub enum Buffered {}

/// The response's body is streamed.
#[derive(Debug)]
pub enum Streamed {}

/// Adds `request`, `stream` and `send` to every service of requests: a [`Transport`](crate::Transport), a pool, or
/// either with layers on top.
///
/// # In code that is generic over services
///
/// These are the bounds with which requests can be awaited:
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use tower_service::Service;
/// use tower_transport::{Body, Error, RequestExt, error::BoxError};
///
/// async fn status<S, RB>(service: &S, url: &str) -> Result<StatusCode, Error>
/// where
///     S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
///         + Clone
///         + Send
///         + 'static,
///     RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
/// {
///     Ok(service.request("GET", url).await?.status())
/// }
/// ```
pub trait RequestExt: Service<Request<Body>> + Clone {
    /// Starts a request whose response is read to its end: `http::Response<Bytes>`.
    fn request<M>(&self, method: M, url: impl IntoUrl) -> RequestBuilder<Self, Buffered>
    where
        M: IntoMethod,
        Self: Sized,
    {
        RequestBuilder::new(self.clone(), method, url)
    }

    /// Starts a request whose response is streamed: `http::Response<Body>`.
    fn stream<M>(&self, method: M, url: impl IntoUrl) -> RequestBuilder<Self, Streamed>
    where
        M: IntoMethod,
        Self: Sized,
    {
        RequestBuilder::new(self.clone(), method, url)
    }

    /// Sends a request that is complete already, and streams the response: `http::Response<Body>`. Errors are those of
    /// [`stream`](Self::stream).
    ///
    /// The body is anything that converts into a [`Body`]; wrap other bodies with [`Body::new`]. Unlike
    /// [`Service::call`], it waits until the service is ready, and needs no `&mut`. To send a request again, clone it
    /// first with [`try_clone`](crate::body::TryCloneRequest::try_clone).
    ///
    /// ```
    /// # use tower_transport::{Error, RequestExt, Transport};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let request = http::Request::put("https://www.example.com/a").body("Hello, world")?;
    /// let response = Transport::new().send(request).await?;
    /// println!("{}", response.status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancellation
    ///
    /// As for [`Requesting`]. Nothing is sent before the future is polled.
    fn send<B, RB>(&self, request: Request<B>) -> Requesting<Body>
    where
        B: Into<Body>,
        Self: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
            + Send
            + Sized
            + 'static,
        RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        Requesting::new(SendRequest::new(self.clone(), Ok(request.map(Into::into))))
    }
}

impl<S: Service<Request<Body>> + Clone> RequestExt for S {}

impl<S, A> RequestBuilder<S, A> {
    pub(crate) fn new<M>(service: S, method: M, url: impl IntoUrl) -> Self
    where
        M: IntoMethod,
    {
        let fragment = UrlFragment::of(&url);
        let request = url.into_url().and_then(|uri| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.into_method()?;
            *request.uri_mut() = uri;
            if let Some(fragment) = fragment {
                request.extensions_mut().insert(fragment);
            }
            Ok(request)
        });
        Self::of(service, request)
    }

    /// Adds a header field, next to others of its name. A `Content-Type` replaces the one before, as that of `json`: a request
    /// has one at the most (RFC 9110 §8.3).
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: IntoHeaderName,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.change(|request| {
            let name = name.into_header_name()?;
            // The value may be a secret, so the error names only the header.
            let wrong = |error: V::Error| {
                Error::builder(format!("the value of the header `{name}` is not valid"))
                    .because(error.into())
            };
            let value = value.try_into().map_err(wrong)?;
            if name == CONTENT_TYPE {
                request.headers_mut().remove(&name);
            }
            fields::append(request.headers_mut(), name, value)
        })
    }

    /// Sets header fields, replacing others of their names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.change(|request| fields::replace(request.headers_mut(), headers))
    }

    /// Sets the body: bytes, text, or any [`Body`].
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.change(|request| {
            *request.body_mut() = body.into();
            Ok(())
        })
    }

    /// Sets a body of chunks from a stream. It can be sent once: the request is not retried if its connection breaks.
    pub fn body_stream<T, D, E>(self, chunks: T) -> Self
    where
        T: Stream<Item = Result<D, E>> + Send + 'static,
        D: Into<Bytes>,
        E: Into<BoxError>,
    {
        self.body(Body::stream(chunks))
    }

    /// Sets an option of this request: see [`options`](crate::options).
    pub fn extension<T: Clone + Send + Sync + 'static>(self, extension: T) -> Self {
        self.change(|request| {
            request.extensions_mut().insert(extension);
            Ok(())
        })
    }

    /// Sets timeouts. They replace all limits of the transport, also those that you do not name: start from the [`Timeouts`] that you
    /// gave to the transport.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.extension(timeouts)
    }

    /// Clones the request, if its body [can be cloned](Body::try_clone). An invalid request is cloned with its error.
    pub fn try_clone(&self) -> Option<Self>
    where
        S: Clone,
    {
        let request = match &self.request {
            Ok(request) => Ok(request.try_clone()?),
            Err(error) => Err(error.clone()),
        };
        Some(Self { max_body: self.max_body, ..Self::of(self.service.clone(), request) })
    }

    /// Changes the request, unless an earlier part was invalid: the first error is reported.
    pub(crate) fn change(
        mut self,
        change: impl FnOnce(&mut Request<Body>) -> Result<(), Error>,
    ) -> Self {
        let changed = self.request.as_mut().map(change);
        if let Ok(Err(error)) = changed {
            self.request = Err(error);
        }
        self
    }
}

/// Converts the error of a service: ours unchanged; that of a foreign layer with its text included, because its type
/// is unknown to callers.
pub(crate) fn described(error: BoxError, foreign: ForeignError, uri: &Uri) -> Error {
    Error::adopt_with(error, foreign, |error| {
        format!("sending a request to {}: {error}", origin_shown(uri)).into()
    })
}

/// Adds a `Content-Type`, unless the request has one.
#[cfg(any(feature = "form", feature = "json"))]
fn set_content_type(headers: &mut HeaderMap, name: HeaderValue) -> Result<(), Error> {
    if headers.contains_key(CONTENT_TYPE) {
        return Ok(());
    }
    fields::append(headers, CONTENT_TYPE, name)
}

/// Scheme and authority, without userinfo.
fn origin_shown(uri: &Uri) -> String {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = parts.scheme.is_some().then(|| PathAndQuery::from_static("/"));
    shown(&Uri::from_parts(parts).unwrap_or_default())
}

impl<S, RB> IntoFuture for RequestBuilder<S, Buffered>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
        + Send
        + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Bytes>, Error>;
    type IntoFuture = Requesting<Bytes>;

    fn into_future(self) -> Requesting<Bytes> {
        let (service, request, max_body) = self.into_parts();
        Requesting::new(Buffering::new(service, request, max_body))
    }
}

impl<S, RB> IntoFuture for RequestBuilder<S, Streamed>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
        + Send
        + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Error>;
    type IntoFuture = Requesting<Body>;

    fn into_future(self) -> Requesting<Body> {
        Requesting::new(SendRequest::new(self.service, self.request))
    }
}

/// The future of a [`RequestBuilder`].
///
/// # Cancellation
///
/// Dropping it abandons the request: an HTTP/1.1 connection on which it began is closed, a stream of an HTTP/2
/// connection is reset.
#[must_use = "futures do nothing unless polled"]
pub struct Requesting<T> {
    future: Pin<Box<dyn Future<Output = Result<Response<T>, Error>> + Send>>,
}

impl<T> Requesting<T> {
    fn new(future: impl Future<Output = Result<Response<T>, Error>> + Send + 'static) -> Self {
        Self { future: Box::pin(future) }
    }
}

impl<T> Future for Requesting<T> {
    type Output = Result<Response<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.future.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Requesting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requesting").finish_non_exhaustive()
    }
}

impl<S, A> fmt::Debug for RequestBuilder<S, A> {
    /// Prints the URL without credentials and signatures, and neither fields nor body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RequestBuilder");
        match &self.request {
            Ok(request) => {
                out.field("method", request.method()).field("uri", &shown(request.uri()))
            }
            Err(error) => out.field("error", error),
        };
        out.finish_non_exhaustive()
    }
}
