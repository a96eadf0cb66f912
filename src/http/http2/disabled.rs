//! HTTP/2 where it was not built in: the same names, and a clear error.

use std::{
    convert::Infallible,
    fmt,
    future::Ready,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower_service::Service;

use crate::{
    connect::ConnectInfo,
    connection::{Connection, SendError},
    error::{BoxError, Error},
    io::Io,
    rt::Runtime,
    target::Target,
};

/// What can be set about HTTP/2: nothing, without the feature `http2`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http2Config {}

/// A connection that there cannot be without the feature `http2`.
pub struct Http2<B> {
    never: Infallible,
    request: PhantomData<fn(B)>,
}

/// The body of an answer that there cannot be without the feature `http2`.
#[derive(Debug)]
pub struct Http2Body(Infallible);

/// The future of a request on such a connection.
pub type Exchange<B> = Ready<Result<Response<Http2Body>, SendError<Request<B>>>>;

pub(crate) async fn handshake<I: Io, B>(
    _io: I,
    _info: ConnectInfo,
    target: &Target,
    config: &Http2Config,
    _runtime: &Runtime,
) -> Result<Http2<B>, Error>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    config.check()?;
    let message =
        format!("speaking HTTP/2 with {target}: built without it, enable the feature `http2`");
    Err(Error::builder(message))
}

impl Http2Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    pub(crate) fn for_tunnels(self) -> Self {
        self
    }
}

impl<B> Service<Request<B>> for Http2<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Http2Body>;
    type Error = SendError<Request<B>>;
    type Future = Exchange<B>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.never {}
    }

    fn call(&mut self, _request: Request<B>) -> Exchange<B> {
        match self.never {}
    }
}

impl<B> Connection<Request<B>> for Http2<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        match self.never {}
    }
}

impl<B> fmt::Debug for Http2<B> {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.request;
        match self.never {}
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.0 {}
    }
}
