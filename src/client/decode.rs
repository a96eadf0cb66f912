//! Decodes the bodies of responses: gzip, deflate, br and zstd, each by a feature of its name (`brotli` for br).
//!
//! [`DecodeLayer`] stands over any service of requests. It says in `Accept-Encoding` what it can decode, and moves
//! `Content-Encoding` and `Content-Length` of what it decodes to the extension [`Decoded`].
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use tower_transport::{Body, client::decode::{DecodeLayer, Decoded}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # #[cfg(feature = "deflate")] {
//! let server = service_fn(async |request: Request<Body>| {
//!     assert!(request.headers()["accept-encoding"].to_str().unwrap().contains("deflate"));
//!     let coded: &[u8] = b"\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00\x05\x8c\x01\xf5";
//!     Response::builder().header("content-encoding", "deflate").body(Full::<Bytes>::from(coded))
//! });
//! let service = DecodeLayer::new().layer(server);
//! let mut response = service.oneshot(Request::get("/").body(Body::empty())?).await?;
//! assert_eq!(response.body_mut().read().await?, "Hello");
//! assert!(response.headers().get("content-encoding").is_none());
//! assert_eq!(response.extensions().get::<Decoded>().unwrap().coding(), "deflate");
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # What stays as it is
//!
//! Responses to `HEAD` and `CONNECT`, 1xx, 204, 304, and empty bodies have nothing to decode, a 206 has a part of the coded bytes,
//! which cannot be decoded by itself, and a coding that is not known, or not in this build, is left to the caller. All of them
//! keep their `Content-Encoding`.
//!
//! # What is an error
//!
//! [`Error::is_decode`] holds if the bytes are not in their coding, if their end is missing or bytes follow it, if more comes out
//! than the [limit](DecodeLayer::limit) allows, if more than two codings are listed, or if of two codings the outer one decodes
//! to more than 32 times what the inner one does, and 1 MiB. Nothing is lost in silence: every member of gzip and every frame of
//! zstd is decoded.
//!
//! # Memory
//!
//! A body is decoded as it is read, 16 KiB at a time. Besides, a decoder keeps a window of what came out, which the
//! [limit](DecodeLayer::limit) does not count:
//!
//! | coding | the window |
//! |---|---|
//! | gzip, deflate | 32 KiB (RFC 1951) |
//! | br | what the body needs, 16 MiB at most (RFC 7932 §9.1), and half as much again while it grows |
//! | zstd | what the body asks for, 8 MiB at most (RFC 9659) |
//!
//! A body that asks for a larger window is an error. These bounds cannot be lowered: servers ask by habit for more than their
//! bodies need, above all in br, so a lower one would refuse small bodies.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, Entry, RANGE},
};
use http_body::Body as HttpBody;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::failing::{failed, not_ready};
use crate::{
    body::Body,
    error::{BoxError, Error, ForeignError, Kind},
    request::response_body,
};

mod body;
mod codec;
mod coding;
#[cfg(all(test, feature = "gzip", feature = "deflate", feature = "brotli", feature = "zstd"))]
mod encode;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod pipeline;

pub use coding::Coding;

use body::DecodingBody;
use codec::Codec;
use coding::CodingList;
use pipeline::Pipeline;

/// The codings that this build decodes, as a field lists them.
static KNOWN: LazyLock<String> =
    LazyLock::new(|| codec::known().map(Coding::as_str).collect::<Vec<_>>().join(", "));

/// The value of `Accept-Encoding`; `None` if this build decodes nothing. Of static text, so that it is cheap to clone.
static ACCEPT: LazyLock<Option<HeaderValue>> =
    LazyLock::new(|| (!KNOWN.is_empty()).then(|| HeaderValue::from_static(&KNOWN)));

/// 64 MiB: more than a body that is read whole should have. A gigabyte of zeros is coded into 1 MiB.
const DEFAULT_LIMIT: u64 = 64 << 20;

/// Decodes the bodies of responses.
///
/// Put it right above the transport, so that all layers above see decoded bodies. `Accept-Encoding` is added to requests that have
/// none, unless they have a `Range`: a range counts coded bytes. A response is decoded whatever the request accepted.
#[derive(Clone, Debug)]
pub struct DecodeLayer {
    /// Of decoded bytes. The greatest number is none.
    limit: u64,
}

/// The service of a [`DecodeLayer`]. Its responses have a [`Body`], whatever those below have.
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct Decode<S> {
    inner: S,
    limit: u64,
}

/// How the response to one request is decoded, as an extension of the request.
///
/// ```
/// use tower_transport::client::decode::Decoding;
/// let raw = http::Request::get("https://example.com/").extension(Decoding::off()).body(());
/// let large = http::Request::get("https://example.com/").extension(Decoding::limit(1 << 30)).body(());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decoding {
    is_on: bool,
    limit: u64,
}

/// What a response said of its body before that was decoded, as an extension of the response.
#[derive(Clone, Debug)]
pub struct Decoded {
    coding: HeaderValue,
    length: Option<u64>,
    /// Coded bytes so far, counted by the body.
    read: Arc<AtomicU64>,
}

/// By what the response said: how much of it was read makes no difference.
impl PartialEq for Decoded {
    fn eq(&self, other: &Self) -> bool {
        (&self.coding, self.length) == (&other.coding, other.length)
    }
}

impl Eq for Decoded {}

pin_project! {
    /// The future of [`Decode`]: waits for the head of the response.
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service.
    pub struct DecodeFuture<F> {
        #[pin]
        future: F,
        // `None` if the body stays as it is.
        limit: Option<u64>,
    }
}

impl Default for DecodeLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl DecodeLayer {
    /// Decodes what this build has decoders for, up to 64 MiB of decoded bytes.
    pub fn new() -> Self {
        Self { limit: DEFAULT_LIMIT }
    }

    /// How many bytes may come out of a body, of its last coding and of the one before; `None` for any number. A body with more is
    /// an error where its reader gets there, for which [`Error::is_decode`] holds.
    ///
    /// The default is 64 MiB: one coded megabyte can decode to a gigabyte, too much to read whole. Remove the limit for bodies
    /// that you stream.
    pub fn limit(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.limit = bytes.into().unwrap_or(u64::MAX);
        self
    }
}

impl Decoding {
    /// Leaves the body as it comes, and says nothing of codings in the request.
    pub fn off() -> Self {
        Self { is_on: false, limit: 0 }
    }

    /// Decodes with another [limit](DecodeLayer::limit); `None` for any number of bytes.
    pub fn limit(bytes: impl Into<Option<u64>>) -> Self {
        Self { is_on: true, limit: bytes.into().unwrap_or(u64::MAX) }
    }
}

impl Decoded {
    /// The value of `Content-Encoding`; several fields are joined by commas.
    pub fn coding(&self) -> &HeaderValue {
        &self.coding
    }

    /// The value of `Content-Length`: how many coded bytes there are, if that was said.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many coded bytes of the body have come so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for DecodeLayer {
    type Service = Decode<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Decode { inner, limit: self.limit }
    }
}

impl<S, B, RB> Service<Request<B>> for Decode<S>
where
    S: Service<Request<B>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = DecodeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let limit = limit_for(&request, self.limit);
        if limit.is_some() {
            accept(request.headers_mut());
        }
        let limit = limit.filter(|_| *request.method() != Method::HEAD);
        DecodeFuture { future: self.inner.call(request), limit }
    }
}

/// `None` if the response stays as it is.
fn limit_for<B>(request: &Request<B>, limit: u64) -> Option<u64> {
    let limit = match request.extensions().get::<Decoding>() {
        Some(Decoding { is_on: false, .. }) => return None,
        Some(Decoding { limit, .. }) => *limit,
        None => limit,
    };
    (*request.method() != Method::CONNECT).then_some(limit)
}

/// Adds `Accept-Encoding`, unless the request has one, or a `Range`.
fn accept(headers: &mut HeaderMap) {
    let Some(accept) = &*ACCEPT else { return };
    if headers.contains_key(RANGE) {
        return;
    }
    // A map that is full refuses it, and what is below refuses the request.
    if let Ok(Entry::Vacant(entry)) = headers.try_entry(ACCEPT_ENCODING) {
        let _ = entry.try_insert(accept.clone());
    }
}

impl<F, RB, E> Future for DecodeFuture<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
    RB: HttpBody<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx));
        let response = response.map_err(|error| failed(error, ForeignError::LAYER))?;
        let response = response.map(response_body);
        Poll::Ready(match *this.limit {
            Some(limit) if response.headers().contains_key(CONTENT_ENCODING) => {
                decode(response, limit)
            }
            _ => Ok(response),
        })
    }
}

/// Puts the decoders around the body of a response that names a coding.
fn decode(response: Response<Body>, limit: u64) -> Result<Response<Body>, Error> {
    let has_whole_body = !response.status().is_informational()
        && !matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
        );
    if !has_whole_body || response.body().is_end_stream() {
        return Ok(response);
    }
    let is_known = |coding| codec::known().any(|known| known == coding);
    let (first, second) = match coding::read(response.headers(), is_known) {
        CodingList::Coded(first, second) => (Codec::new(first), second.and_then(Codec::new)),
        CodingList::Untouched => return Ok(response),
        CodingList::TooMany => {
            let message = "decoding the response body: more than two codings";
            return Err(Error::new(Kind::Decode, message).sent(true));
        }
    };
    let Some(first) = first else { return Ok(response) };
    let pipeline = Pipeline::new(first, second, limit);
    let (mut head, body) = response.into_parts();
    let read = Arc::<AtomicU64>::default();
    if let Some(decoded) = take_fields(&mut head.headers, read.clone()) {
        head.extensions.insert(decoded);
    }
    Ok(Response::from_parts(head, Body::pooled(DecodingBody::new(body, pipeline, read))))
}

/// Moves what is no longer true out of the header.
fn take_fields(headers: &mut HeaderMap, read: Arc<AtomicU64>) -> Option<Decoded> {
    let codings: Vec<_> =
        headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
    let coding = HeaderValue::from_maybe_shared(Bytes::from(codings.join(&b", "[..]))).ok()?;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    Some(Decoded { coding, length, read })
}

impl<S: fmt::Debug> fmt::Debug for Decode<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decode").field("inner", &self.inner).field("limit", &self.limit).finish()
    }
}

impl<F> fmt::Debug for DecodeFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeFuture").finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "gzip", feature = "deflate", feature = "brotli", feature = "zstd"))]
mod tests;
