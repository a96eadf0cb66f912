//! A connection of either version, and what comes out of it.

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
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    connect::ConnectInfo,
    connection::{Connection, Cut, Place, SendError},
    error::{BoxError, Error},
    http::{
        http1::{Http1, Http1Body},
        http2::{Http2, Http2Body},
    },
    options::Timeouts,
};

/// A connection that speaks HTTP/1.1, one request at a time, or HTTP/2, many at once.
pub struct HttpConnection<B> {
    /// Moved with each request that has it to itself, so what is large is boxed.
    version: Version<Box<Http1<B>>, Http2<B>>,
}

/// The body of a response of either version.
pub struct HttpBody {
    version: Version<Http1Body, Http2Body>,
}

enum Version<A, B> {
    Http1(A),
    Http2(B),
}

/// Does the same with either.
macro_rules! either {
    ($version:expr, $it:ident => $do:expr) => {
        match $version {
            Version::Http1($it) => $do,
            Version::Http2($it) => $do,
        }
    };
}

impl<B> HttpConnection<B> {
    pub(super) fn http1(connection: Http1<B>) -> Self {
        Self { version: Version::Http1(Box::new(connection)) }
    }

    pub(super) fn http2(connection: Http2<B>) -> Self {
        Self { version: Version::Http2(connection) }
    }
}

impl<B> Service<Request<B>> for HttpConnection<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<HttpBody>;
    type Error = SendError<Request<B>>;
    type Future = HttpSending<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        either!(&mut self.version, it => it.poll_ready(cx))
    }

    fn call(&mut self, request: Request<B>) -> HttpSending<B> {
        let version = match &mut self.version {
            Version::Http1(it) => Sending::Http1 { sending: it.call(request) },
            Version::Http2(it) => Sending::Http2 { sending: it.call(request) },
        };
        HttpSending { version }
    }
}

impl<B> Connection<Request<B>> for HttpConnection<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        either!(&self.version, it => it.is_open())
    }

    fn share(&self) -> Option<Self> {
        match &self.version {
            Version::Http1(it) => it.share().map(Self::http1),
            Version::Http2(it) => it.share().map(Self::http2),
        }
    }

    fn timeouts(&mut self, timeouts: Timeouts) {
        either!(&mut self.version, it => it.timeouts(timeouts));
    }

    fn hold(&self, place: Place) -> Option<Place> {
        either!(&self.version, it => it.hold(place))
    }

    fn keep_alive(&self) -> Option<Duration> {
        either!(&self.version, it => it.keep_alive())
    }

    fn cut(&self) -> Option<Cut> {
        either!(&self.version, it => it.cut())
    }

    fn may_refuse(&self) -> bool {
        either!(&self.version, it => it.may_refuse())
    }

    fn reused(&mut self) {
        either!(&mut self.version, it => it.reused());
    }

    fn info(&self) -> Option<&ConnectInfo> {
        either!(&self.version, it => it.info())
    }

    fn stream_id(response: &Response<HttpBody>) -> Option<u32> {
        response.body().stream_id()
    }
}

impl HttpBody {
    /// The id of the HTTP/2 stream that it came on; `None` over HTTP/1.1.
    pub fn stream_id(&self) -> Option<u32> {
        match &self.version {
            Version::Http1(_) => None,
            Version::Http2(body) => Some(body.stream_id()),
        }
    }
}

pin_project! {
    /// The future of an [`HttpConnection`].
    ///
    /// # Cancellation
    ///
    /// Dropping it closes an HTTP/1.1 connection, and resets a stream of an HTTP/2 connection.
    pub struct HttpSending<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>>,
        B: Send,
        B: 'static,
    {
        #[pin]
        version: Sending<B>,
    }
}

pin_project! {
    #[project = SendingProj]
    enum Sending<B>
    where
        B: Body<Data: Send, Error: Into<BoxError>>,
        B: Send,
        B: 'static,
    {
        Http1 { #[pin] sending: <Http1<B> as Service<Request<B>>>::Future },
        Http2 { #[pin] sending: <Http2<B> as Service<Request<B>>>::Future },
    }
}

impl<B> Future for HttpSending<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<HttpBody>, SendError<Request<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().version.project() {
            SendingProj::Http1 { sending } => {
                let body = |body| HttpBody { version: Version::Http1(body) };
                sending.poll(cx).map_ok(|response| response.map(body))
            }
            SendingProj::Http2 { sending } => {
                let body = |body| HttpBody { version: Version::Http2(body) };
                sending.poll(cx).map_ok(|response| response.map(body))
            }
        }
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        either!(&mut self.version, it => Pin::new(it).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        either!(&self.version, it => it.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        either!(&self.version, it => it.size_hint())
    }
}

impl<B> fmt::Debug for HttpConnection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(&self.version, it => it.fmt(f))
    }
}

impl<B> fmt::Debug for HttpSending<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSending").finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        either!(&self.version, it => it.fmt(f))
    }
}
