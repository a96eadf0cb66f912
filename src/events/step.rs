//! Event types: steps, which have a start and an end, and notes, which have none.

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
    /// The number of the pair, unique in the process.
    pub id: u64,
    /// The pair that contains this one.
    pub parent: Option<u64>,
    /// The request. For the steps of making a connection: the request that caused it.
    pub request: Option<RequestId>,
    /// The connection that is made or used, once known.
    pub connection: Option<ConnectionId>,
    /// When the pair started, by the clock of the runtime.
    pub began_at: Instant,
    /// When this event occurred.
    pub at: Instant,
    /// The step.
    pub step: Step,
}

impl Event {
    /// The time since the pair began: zero at its start.
    pub fn elapsed(&self) -> Duration {
        self.at.saturating_duration_since(self.began_at)
    }
}

/// A step and its details. [`Option`]s and counts are filled in at the end.
///
/// `Display` is its name, such as `connect.dns`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// `request`: a request, to the end of its response's body.
    #[non_exhaustive]
    Request {
        /// The method.
        method: Method,
        /// The URL, without credentials and signatures.
        url: String,
        /// The HTTP version of the response.
        version: Option<Version>,
        /// The status of the response.
        status: Option<StatusCode>,
    },
    /// `pool.acquire`: finding a connection.
    #[non_exhaustive]
    PoolAcquire {
        /// Whether the connection has served a request before.
        reused: Option<bool>,
    },
    /// `connect`: making a connection.
    #[non_exhaustive]
    Connect {
        /// The target, and the route to it.
        target: String,
        /// The HTTP version it speaks.
        version: Option<Version>,
    },
    /// `connect.dns`: resolving a name to addresses.
    #[non_exhaustive]
    Dns {
        /// The name.
        host: String,
        /// The number of addresses found.
        addresses: usize,
    },
    /// `connect.tcp`: one attempt to connect to an address.
    #[non_exhaustive]
    Tcp {
        /// The address.
        address: SocketAddr,
    },
    /// `proxy.connect`: connecting to a proxy and asking it for a connection.
    #[non_exhaustive]
    ProxyConnect {
        /// The proxy, without its credentials.
        proxy: String,
        /// The target it is asked for.
        target: String,
    },
    /// `tls.handshake`: encrypting the stream.
    #[non_exhaustive]
    TlsHandshake {
        /// The name that is sent and verified.
        server_name: String,
        /// The TLS version, such as `TLSv1.3`.
        version: Option<&'static str>,
        /// The protocol that ALPN chose (RFC 7301).
        alpn: Option<String>,
    },
    /// `http.handshake`: making an HTTP connection of a byte stream.
    #[non_exhaustive]
    HttpHandshake {
        /// The HTTP version.
        version: Version,
    },
    /// `request.head`: sending the head of a request.
    #[non_exhaustive]
    RequestHead,
    /// `request.body`: sending the request's body.
    #[non_exhaustive]
    RequestBody {
        /// Bytes sent.
        bytes: u64,
    },
    /// `response.head`: waiting for the head of the response.
    #[non_exhaustive]
    ResponseHead {
        /// The status.
        status: Option<StatusCode>,
    },
    /// `response.body`: reading the response's body.
    #[non_exhaustive]
    ResponseBody {
        /// Bytes received.
        bytes: u64,
    },
}

impl Step {
    /// The name, such as `connect.dns`.
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

/// An event without duration.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Note {
    /// The pair that contains this one.
    pub parent: Option<u64>,
    /// The request.
    pub request: Option<RequestId>,
    /// The connection.
    pub connection: Option<ConnectionId>,
    /// When it occurred, by the clock of the runtime.
    pub at: Instant,
    /// The event.
    pub kind: NoteKind,
}

/// The kind of a [`Note`], with its details. `Display` is its name, such as `connection.idle`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// `response.informational`: a 1xx response arrived (RFC 9110 §15.2).
    #[non_exhaustive]
    Informational {
        /// Its status.
        status: StatusCode,
    },
    /// `request.retry`: the request is sent again.
    #[non_exhaustive]
    Retry {
        /// Why sending it again is safe.
        reason: RetryReason,
    },
    /// `request.body.progress`: parts of the request's body are being sent; at most every 100 ms. A body that comes in one part
    /// has none.
    #[non_exhaustive]
    UploadProgress {
        /// Bytes taken from the body so far.
        bytes: u64,
        /// All its bytes, if that is known.
        total: Option<u64>,
    },
    /// `response.body.progress`: the response's body is being read; at most every 100 ms.
    #[non_exhaustive]
    DownloadProgress {
        /// Bytes of the body read so far, before they are decoded.
        bytes: u64,
        /// All its bytes, if that is known.
        total: Option<u64>,
    },
    /// `connection.idle`: no request uses the connection any more.
    Idle,
    /// `connection.close`: the connection was closed.
    #[non_exhaustive]
    Close {
        /// Why it was closed.
        reason: CloseReason,
        /// How long it was open.
        open_for: Duration,
    },
}

impl NoteKind {
    /// The name, such as `connection.idle`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Informational { .. } => "response.informational",
            Self::Retry { .. } => "request.retry",
            Self::UploadProgress { .. } => "request.body.progress",
            Self::DownloadProgress { .. } => "response.body.progress",
            Self::Idle => "connection.idle",
            Self::Close { .. } => "connection.close",
        }
    }
}

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetryReason {
    /// Nothing of it was written.
    Unsent,
    /// The peer declared that it did not process it, or asked for it in another way.
    Refused,
    /// The connection broke before the response, and the request is idempotent or marked repeatable.
    Broken,
}

/// Why a connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed it, or it broke.
    ByPeer,
    /// It reached the idle timeout.
    Expired,
    /// It reached its maximum age or its maximum number of requests.
    Retired,
    /// It made room for another host, or too many connections were idle.
    Evicted,
    /// Another connection to the same host turned out dead.
    Distrusted,
    /// Its request failed, or was dropped before the end of its response.
    Unfinished,
    /// It was upgraded to another protocol, and has ended.
    Upgraded,
    /// The pool was closed.
    PoolClosed,
}

/// The number of a request, unique in the process. Assigned only if there are listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub(super) u64);

/// The number of a connection, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pool: u32,
    place: u64,
}

impl ConnectionId {
    /// The connection in this slot of this pool.
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

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for RetryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsent => "unsent",
            Self::Refused => "refused",
            Self::Broken => "broken",
        })
    }
}

impl fmt::Display for CloseReason {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_and_reasons_have_the_names_that_are_documented() {
        let total = None;
        let close = NoteKind::Close { reason: CloseReason::Expired, open_for: Duration::ZERO };
        let notes = [
            NoteKind::Informational { status: StatusCode::EARLY_HINTS },
            NoteKind::Retry { reason: RetryReason::Unsent },
            NoteKind::UploadProgress { bytes: 1, total },
            NoteKind::DownloadProgress { bytes: 1, total },
            NoteKind::Idle,
            close,
        ];
        let documented = include_str!("../events.rs");
        for note in notes {
            let name = note.to_string();
            assert!(documented.contains(&format!("`{name}`")), "{name}");
            assert!(include_str!("step.rs").contains(&format!("/// `{name}`: ")), "{name}");
        }
        let reasons = [
            (RetryReason::Unsent, "unsent"),
            (RetryReason::Refused, "refused"),
            (RetryReason::Broken, "broken"),
        ];
        reasons.iter().for_each(|(reason, name)| assert_eq!(reason.to_string(), *name));
        let reasons = [
            (CloseReason::ByPeer, "by peer"),
            (CloseReason::Expired, "expired"),
            (CloseReason::Retired, "retired"),
            (CloseReason::Evicted, "evicted"),
            (CloseReason::Distrusted, "distrusted"),
            (CloseReason::Unfinished, "unfinished"),
            (CloseReason::Upgraded, "upgraded"),
            (CloseReason::PoolClosed, "pool closed"),
        ];
        reasons.iter().for_each(|(reason, name)| assert_eq!(reason.to_string(), *name));
    }
}
