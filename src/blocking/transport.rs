//! The default stack, for callers that block.

use std::fmt;

use http::{Request, Response};

use super::{Blocking, Body, RequestBuilder};
use crate::{
    error::Error,
    pool::Stats,
    request::{IntoMethod, IntoUrl, Streamed},
    transport::{Transport as AsyncTransport, TransportBuilder},
};

/// The whole stack, for callers that block: the twin of [`Transport`](crate::Transport).
///
/// ```no_run
/// # fn main() -> Result<(), tower_transport::Error> {
/// use std::time::Duration;
/// use tower_transport::{blocking::Transport, options::Timeouts};
///
/// let transport = Transport::builder()
///     .max_connections_per_host(10)
///     .timeouts(Timeouts::default().connect(Duration::from_secs(3)))
///     .build()?;
/// let response = transport.request("GET", "https://www.example.com/").send()?;
/// println!("{} {} bytes", response.status(), response.body().len());
/// # Ok(())
/// # }
/// ```
///
/// Keep one and clone it: clones share their connections, and may be used by any number of threads at once. All transports and
/// clients of this module have one background thread, which ends with the last of them: see [how it runs](super#how-it-runs).
#[derive(Clone)]
pub struct Transport {
    pub(super) over: Blocking<AsyncTransport>,
}

impl Transport {
    /// A transport with the defaults of [`Transport::new`](crate::Transport::new).
    pub fn new() -> Self {
        Self { over: Blocking::new(AsyncTransport::new()) }
    }

    /// A builder with all settings, each with its default.
    pub fn builder() -> TransportBuilder<Self> {
        TransportBuilder::new()
    }

    /// Starts a request whose response is read to its end: `http::Response<Bytes>`.
    pub fn request(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<AsyncTransport> {
        self.over.request(method, url)
    }

    /// Starts a request whose response is streamed: `http::Response<blocking::Body>`.
    pub fn stream(
        &self,
        method: impl IntoMethod,
        url: impl IntoUrl,
    ) -> RequestBuilder<AsyncTransport, Streamed> {
        self.over.stream(method, url)
    }

    /// Sends a request that is complete already, and streams the response.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_transport::blocking::Transport;
    ///
    /// let request = http::Request::put("https://www.example.com/a").body("Hello, world")?;
    /// println!("{}", Transport::new().send(request)?.status());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As those of [`stream`](Self::stream).
    pub fn send<B>(&self, request: Request<B>) -> Result<Response<Body>, Error>
    where
        B: Into<crate::body::Body>,
    {
        self.over.send(request)
    }

    /// A snapshot: requests, connections, and a row for each connection.
    pub fn stats(&self) -> Stats {
        self.over.service().stats()
    }

    /// Refuses further requests, closes idle connections, and waits until the others have finished, up to the [grace
    /// period](TransportBuilder::close_grace); then it aborts them. Returns whether all finished.
    ///
    /// A transport that is dropped closes its connections without that.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) inside an async task, and [`is_closed`](Error::is_closed) after a fork.
    pub fn close(&self) -> Result<bool, Error> {
        self.over.runtime()?.run(self.over.service().close())
    }
}

impl TransportBuilder<Transport> {
    /// Builds the blocking transport.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for a setting outside its range, with its name, value and range in the text,
    /// and for settings that exclude each other. [`is_canceled`](Error::is_canceled) where the system gives no runtime: it has no
    /// file descriptors left.
    pub fn build(self) -> Result<Transport, Error> {
        let over = Blocking::new(self.build_transport()?);
        over.runtime()?;
        Ok(Transport { over })
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.over.service().fmt(f)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
