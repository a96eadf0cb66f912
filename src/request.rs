//! `request` and `stream`: one line for one request.
//!
//! The free functions make a connection and close it: for scripts, and for trying things out. [`RequestExt`] gives the
//! same two to every service of requests, so that `transport.request("GET", url).await?` pools. `request` reads the
//! whole body into memory, `stream` lets you read it as it comes. What they answer with is a plain
//! [`http::Response`].
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
use http::{HeaderMap, HeaderValue, Request, Response, Uri, uri::PathAndQuery};
use tower_service::Service;

use crate::{
    body::Body,
    error::{BoxError, Error, ForeignError},
    events::shown,
    fields,
    options::Timeouts,
};

mod build;
mod cookie;
#[cfg(feature = "form")]
mod form;
#[cfg(feature = "json")]
mod json;
mod names;
#[cfg(feature = "form")]
mod query;
#[cfg(not(feature = "form"))]
#[path = "request/query/pairs.rs"]
mod query;
mod sending;
mod url;

pub use names::{IntoHeaderName, IntoMethod};
pub use url::IntoUrl;
#[cfg_attr(not(feature = "redirect"), allow(unused_imports, reason = "redirects inherit it"))]
pub(crate) use url::UrlFragment;

use sending::{Buffering, SendRequest};

/// A request that is being put together, and is sent when it is awaited.
///
/// A mistake in any part of it, the URL or a header, is an error of the await, for which [`Error::is_builder`] holds;
/// nothing is sent then. `Host` is always sent. A body whose length is known is sent with `Content-Length`, a stream
/// with `Transfer-Encoding: chunked`, or on HTTP/2 as it comes.
///
/// It becomes a future by [`IntoFuture`], which `await` calls by itself. "`RequestBuilder` is not a future" says the compiler
/// where a function takes futures, like `join_all` or a spawn: give it `request.into_future()`.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::future::IntoFuture;
///
/// let request = tower_transport::request("GET", "https://www.example.com/");
/// let response = tokio::spawn(request.into_future()).await??;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request is sent when it is awaited"]
pub struct RequestBuilder<S, A> {
    service: S,
    request: Result<Request<Body>, Error>,
    answer: PhantomData<fn() -> A>,
}

/// The answer is read to its end.
#[derive(Debug)]
pub enum Whole {}

/// The answer is read as it comes.
#[derive(Debug)]
pub enum Streamed {}

/// Gives `request` and `stream` to every service of requests: a [`Transport`](crate::Transport), a pool, or those with
/// layers on top.
pub trait RequestExt: Service<Request<Body>> + Clone {
    /// A request whose response is read to its end: `http::Response<Bytes>`.
    fn request<M>(&self, method: M, url: impl IntoUrl) -> RequestBuilder<Self, Whole>
    where
        M: IntoMethod,
        Self: Sized,
    {
        RequestBuilder::new(self.clone(), method, url)
    }

    /// A request whose response is read as it comes: `http::Response<Body>`.
    fn stream<M>(&self, method: M, url: impl IntoUrl) -> RequestBuilder<Self, Streamed>
    where
        M: IntoMethod,
        Self: Sized,
    {
        RequestBuilder::new(self.clone(), method, url)
    }
}

impl<S: Service<Request<Body>> + Clone> RequestExt for S {}

impl<S, A> RequestBuilder<S, A> {
    pub(crate) fn new<M>(service: S, method: M, url: impl IntoUrl) -> Self
    where
        M: IntoMethod,
    {
        let request = url.into_url().and_then(|uri| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method.into_method()?;
            *request.uri_mut() = uri;
            Ok(request)
        });
        Self { service, request, answer: PhantomData }
    }

    /// Adds a header field, next to others of its name.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: IntoHeaderName,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.change(|request| {
            let name = name.into_header_name()?;
            // The value may be a secret, so the error says only whose it is.
            let wrong = |error: V::Error| {
                Error::builder(format!("the value of the header `{name}`")).because(error.into())
            };
            let value = value.try_into().map_err(wrong)?;
            fields::append(request.headers_mut(), name, value)
        })
    }

    /// Sets header fields, in place of others of their names.
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

    /// Sets a body that comes in chunks. It is sent once: the request cannot be sent again if its connection breaks.
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

    /// Sets how long to wait, in place of what the transport was built with.
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.extension(timeouts)
    }

    /// Changes the request, unless something was wrong with it before: the first mistake is the one to tell.
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

/// The error of a service: ours as it is, that of a foreign layer with its own text, because nothing else tells what failed.
pub(crate) fn described(error: BoxError, foreign: ForeignError, uri: &Uri) -> Error {
    let doing = match error.is::<Error>() {
        true => String::new(),
        false => format!("sending a request to {}: {error}", origin_shown(uri)),
    };
    Error::adopt(error, foreign, doing)
}

/// Says what a body is, unless the request does.
#[cfg(any(feature = "form", feature = "json"))]
fn set_content_type(headers: &mut HeaderMap, name: HeaderValue) -> Result<(), Error> {
    if headers.contains_key(http::header::CONTENT_TYPE) {
        return Ok(());
    }
    fields::append(headers, http::header::CONTENT_TYPE, name)
}

/// Scheme and authority alone, without a user.
fn origin_shown(uri: &Uri) -> String {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = parts.scheme.is_some().then(|| PathAndQuery::from_static("/"));
    shown(&Uri::from_parts(parts).unwrap_or_default())
}

impl<S, RB> IntoFuture for RequestBuilder<S, Whole>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>, Future: Send>
        + Send
        + 'static,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Bytes>, Error>;
    type IntoFuture = Requesting<Bytes>;

    fn into_future(self) -> Requesting<Bytes> {
        Requesting::new(Buffering::new(self.service, self.request))
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
/// Dropping it gives the request up: an HTTP/1.1 connection that has begun it is closed, a stream of an HTTP/2
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
    /// The URL as it may be shown, and neither fields nor body.
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
