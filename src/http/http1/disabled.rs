//! HTTP/1.1 where it was not built in: the same names, and a clear error.

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

/// What can be set about HTTP/1.1: nothing, without the feature `http1`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Http1Config {}

/// A connection that there cannot be without the feature `http1`.
pub struct Http1<B> {
    never: Infallible,
    request: PhantomData<fn(B)>,
}

/// The body of an answer that there cannot be without the feature `http1`.
#[derive(Debug)]
pub struct Http1Body(Infallible);

/// The future of a request on such a connection.
pub type Sending<B> = Ready<Result<Response<Http1Body>, SendError<Request<B>>>>;

pub(crate) fn handshake<I: Io, B>(
    _io: I,
    _info: ConnectInfo,
    target: &Target,
    _config: &Http1Config,
    _runtime: &Runtime,
) -> Result<Http1<B>, Error> {
    let message =
        format!("speaking HTTP/1.1 with {target}: built without it, enable the feature `http1`");
    Err(Error::builder(message))
}

impl Http1Config {
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl<B> Service<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Http1Body>;
    type Error = SendError<Request<B>>;
    type Future = Sending<B>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.never {}
    }

    fn call(&mut self, _request: Request<B>) -> Sending<B> {
        match self.never {}
    }
}

impl<B> Connection<Request<B>> for Http1<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    fn is_open(&self) -> bool {
        match self.never {}
    }
}

impl<B> fmt::Debug for Http1<B> {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.request;
        match self.never {}
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.0 {}
    }
}
