//! One connection for one request: what the free functions send by.

use std::{
    sync::OnceLock,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    body::Body,
    error::Error,
    request::{IntoMethod, IntoUrl, RequestBuilder, Streamed, Whole},
    tls::TlsConfig,
    transport::{Sending, Transport},
};

/// Sends a request over a connection of its own, reads the whole answer, and closes the connection.
///
/// For scripts and for trying things out. Who sends more than one request keeps a [`Transport`] and calls
/// [`request`](crate::RequestExt::request) on that.
///
/// ```no_run
/// # async fn example() -> Result<(), tower_transport::Error> {
/// let response = tower_transport::request("GET", "https://www.example.com/").await?;
/// println!("{} {:?}", response.status(), response.body());
/// # Ok(())
/// # }
/// ```
pub fn request<M>(method: M, url: impl IntoUrl) -> RequestBuilder<OneShot, Whole>
where
    M: IntoMethod,
{
    RequestBuilder::new(OneShot, method, url)
}

/// Sends a request over a connection of its own, which is closed when the answer's body is read or dropped.
///
/// ```no_run
/// # async fn example() -> Result<(), tower_transport::Error> {
/// let mut body = tower_transport::stream("GET", "https://www.example.com/").await?.into_body();
/// while let Some(chunk) = body.chunk().await? {
///     println!("{} bytes", chunk.len());
/// }
/// # Ok(())
/// # }
/// ```
pub fn stream<M>(method: M, url: impl IntoUrl) -> RequestBuilder<OneShot, Streamed>
where
    M: IntoMethod,
{
    RequestBuilder::new(OneShot, method, url)
}

/// The service behind the free functions: each request has a transport of its own, which keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneShot;

impl Service<Request<Body>> for OneShot {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Sending {
        // The platform's roots are read once, not for every request.
        static TLS: OnceLock<TlsConfig> = OnceLock::new();
        Transport::unpooled(TLS.get_or_init(TlsConfig::platform).clone()).call(request)
    }
}
