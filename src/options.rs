//! What one request may ask for, as typed extensions.
//!
//! | extension | what it does |
//! |---|---|
//! | [`Timeouts`] | how long to wait, and for what |
//! | [`ServerName`](crate::target::ServerName) | the name that TLS sends and verifies |
//! | [`Protocols`](crate::target::Protocols) | which versions of HTTP may be spoken |
//! | [`TlsIdentity`](crate::target::TlsIdentity) | another TLS configuration, like a client certificate |
//! | [`ProxyOverride`](crate::target::ProxyOverride) | the proxies that the request goes through, or none |
//! | [`Repeatable`] | that the request may be sent again, whatever its method |
//! | [`RawTarget`](crate::request_target::RawTarget) | a request target that is sent as it is |
//! | [`Listener`](crate::events::Listener) | who is told of every step of the request |
//! | [`Timed`](crate::events::Timed) | that its response has [`Timings`](crate::events::Timings) |

use std::time::Duration;

/// How long to wait, and for what.
///
/// Set for a whole [`Transport`](crate::Transport) or, as an extension, for one request. Strict by default, because a
/// request without a limit is one that can hang for ever; [`none`](Self::none) is explicit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    pub(crate) pool: Option<Duration>,
    pub(crate) connect: Option<Duration>,
}

impl Default for Timeouts {
    /// Pool 30 s: long enough to queue behind slow answers, short enough to be told. Connect 10 s: a host that has
    /// not answered three SYNs by then seldom does.
    fn default() -> Self {
        Self { pool: Some(Duration::from_secs(30)), connect: Some(Duration::from_secs(10)) }
    }
}

impl Timeouts {
    /// No limit at all.
    pub fn none() -> Self {
        Self { pool: None, connect: None }
    }

    /// How long to wait in all for a connection of the pool, or a free stream on one.
    pub fn pool(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.pool = limit.into();
        self
    }

    /// How long making a connection may take: names, TCP, TLS and the HTTP handshake together.
    ///
    /// A connection attempt belongs to the pool and outlives the request that caused it, so this is counted from the
    /// start of the attempt.
    pub fn connect(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.connect = limit.into();
        self
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
