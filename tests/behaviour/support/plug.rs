//! A connector with a single stream.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tower_service::Service;
use tower_transport::{connect::Connected, target::Target};

/// A connector with a single stream.
pub(crate) struct Plug {
    stream: Option<DuplexStream>,
}

impl Plug {
    /// The connector, and the other end of its stream.
    pub(crate) fn new() -> (Self, DuplexStream) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        (Self { stream: Some(near) }, far)
    }
}

impl Service<Target> for Plug {
    type Response = Connected<TokioIo<DuplexStream>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _target: Target) -> Self::Future {
        let stream = self.stream.take().expect("a plug has one stream");
        ready(Ok(Connected::new(TokioIo::new(stream))))
    }
}
