//! What is told: the steps that have a start and an end, and the notes that have none.

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use http::{Method, StatusCode, Version};

/// A start or an end of a [`Step`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The number of the pair, once in a process.
    pub id: u64,
    /// The pair that this is a part of.
    pub parent: Option<u64>,
    /// The request that this is for: in the making of a connection, the one that caused it.
    pub request: Option<RequestId>,
    /// The connection that is made or used, once it is known.
    pub connection: Option<ConnectionId>,
    /// When the pair began, by the clock of the runtime.
    pub began_at: Instant,
    /// When this happened.
    pub at: Instant,
    /// What is being done.
    pub step: Step,
}

impl Event {
    /// The time since the pair began: zero at its start.
    pub fn elapsed(&self) -> Duration {
        self.at.saturating_duration_since(self.began_at)
    }
}

/// What is done, and what is known of it. What is an [`Option`], and every count, is known at the end.
///
/// `Display` is its name, as `connect.dns`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// `request`: all of a request, to the end of its response's body.
    #[non_exhaustive]
    Request {
        /// The method.
        method: Method,
        /// The URL, without credentials and signatures.
        url: String,
        /// The version of HTTP of the answer.
        version: Option<Version>,
        /// The status of the answer.
        status: Option<StatusCode>,
    },
    /// `pool.acquire`: finding a connection.
    #[non_exhaustive]
    PoolAcquire {
        /// Whether the connection had served a request before.
        reused: Option<bool>,
    },
    /// `connect`: making a connection.
    #[non_exhaustive]
    Connect {
        /// For whom, and by which way.
        target: String,
        /// The version of HTTP that it speaks.
        version: Option<Version>,
    },
    /// `connect.dns`: asking a resolver for addresses.
    #[non_exhaustive]
    Dns {
        /// The name.
        host: String,
        /// How many addresses it has.
        addresses: usize,
    },
    /// `connect.tcp`: one attempt to connect to an address.
    #[non_exhaustive]
    Tcp {
        /// The address.
        address: SocketAddr,
    },
    /// `proxy.connect`: reaching a proxy and asking it for a way.
    #[non_exhaustive]
    ProxyConnect {
        /// The proxy, without its credentials.
        proxy: String,
        /// Whom it is asked for.
        target: String,
    },
    /// `tls.handshake`: making the bytes private.
    #[non_exhaustive]
    TlsHandshake {
        /// The name that is sent and verified.
        server_name: String,
        /// The version of TLS, as `TLSv1.3`.
        version: Option<&'static str>,
        /// The protocol that ALPN chose (RFC 7301).
        alpn: Option<String>,
    },
    /// `http.handshake`: from bytes to a connection.
    #[non_exhaustive]
    HttpHandshake {
        /// The version of HTTP.
        version: Version,
    },
    /// `request.head`: sending the head of a request.
    #[non_exhaustive]
    RequestHead,
    /// `request.body`: sending its body.
    #[non_exhaustive]
    RequestBody {
        /// How much of it was sent.
        bytes: u64,
    },
    /// `response.head`: waiting for the answer.
    #[non_exhaustive]
    ResponseHead {
        /// Its status.
        status: Option<StatusCode>,
    },
    /// `response.body`: reading its body.
    #[non_exhaustive]
    ResponseBody {
        /// How much of it has come.
        bytes: u64,
    },
}

impl Step {
    /// Its name, as `connect.dns`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::PoolAcquire { .. } => "pool.acquire",
            Self::Connect { .. } => "connect",
            Self::Dns { .. } => "connect.dns",
            Self::Tcp { .. } => "connect.tcp",
            Self::ProxyConnect { .. } => "proxy.connect",
            Self::TlsHandshake { .. } => "tls.handshake",
            Self::HttpHandshake { .. } => "http.handshake",
            Self::RequestHead => "request.head",
            Self::RequestBody { .. } => "request.body",
            Self::ResponseHead { .. } => "response.head",
            Self::ResponseBody { .. } => "response.body",
        }
    }
}

/// Something that has no duration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Note {
    /// The pair that this is a part of.
    pub parent: Option<u64>,
    /// The request that this is about.
    pub request: Option<RequestId>,
    /// The connection that this is about.
    pub connection: Option<ConnectionId>,
    /// When it happened, by the clock of the runtime.
    pub at: Instant,
    /// What happened.
    pub what: Noted,
}

/// What a [`Note`] says. `Display` is its name, as `connection.idle`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Noted {
    /// `response.informational`: a 1xx came (RFC 9110 §15.2).
    #[non_exhaustive]
    Informational {
        /// Its status.
        status: StatusCode,
    },
    /// `request.retry`: the request is sent again.
    #[non_exhaustive]
    Retry {
        /// Why that does no harm.
        why: Retrying,
    },
    /// `connection.idle`: nobody uses it any more.
    Idle,
    /// `connection.close`: it is gone.
    #[non_exhaustive]
    Close {
        /// Why it was closed.
        why: Closing,
        /// How long it was open.
        open_for: Duration,
    },
}

impl Noted {
    /// Its name, as `connection.idle`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Informational { .. } => "response.informational",
            Self::Retry { .. } => "request.retry",
            Self::Idle => "connection.idle",
            Self::Close { .. } => "connection.close",
        }
    }
}

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retrying {
    /// Nothing of it had been written.
    Unsent,
    /// The peer said that it did not act on it, or asked for it in another way.
    Refused,
    /// The connection broke before the answer, and to act on it twice does no harm.
    Broken,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closing {
    /// The peer closed it, or it broke.
    ByPeer,
    /// It was idle for as long as it may be.
    Expired,
    /// It is too old, or has served as many requests as it may.
    Retired,
    /// It made room: for another host, or because too many were idle.
    Evicted,
    /// Another one of its kind was dead.
    Distrusted,
    /// Its request failed, or was given up before the end of its answer.
    Unfinished,
    /// It spoke another protocol until its end.
    Upgraded,
    /// The pool was closed.
    PoolClosed,
}

/// A request, once in a process. It is given a number only if somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// A connection, once in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pool: u32,
    place: u64,
}

impl ConnectionId {
    /// The connection in this place of this pool.
    pub(crate) fn new(pool: u32, place: u64) -> Self {
        Self { pool, place }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pool, self.place)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsent => "unsent",
            Self::Refused => "refused",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByPeer => "by peer",
            Self::Expired => "expired",
            Self::Retired => "retired",
            Self::Evicted => "evicted",
            Self::Distrusted => "distrusted",
            Self::Unfinished => "unfinished",
            Self::Upgraded => "upgraded",
            Self::PoolClosed => "pool closed",
        })
    }
}
