//! What one request may ask for, as typed extensions.
//!
//! | extension | what it does |
//! |---|---|
//! | [`Timeouts`] | how long to wait, and for what |
//! | [`ServerName`] | the name that TLS sends and verifies |
//! | [`Protocols`] | which versions of HTTP may be spoken |
//! | [`LocalAddress`] | the local address to connect from |
//! | [`TlsIdentity`] | another TLS configuration, like a client certificate |
//! | [`ProxyOverride`] | the proxies that the request goes through, or none |
//! | [`Deadline`] | the end of its time, over all that it is redirected to and tries of it |
//! | [`MaxBody`] | how large a body may be that is read whole |
//! | [`Repeatable`] | that the request may be sent again, whatever its method |
//! | [`OnInformational`] | who is told of 1xx |
//! | [`ExpectContinue`] | how long a body waits for `100 Continue` |
//! | [`ConnectProtocol`] | the protocol that `CONNECT` is for, as WebSocket over HTTP/2 |
//! | [`RawTarget`] | a request target that is sent as it is |
//! | `CookieOverride`, of `client::cookies` | another jar of cookies, or none |
//! | `Decoding`, of `client::decode` | that the body of the response is not decoded, or another limit of its size |
//! | [`Listener`] | who is told of every step of the request |
//! | [`Timed`] | that its response has [`Timings`](crate::events::Timings) |
//!
//! With the layers of a [client](crate::client), those whose features are on:
//!
//! | extension | what it does |
//! |---|---|
//! | `Redirects` | how many redirects are followed |
//! | `Retries` | how often the request is sent again |
//! | `TotalTimeout` | how long everything may take, beside the other timeouts |
//! | `client::Auth` | who we are to the origin |
//! | `OnUpload`, `OnDownload` | who is told how far the bodies have come |

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
pub use progress::{OnDownload, OnUpload, Progress};
pub use raw_target::RawTarget;

pub use crate::{
    events::{listener::Listener, timings::Timed},
    target::route::ProxyOverride,
};

/// How long to wait, and for what.
///
/// Set for a whole [`Transport`](crate::Transport), for a [pool](crate::pool::PoolLayer::timeouts), by a [`TimeoutsLayer`],
/// or, as an extension, for one request. Strict by default, because a request without a limit is one that can hang for
/// ever; [`none`](Self::none) is explicit. What ran out says [`Error::timeout_phase`](crate::Error::timeout_phase).
///
/// | | bounds | default |
/// |---|---|---|
/// | [`pool`](Self::pool) | all waits for a connection together | 30 s |
/// | [`connect`](Self::connect) | making a connection | 10 s |
/// | [`read`](Self::read) | the peer's silence, once it has the request | 30 s |
/// | [`write`](Self::write) | how long the peer takes nothing of the request | 30 s |
/// | [`total`](Self::total) | everything, from the call to the end of the body | none |
/// | [`min_throughput`](Self::min_throughput) | a peer that is not silent, but slow | none |
///
/// A limit is longer than zero, and so is a window; `None` is no limit. Only [`pool`](Self::pool) may be zero. For the others
/// zero is refused where a transport or a pool is made of it, because nothing could be sent: with [`is_builder`](Error::is_builder), by
/// [`build`](crate::transport::TransportBuilder::build), or where there is no `build`, by every request. For one
/// request, or by a [`TimeoutsLayer`], zero is a time that is over: nothing is sent with a `total` of zero, and no connection is
/// made with a `connect` of zero. The others end as soon as the timer of the runtime does, which is no finer than 1 ms with
/// tokio: a peer that is faster than that is in time.
///
/// A request that runs out of one of the last four costs an HTTP/1.1 connection, and one stream of an HTTP/2 connection
/// (`CANCEL`). It is not sent again. An upgraded connection or a tunnel is bounded by none of them from its answer on.
///
/// Reading and writing are watched by connections, so a [`Connection`](crate::pool::Connection) of yours has to do
/// so itself; the others hold for it, too.
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

/// The least that a peer has to send or take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Throughput {
    pub(crate) bytes_per_second: u64,
    /// How long it is waited for before it is judged.
    pub(crate) window: Duration,
}

impl Default for Timeouts {
    /// Pool 30 s: long enough to queue behind slow answers, short enough to be told. Connect 10 s: a host that has
    /// not answered three SYNs by then seldom does. Read and write 30 s: longer than lost packets are sent again, and than
    /// most answers take to begin. No total: how long an answer may be is the caller's to know.
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
    /// No limit at all.
    pub fn none() -> Self {
        Self { pool: None, connect: None, read: None, write: None, total: None, throughput: None }
    }

    /// How long to wait in all for a connection of the pool, or a free stream on one. With zero a request is sent only if a
    /// connection is there for it, or within what the timer of the runtime takes, 1 ms with tokio; one that has to be made is
    /// kept for the next.
    pub fn pool(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.pool = limit.into();
        self
    }

    /// How long making a connection may take: names, TCP, proxies, TLS and the HTTP handshake together.
    ///
    /// A connection attempt belongs to the pool and outlives the request that caused it, so this is counted from the
    /// start of the attempt.
    pub fn connect(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect = limit.into();
        self
    }

    /// How long the peer may be silent when it is its turn: from the moment it has the whole request to the head of its
    /// answer, and between any two pieces of that.
    ///
    /// Any byte begins it anew: on HTTP/1.1 of the connection, on HTTP/2 of the stream's heads and content. It does not run while the request
    /// is still being sent, nor while nobody reads the body. It is told when the silence has lasted that long, and at the
    /// latest a quarter of it later: what moves is looked at four times within the limit, so that no byte costs a look at
    /// the clock.
    pub fn read(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.read = limit.into();
        self
    }

    /// How long the peer may take nothing of a request while there is something to take: its socket is full, or on
    /// HTTP/2 its window closed.
    ///
    /// A body of yours that is slow does not count. Once an answer has begun, it is the answer that is waited for, as
    /// [`read`](Self::read) says. It is told as late as that.
    pub fn write(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.write = limit.into();
        self
    }

    /// How long everything may take: from the call, through the line, all tries and the answer, to the end of its body,
    /// also while the body is read slowly.
    pub fn total(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.total = limit.into();
        self
    }

    /// How many bytes a second the peer must send, or take, on average over each `window` of waiting for it: against one
    /// that sends a byte now and then. By default that is allowed.
    ///
    /// Only the time in which the peer is waited for counts, and of that neither the time until its answer begins, which
    /// is [`read`](Self::read)'s, nor pauses of the caller. It ends in the phase of what was slow, `Read` or `Write`. Any number
    /// of bytes may be asked for; none is as by default.
    pub fn min_throughput(mut self, bytes_per_second: u64, window: Duration) -> Self {
        self.throughput = Some(Throughput { bytes_per_second, window });
        self
    }

    /// Requires each limit to be longer than zero.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let window = self.throughput.map(|throughput| throughput.window);
        setting::longer_than_zero("Timeouts::connect", self.connect)?;
        setting::longer_than_zero("Timeouts::read", self.read)?;
        setting::longer_than_zero("Timeouts::write", self.write)?;
        setting::longer_than_zero("Timeouts::total", self.total)?;
        setting::longer_than_zero("Timeouts::min_throughput", window)
    }
}

/// Says that a request does no more harm when it is acted on twice than once, whatever its method: it may then be sent
/// again as a `GET` may be.
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
