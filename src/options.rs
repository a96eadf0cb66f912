//! Options of one request, as typed extensions.
//!
//! | extension | what it does |
//! |---|---|
//! | [`Timeouts`] | limits on waiting |
//! | [`ServerName`] | the name that TLS sends and verifies |
//! | [`Protocols`] | the versions of HTTP that may be used |
//! | [`LocalAddress`] | the local address to connect from |
//! | [`TlsIdentity`] | another TLS configuration, such as a client certificate |
//! | [`ProxyOverride`] | the proxies of this request, or none |
//! | [`Deadline`] | the end of its time, over all redirects and tries |
//! | [`MaxBody`] | the largest body that is read whole |
//! | [`Repeatable`] | allows sending the request again, whatever its method |
//! | [`OnInformational`] | receives 1xx responses |
//! | [`ExpectContinue`] | how long a body waits for `100 Continue` |
//! | [`ConnectProtocol`] | the protocol of an extended `CONNECT`, such as WebSocket over HTTP/2 |
//! | [`RawTarget`] | a request target that is sent unchanged |
//! | [`Listener`] | receives the events of the request |
//! | [`Timed`] | adds [`Timings`](crate::events::Timings) to the response |
//!
//! With the layers of a [client](crate::client) whose features are on:
//!
//! | extension | what it does |
//! |---|---|
//! | `Redirects` | the number of redirects followed |
//! | `Retries` | the number of tries |
//! | `TotalTimeout` | the limit on everything, beside the other timeouts |
//! | `OnUpload`, `OnDownload` | callbacks for the progress of the bodies |
//! | `client::Auth` | the credentials for the origin |
//! | `client::OmittedHeaders` | default header fields to leave out |
//! | `CookieOverride`, of `client::cookies` | another jar of cookies, or none |
//! | `Decoding`, of `client::decode` | disables decoding of the response's body, or limits its size |
//!
//! An extension without its layer below the caller has no effect: on a bare [`Transport`](crate::Transport) those of the second
//! table are ignored.

use std::time::Duration;

use http::{Method, Request};

use crate::{error::Error, setting};

mod connect_protocol;
mod deadline;
mod interim;
mod layer;
mod max_body;
mod of_target;
#[cfg(feature = "progress")]
mod progress;
mod raw_target;
#[cfg(feature = "redirect")]
mod redirects;
#[cfg(feature = "retry")]
mod retries;
#[cfg(feature = "deadline")]
mod total_timeout;

pub use connect_protocol::ConnectProtocol;
pub use deadline::Deadline;
pub use interim::{ExpectContinue, OnInformational};
pub use layer::{TimeoutsLayer, WithTimeouts};
pub use max_body::MaxBody;
#[cfg(feature = "redirect")]
pub use redirects::Redirects;
#[cfg(feature = "retry")]
pub use retries::Retries;
#[cfg(feature = "deadline")]
pub use total_timeout::TotalTimeout;

pub use of_target::{LocalAddress, Protocols, ServerName, TlsIdentity};
#[cfg(feature = "progress")]
pub use progress::{BodyProgress, OnDownload, OnUpload};
pub use raw_target::RawTarget;

pub use crate::{
    events::{listener::Listener, timings::Timed},
    target::route::ProxyOverride,
};

/// Limits on how long a request waits, and for what.
///
/// Set them for a [`Transport`](crate::Transport), for a [pool](crate::pool::PoolLayer::timeouts), by a
/// [`TimeoutsLayer`], or for one request as an extension. The defaults are strict, because a request without a limit
/// can hang for ever; use [`none`](Self::none) to remove them. [`Error::timeout_phase`](crate::Error::timeout_phase)
/// returns the limit that was reached.
///
/// | | bounds | default |
/// |---|---|---|
/// | [`pool`](Self::pool) | all waits for a connection together | 30 s |
/// | [`connect`](Self::connect) | making a connection | 10 s |
/// | [`read`](Self::read) | the peer's silence, once it has the request | 30 s |
/// | [`write`](Self::write) | a peer that accepts nothing of the request | 30 s |
/// | [`total`](Self::total) | everything, from the call to the end of the body | none |
/// | [`min_throughput`](Self::min_throughput) | a peer that is not silent, but slow | none |
///
/// Limits and windows must be longer than zero; `None` is no limit. Only [`pool`](Self::pool) may be zero. Any other
/// zero is refused with [`is_builder`](Error::is_builder), because no request could be sent: by
/// [`build`](crate::transport::TransportBuilder::build) or, without a `build`, by every request. For one request, or
/// in a [`TimeoutsLayer`], zero is a limit that has passed: nothing is sent with a `total` of zero, and no connection
/// is made with a `connect` of zero. The other limits pass with the runtime's timer, whose resolution is 1 ms with
/// tokio: a peer that is faster is in time.
///
/// A request that reaches one of the last four limits closes an HTTP/1.1 connection, and resets one stream of an
/// HTTP/2 connection (`CANCEL`). It is not sent again. None of them applies to an upgraded connection or a tunnel
/// after its response.
///
/// Connections enforce the limits on reading and writing, so a [`Connection`](crate::pool::Connection) of yours must
/// do so itself; the other limits apply to it as well.
///
/// ```
/// use std::time::Duration;
/// use tower_transport::options::Timeouts;
///
/// let patient = Timeouts::default().read(Duration::from_secs(300)).total(Duration::from_secs(600));
/// let for_ever = Timeouts::none();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    pub(crate) pool: Option<Duration>,
    pub(crate) connect: Option<Duration>,
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) total: Option<Duration>,
    pub(crate) throughput: Option<Throughput>,
}

/// The minimum throughput of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throughput {
    pub(crate) bytes_per_second: u64,
    /// The time measured before each verdict.
    pub(crate) window: Duration,
}

impl Default for Timeouts {
    /// Pool 30 s: long enough to queue behind slow responses, short enough to report a stall. Connect 10 s: a host
    /// that has not answered three SYNs by then rarely does. Read and write 30 s: longer than TCP's first
    /// retransmissions, and than most responses take to begin. No total: only the caller knows how long a response
    /// may be.
    fn default() -> Self {
        let half_a_minute = Some(Duration::from_secs(30));
        Self {
            pool: half_a_minute,
            connect: Some(Duration::from_secs(10)),
            read: half_a_minute,
            write: half_a_minute,
            total: None,
            throughput: None,
        }
    }
}

impl Timeouts {
    /// No limits.
    pub fn none() -> Self {
        Self { pool: None, connect: None, read: None, write: None, total: None, throughput: None }
    }

    /// Limits the total wait for a connection of the pool, or a free stream on one. With zero a request is sent only
    /// if a connection is available, or becomes so within the resolution of the runtime's timer, 1 ms with tokio; a
    /// connection that has to be made is kept for later requests.
    pub fn pool(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.pool = limit.into();
        self
    }

    /// Limits making a connection: DNS, TCP, proxies, TLS and the HTTP handshake together.
    ///
    /// A connection attempt belongs to the pool and outlives the request that caused it, so the time starts with the
    /// attempt.
    pub fn connect(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect = limit.into();
        self
    }

    /// Limits the peer's silence in its turn: from the moment it has the whole request to the head of its response,
    /// and between any two pieces of the response.
    ///
    /// Any byte restarts it: on HTTP/1.1 of the connection, on HTTP/2 of the stream's heads and content. It does not
    /// run while the request is still being sent, nor while the caller does not read the body; once a response with
    /// another status than 2xx has begun, it runs although the request body is pending. The error comes at most a
    /// quarter of the limit late: progress is checked four times within the limit, so that no byte costs a clock
    /// reading.
    pub fn read(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.read = limit.into();
        self
    }

    /// Limits the time in which the peer accepts nothing of a request: its socket buffer is full, or on HTTP/2 its
    /// window is closed.
    ///
    /// A slow request body does not count. Once a response has begun, [`read`](Self::read) applies instead. The error
    /// comes as late as that of `read`.
    pub fn write(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.write = limit.into();
        self
    }

    /// Limits the whole request: from the call, through queueing and all attempts, to the end of the response's body,
    /// including time in which the caller reads slowly.
    pub fn total(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total = limit.into();
        self
    }

    /// Sets the bytes per second the peer must send, or accept, on average over each `window` of waiting for it. It
    /// stops peers that send single bytes. Default: none.
    ///
    /// Only time spent waiting for the peer counts, without the time until its response begins, which
    /// [`read`](Self::read) limits, and without pauses of the caller. The error's phase is `Read` or `Write`,
    /// whichever was slow. Zero bytes are no minimum.
    pub fn min_throughput(mut self, bytes_per_second: u64, window: Duration) -> Self {
        self.throughput = Some(Throughput { bytes_per_second, window });
        self
    }

    /// Checks that each limit is longer than zero.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let window = self.throughput.map(|throughput| throughput.window);
        setting::longer_than_zero("Timeouts::connect", self.connect)?;
        setting::longer_than_zero("Timeouts::read", self.read)?;
        setting::longer_than_zero("Timeouts::write", self.write)?;
        setting::longer_than_zero("Timeouts::total", self.total)?;
        setting::longer_than_zero("Timeouts::min_throughput", window)
    }
}

/// Declares a request idempotent, whatever its method: it may be sent again like a `GET`.
///
/// ```
/// use tower_transport::options::Repeatable;
/// let search = http::Request::post("http://example.com/search").extension(Repeatable).body("query");
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeatable;

/// Idempotent by its method (RFC 9110 §9.2.2), or because the caller says so.
pub(crate) fn is_idempotent<B>(request: &Request<B>) -> bool {
    let by_method = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    );
    by_method
        || request.headers().contains_key("idempotency-key")
        || request.extensions().get::<Repeatable>().is_some()
}
