//! What went wrong, for whom, and whether the request may have reached anyone.
//!
//! There is one error type. Decide by its predicates, never by its text: the text says what was being done and for
//! whom, and the cause below it is the [`source`](std::error::Error::source).

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

mod answer;
mod custom;
mod foreign;
mod kind;

use answer::Reply;
pub(crate) use foreign::{ForeignError, find};
pub use kind::{Kind, Phase};

/// Any error at all, as connectors and bodies of others bring it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of every function and service of this crate.
///
/// It is cheap to clone, because one failed connection attempt is told to every request that waited for it.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn example() -> Result<(), tower_transport::Error> {
/// match tower_transport::request("GET", "https://www.example.com/").await {
///     Ok(response) => println!("{}", response.status()),
///     Err(error) if error.is_timeout() => println!("too slow in {:?}", error.timeout_phase()),
///     Err(error) if error.is_unsent() => println!("may be sent again: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Error {
    report: Arc<Report>,
}

#[derive(Clone)]
struct Report {
    kind: Kind,
    doing: Cow<'static, str>,
    /// Shared, because a report is copied when only some of its holders change it.
    source: Option<Arc<dyn StdError + Send + Sync>>,
    delivery: Delivery,
    proxy: Option<ProxyFault>,
    answer: Option<Box<Reply>>,
}

/// Whether the request may have reached the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Unsent,
    /// A connector failed, so nothing was sent, whatever its error says.
    Unconnected,
    Sent,
    /// A layer or service failed that does not say.
    Unknown,
}

/// What a proxy did instead of letting us through.
#[derive(Clone, Debug)]
pub(crate) enum ProxyFault {
    /// Nothing was heard of it: another may do.
    Unreachable,
    /// It broke off, or did not speak its protocol, or said no in the words of SOCKS.
    Failed,
    /// The same, in a way that asking again would not change.
    Denied,
    /// It answered with this.
    Refused(Arc<Refusal>),
}

/// How much of the body of a refusal is kept: enough for an error page.
pub(crate) const REFUSAL_BODY: usize = 64 * 1024;

/// The answer of a proxy that is no tunnel.
#[derive(Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The beginning of it.
    pub(crate) body: Bytes,
}

impl Error {
    /// A timeout ran out; [`timeout_phase`](Self::timeout_phase) says which.
    pub fn is_timeout(&self) -> bool {
        self.timeout_phase().is_some()
    }

    /// What the timeout that ran out was waiting for.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self.report.kind {
            Kind::Timeout(phase) => Some(phase),
            _ => None,
        }
    }

    /// No connection could be made: the name, the address, a proxy, TLS or the time for all of it failed.
    pub fn is_connect(&self) -> bool {
        match self.report.kind {
            Kind::Dns | Kind::Connect | Kind::Timeout(Phase::Connect) => true,
            // A server may refuse a client certificate after the request was sent (RFC 8446 §4.4.2.4).
            Kind::Tls => !self.was_sent(),
            _ if self.report.delivery == Delivery::Unconnected => true,
            _ => self.report.proxy.is_some() && !self.was_sent(),
        }
    }

    /// The name of the host could not be resolved.
    pub fn is_dns(&self) -> bool {
        self.report.kind == Kind::Dns
    }

    /// TLS failed, or the certificate was refused.
    pub fn is_tls(&self) -> bool {
        self.report.kind == Kind::Tls
    }

    /// An I/O error is the cause, near or far: mostly the operating system's, but also of what was read as a stream, like a
    /// broken chunk.
    pub fn is_io(&self) -> bool {
        self.report.kind == Kind::Io || self.cause::<std::io::Error>().is_some()
    }

    /// A proxy on the way could not be reached, broke off, or refused; not the origin behind it.
    ///
    /// The other predicates say how: [`is_tls`](Self::is_tls) that TLS to the proxy failed, [`is_protocol`](Self::is_protocol)
    /// that its answer was none.
    pub fn is_proxy(&self) -> bool {
        self.report.proxy.is_some()
    }

    /// The status with which an HTTP proxy refused: 407 if it wants to know who we are, 403, 502 …
    pub fn proxy_status(&self) -> Option<StatusCode> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// The header of that refusal.
    pub fn proxy_headers(&self) -> Option<&HeaderMap> {
        self.refusal().map(|refusal| &refusal.headers)
    }

    /// The beginning of the body of that refusal, 64 KiB of it at the most.
    pub fn proxy_body(&self) -> Option<&Bytes> {
        self.refusal().map(|refusal| &refusal.body)
    }

    /// A proxy said no for good, or does not speak its protocol: asking it again would not help.
    pub(crate) fn is_denied(&self) -> bool {
        match &self.report.proxy {
            Some(ProxyFault::Denied) => true,
            Some(ProxyFault::Refused(refusal)) => !refusal.status.is_server_error(),
            _ => false,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.report.proxy {
            Some(ProxyFault::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// The peer did not keep to HTTP: a malformed or truncated answer. A proxy that [refuses](Self::proxy_status) does.
    pub fn is_protocol(&self) -> bool {
        self.report.kind == Kind::Protocol && self.refusal().is_none()
    }

    /// The request itself, or the configuration, is not valid. Nothing was sent.
    pub fn is_builder(&self) -> bool {
        self.report.kind == Kind::Builder
    }

    /// The peer does not do what the request asks of it, an extended `CONNECT` (RFC 8441). Nothing was sent; there may be
    /// another way, like `Upgrade` over HTTP/1.1.
    pub fn is_unsupported(&self) -> bool {
        self.report.kind == Kind::Unsupported
    }

    /// The body of the request failed, or was longer or shorter than it said.
    pub fn is_body(&self) -> bool {
        self.report.kind == Kind::Body
    }

    /// The work ended before its result: the runtime or the task of the connection ended, or the connection was closed
    /// before the request began, for which [`is_io`](Self::is_io) holds as well.
    pub fn is_canceled(&self) -> bool {
        self.report.kind == Kind::Canceled
    }

    /// The transport was closed.
    pub fn is_closed(&self) -> bool {
        self.report.kind == Kind::Closed
    }

    /// As many requests wait for a connection as the pool lets wait.
    pub fn is_queue_full(&self) -> bool {
        self.report.kind == Kind::QueueFull
    }

    /// Any other error: of a layer, service or body that is not of this crate. It is the [`source`](StdError::source).
    ///
    /// It does not hold where more is known: an error of this crate inside a layer's own error keeps its predicates, and a
    /// layer's timeout (`Elapsed` of tower and tokio with the feature `tower`, or an I/O error of the kind
    /// [`TimedOut`](std::io::ErrorKind::TimedOut)) is a timeout of the phase [`Total`](Phase::Total).
    pub fn is_other(&self) -> bool {
        self.report.kind == Kind::Other
    }

    /// What all predicates but those about proxies and about sending are derived from.
    pub fn kind(&self) -> Kind {
        self.report.kind
    }

    /// Whether it is known that bytes of the request may have reached the peer.
    ///
    /// `false` is not yet leave to send the request again: a foreign layer that fails, tower's `Timeout` for example, does
    /// not say what became of the request below it, and then neither this nor [`is_unsent`](Self::is_unsent) holds.
    pub fn was_sent(&self) -> bool {
        self.report.delivery == Delivery::Sent
    }

    /// Whether it is known that no byte of the request reached the peer: it may be sent again whatever its method.
    pub fn is_unsent(&self) -> bool {
        matches!(self.report.delivery, Delivery::Unsent | Delivery::Unconnected)
    }

    /// The first cause of this type, however deep below: of the operating system, of TLS, of a SOCKS proxy.
    ///
    /// ```
    /// use tower_transport::proxy::Socks5Error;
    ///
    /// fn is_forbidden(error: &tower_transport::Error) -> bool {
    ///     error.cause() == Some(&Socks5Error::NotAllowed)
    /// }
    /// ```
    pub fn cause<E: StdError + 'static>(&self) -> Option<&E> {
        self.source().and_then(find)
    }

    pub(crate) fn new(kind: Kind, doing: impl Into<Cow<'static, str>>) -> Self {
        let report = Report {
            kind,
            doing: doing.into(),
            source: None,
            delivery: Delivery::Unsent,
            proxy: None,
            answer: None,
        };
        Self { report: Arc::new(report) }
    }

    /// A timeout ran out. The text says which, and its limit.
    pub(crate) fn timed_out(phase: Phase, limit: Duration, doing: impl fmt::Display) -> Self {
        let (name, limit) = (phase.name(), kind::shown(limit));
        Self::new(
            Kind::Timeout(phase),
            format!("{doing}: timed out after {limit} ({name} timeout)"),
        )
    }

    pub(crate) fn builder(doing: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Builder, doing)
    }

    /// The same under the name of what was done at large, with itself as the cause; nothing of the request was sent.
    pub(crate) fn during(self, doing: impl Into<Cow<'static, str>>) -> Self {
        let mut report = Report::clone(&self.report);
        report.doing = doing.into();
        report.source = Some(Arc::new(self));
        Self { report: Arc::new(report) }.sent(false)
    }

    /// A proxy said no.
    pub(crate) fn refused(doing: impl Into<Cow<'static, str>>, refusal: Refusal) -> Self {
        Self::new(Kind::Connect, doing).by_proxy(ProxyFault::Refused(Arc::new(refusal)))
    }

    /// Whether nothing was heard of a proxy.
    pub(crate) fn is_proxy_unreachable(&self) -> bool {
        matches!(self.report.proxy, Some(ProxyFault::Unreachable))
    }

    /// Says that it was a proxy.
    pub(crate) fn by_proxy(self, fault: ProxyFault) -> Self {
        self.rewrite(|report| report.proxy = Some(fault))
    }

    /// Says whether the request may have reached the peer.
    pub(crate) fn sent(self, sent: bool) -> Self {
        if self.was_sent() == sent && self.is_unsent() != sent {
            return self;
        }
        self.rewrite(|report| report.delivery = Some(sent).into())
    }

    /// An error of a connector, under the name of what was done unless it is ours. One that does not say whether the request
    /// was sent is that of a connection that could not be made.
    pub(crate) fn from_connector(error: BoxError, doing: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::adopt(error, ForeignError::CONNECTOR, doing);
        match error.report.delivery {
            Delivery::Unknown => error.rewrite(|report| report.delivery = Delivery::Unconnected),
            _ => error,
        }
    }

    /// An error of ours that came as an I/O error, because it had to pass as one.
    pub(crate) fn inside(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Changes the report; one that others hold as well is copied first.
    fn rewrite(mut self, change: impl FnOnce(&mut Report)) -> Self {
        change(Arc::make_mut(&mut self.report));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report.doing)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { kind, doing, source, delivery, proxy, answer } = &*self.report;
        let mut out = f.debug_struct("Error");
        out.field("kind", kind).field("doing", doing).field("delivery", delivery);
        if let Some(proxy) = proxy {
            out.field("proxy", proxy);
        }
        if let Some(answer) = answer {
            out.field("answer", answer);
        }
        if let Some(source) = source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.report.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

impl fmt::Debug for Refusal {
    /// The status alone: the header may hold a cookie or a challenge that is nobody else's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status).finish_non_exhaustive()
    }
}
