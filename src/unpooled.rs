//! The free functions `request` and `stream`: one connection for one request.

use std::{
    sync::OnceLock,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{
    body::Body,
    error::Error,
    request::{Buffered, IntoMethod, IntoUrl, RequestBuilder, Streamed},
    tls::TlsConfig,
    transport::{Transport, TransportFuture},
};

/// Sends a request over a new connection, reads the whole response, and closes the connection.
///
/// For scripts and trials. To send more than one request, keep a [`Transport`] and call its
/// [`request`](crate::RequestExt::request).
///
/// ```no_run
/// # async fn example() -> Result<(), tower_transport::Error> {
/// let response = tower_transport::request("GET", "https://www.example.com/").await?;
/// println!("{} {:?}", response.status(), response.body());
/// # Ok(())
/// # }
/// ```
pub fn request<M>(method: M, url: impl IntoUrl) -> RequestBuilder<Unpooled, Buffered>
where
    M: IntoMethod,
{
    RequestBuilder::new(Unpooled, method, url)
}

/// Sends a request over a new connection, which is closed when the response's body is read or dropped.
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
pub fn stream<M>(method: M, url: impl IntoUrl) -> RequestBuilder<Unpooled, Streamed>
where
    M: IntoMethod,
{
    RequestBuilder::new(Unpooled, method, url)
}

/// The service of the free functions: each request uses a new transport without a pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unpooled;

impl Service<Request<Body>> for Unpooled {
    type Response = Response<Body>;
    type Error = Error;
    type Future = TransportFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> TransportFuture {
        // Reads the platform's roots once, not for every request.
        static TLS: OnceLock<TlsConfig> = OnceLock::new();
        Transport::unpooled(TLS.get_or_init(TlsConfig::platform).clone()).call(request)
    }
}
