//! A connection of either version, its future and its body: only this file knows which versions are built in.

#![cfg_attr(
    not(any(feature = "http1", feature = "http2")),
    expect(
        unused_variables,
        unreachable_code,
        reason = "without a version there is no connection"
    )
)]

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

#[cfg(any(feature = "http1", feature = "http2"))]
use crate::http::exchange::Exchange;
#[cfg(feature = "http1")]
use crate::http::http1::{self, Http1};
#[cfg(feature = "http2")]
use crate::http::http2::{self, Http2};
use crate::{
    connect::{ConnectInfo, Connected},
    connection::{AbortHandle, Connection, PoolSlot, SendError},
    error::{BoxError, Error},
    http::{http1::Http1Config, http2::Http2Config},
    io::Io,
    options::Timeouts,
    rt::Runtime,
    target::Target,
};

/// A connection that speaks HTTP/1.1, one request at a time, or HTTP/2, many at once.
pub struct HttpConnection<B> {
    version: Version<B>,
}

/// The body of a response of either version.
pub struct HttpBody {
    version: VersionBody,
}

/// The future of a response on an [`HttpConnection`].
///
/// # Cancellation
///
/// Dropping it closes an HTTP/1.1 connection on which something of the request was written, and resets a stream of an
/// HTTP/2 connection.
pub struct ResponseFuture<B: Body> {
    version: VersionFuture<B>,
}

enum Version<B> {
    /// Boxed: it moves with each request. An HTTP/2 handle is small.
    #[cfg(feature = "http1")]
    Http1(Box<Http1<B>>),
    #[cfg(feature = "http2")]
    Http2(Http2<B>),
    #[cfg(not(any(feature = "http1", feature = "http2")))]
    NotBuilt(std::convert::Infallible, std::marker::PhantomData<fn(B)>),
}

enum VersionBody {
    #[cfg(feature = "http1")]
    Http1(http1::Http1Body),
    #[cfg(feature = "http2")]
    Http2(http2::Http2Body),
    #[cfg(not(any(feature = "http1", feature = "http2")))]
    NotBuilt(std::convert::Infallible),
}

enum VersionFuture<B: Body> {
    #[cfg(feature = "http1")]
    Http1(Exchange<http1::Http1Exchange<B>>),
    #[cfg(feature = "http2")]
    Http2(Exchange<http2::Http2Exchange<B>>),
    #[cfg(not(any(feature = "http1", feature = "http2")))]
    NotBuilt(std::convert::Infallible, std::marker::PhantomData<fn(B)>),
}

/// Runs the same expression for either version.
macro_rules! either {
    ($enum:ident, $version:expr, $it:ident => $do:expr) => {
        match $version {
            #[cfg(feature = "http1")]
            $enum::Http1($it) => $do,
            #[cfg(feature = "http2")]
            $enum::Http2($it) => $do,
            #[cfg(not(any(feature = "http1", feature = "http2")))]
            $enum::NotBuilt(never, ..) => match *never {},
        }
    };
}

impl<B> HttpConnection<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Opens an HTTP/1.1 connection.
    #[cfg(feature = "http1")]
    pub(super) fn http1<I: Io>(
        Connected { io, info }: Connected<I>,
        target: &Target,
        config: &Http1Config,
        runtime: &Runtime,
    ) -> Result<Self, Error> {
        let connection = http1::handshake(io, info, target, config, runtime)?;
        Ok(Self { version: Version::Http1(Box::new(connection)) })
    }

    /// Fails: HTTP/1.1 is not built in.
    #[cfg(not(feature = "http1"))]
    pub(super) fn http1<I: Io>(
        _: Connected<I>,
        target: &Target,
        _: &Http1Config,
        _: &Runtime,
    ) -> Result<Self, Error> {
        Err(not_built("HTTP/1.1", target, "http1"))
    }

    /// Opens an HTTP/2 connection.
    #[cfg(feature = "http2")]
    pub(super) async fn http2<I: Io>(
        Connected { io, info }: Connected<I>,
        target: &Target,
        config: &Http2Config,
        runtime: &Runtime,
    ) -> Result<Self, Error> {
        let connection = http2::handshake(io, info, target, config, runtime).await?;
        Ok(Self { version: Version::Http2(connection) })
    }

    /// Fails: HTTP/2 is not built in.
    #[cfg(not(feature = "http2"))]
    pub(super) async fn http2<I: Io>(
        _: Connected<I>,
        target: &Target,
        _: &Http2Config,
        _: &Runtime,
    ) -> Result<Self, Error> {
        Err(not_built("HTTP/2", target, "http2"))
    }
}

#[cfg(not(all(feature = "http1", feature = "http2")))]
fn not_built(version: &str, target: &Target, feature: &str) -> Error {
    let message = format!(
        "speaking {version} with {target}: built without it, enable the feature `{feature}`"
    );
    Error::builder(message)
}

impl<B> Service<Request<B>> for HttpConnection<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = SendError<Request<B>>;
    type Future = ResponseFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        either!(Version, &mut self.version, it => it.poll_ready(cx))
    }

    #[inline(always)]
    fn call(&mut self, request: Request<B>) -> ResponseFuture<B> {
        let version = match &mut self.version {
            #[cfg(feature = "http1")]
            Version::Http1(it) => VersionFuture::Http1(it.call(request)),
            #[cfg(feature = "http2")]
            Version::Http2(it) => VersionFuture::Http2(it.call(request)),
            #[cfg(not(any(feature = "http1", feature = "http2")))]
            Version::NotBuilt(never, _) => match *never {},
        };
        ResponseFuture { version }
    }
}

impl<B> Connection<Request<B>> for HttpConnection<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        either!(Version, &self.version, it => it.is_open())
    }

    fn share(&self) -> Option<Self> {
        match &self.version {
            #[cfg(feature = "http1")]
            Version::Http1(_) => None,
            #[cfg(feature = "http2")]
            Version::Http2(it) => it.share().map(|it| Self { version: Version::Http2(it) }),
            #[cfg(not(any(feature = "http1", feature = "http2")))]
            Version::NotBuilt(never, _) => match *never {},
        }
    }

    fn timeouts(&mut self, timeouts: Timeouts) {
        either!(Version, &mut self.version, it => it.timeouts(timeouts));
    }

    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        either!(Version, &self.version, it => it.hold(slot))
    }

    fn keep_alive(&self) -> Option<Duration> {
        either!(Version, &self.version, it => it.keep_alive())
    }

    fn abort_handle(&self) -> Option<AbortHandle> {
        either!(Version, &self.version, it => it.abort_handle())
    }

    fn gives_back(&self, request: &Request<B>) -> bool {
        either!(Version, &self.version, it => it.gives_back(request))
    }

    fn may_refuse(&self) -> bool {
        either!(Version, &self.version, it => it.may_refuse())
    }

    fn reused(&mut self) {
        either!(Version, &mut self.version, it => it.reused());
    }

    fn info(&self) -> Option<&ConnectInfo> {
        either!(Version, &self.version, it => it.info())
    }

    fn stream_id(response: &Response<HttpBody>) -> Option<u32> {
        response.body().stream_id()
    }
}

impl HttpBody {
    /// The id of its HTTP/2 stream; `None` over HTTP/1.1.
    pub fn stream_id(&self) -> Option<u32> {
        either!(VersionBody, &self.version, it => it.stream_id())
    }
}

impl<B> Future for ResponseFuture<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<HttpBody>, SendError<Request<B>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.version {
            #[cfg(feature = "http1")]
            VersionFuture::Http1(future) => {
                let body = |body| HttpBody { version: VersionBody::Http1(body) };
                Pin::new(future).poll(cx).map_ok(|response| response.map(body))
            }
            #[cfg(feature = "http2")]
            VersionFuture::Http2(future) => {
                let body = |body| HttpBody { version: VersionBody::Http2(body) };
                Pin::new(future).poll(cx).map_ok(|response| response.map(body))
            }
            #[cfg(not(any(feature = "http1", feature = "http2")))]
            VersionFuture::NotBuilt(never, _) => match *never {},
        }
    }
}

/// Both futures are `Unpin`.
impl<B: Body> Unpin for ResponseFuture<B> {}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        either!(VersionBody, &mut self.version, it => Pin::new(it).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        either!(VersionBody, &self.version, it => it.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        either!(VersionBody, &self.version, it => it.size_hint())
    }
}

impl<B> fmt::Debug for HttpConnection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(Version, &self.version, it => it.fmt(f))
    }
}

impl<B: Body> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(VersionBody, &self.version, it => it.fmt(f))
    }
}
