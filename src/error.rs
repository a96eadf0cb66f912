//! Errors: the operation that failed, its target, and whether the request may have been sent.
//!
//! There is one error type. Decide by its predicates, never by its text: the text names the operation and its target,
//! and the cause is the [`source`](std::error::Error::source).

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

mod answer;
mod custom;
mod foreign;
mod kind;

use answer::Reply;
pub(crate) use foreign::{ForeignError, find};
pub(crate) use kind::limit_shown;
pub use kind::{Kind, Phase};

/// Any error, as returned by foreign connectors and bodies.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error of every function and service of this crate.
///
/// Cloning is cheap: one failed connection attempt is reported to every request that waited for it.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # async fn example() -> Result<(), tower_transport::Error> {
/// match tower_transport::request("GET", "https://www.example.com/").await {
///     Ok(response) => println!("{}", response.status()),
///     Err(error) if error.is_timeout() => println!("too slow in {:?}", error.timeout_phase()),
///     Err(error) if error.is_unsent() && !error.is_builder() => println!("may be sent again: {error}"),
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
    /// Shared, because changing a clone copies the report.
    source: Option<Arc<dyn StdError + Send + Sync>>,
    delivery: Delivery,
    proxy: Option<ProxyFault>,
    answer: Option<Box<Reply>>,
}

/// Whether the request may have reached the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Unsent,
    /// A connector failed, so nothing was sent, whatever its error states.
    Unconnected,
    Sent,
    /// A foreign layer or service failed, without a statement.
    Unknown,
}

/// The failure of a proxy.
#[derive(Clone, Debug)]
pub(crate) enum ProxyFault {
    /// It was not reached: another route may work.
    Unreachable,
    /// It closed the connection, violated its protocol, or refused by SOCKS.
    Failed,
    /// The same, where another attempt would fail again.
    Denied,
    /// It refused with this response.
    Refused(Arc<Refusal>),
}

/// The most bytes kept of a refusal's body: enough for an error page.
pub(crate) const REFUSAL_BODY: usize = 64 * 1024;

/// The response of a proxy that refused.
#[derive(Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Its first bytes.
    pub(crate) body: Bytes,
}

impl Error {
    /// A timeout passed; [`timeout_phase`](Self::timeout_phase) returns which.
    pub fn is_timeout(&self) -> bool {
        self.timeout_phase().is_some()
    }

    /// The phase of the timeout that passed.
    pub fn timeout_phase(&self) -> Option<Phase> {
        match self.report.kind {
            Kind::Timeout(phase) => Some(phase),
            _ => None,
        }
    }

    /// No connection could be made: DNS, TCP, a proxy, TLS or the time for all of it failed.
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

    /// An I/O error is among the causes: usually the operating system's, also that of an invalid stream, such as a
    /// malformed chunk.
    pub fn is_io(&self) -> bool {
        self.report.kind == Kind::Io || self.cause::<std::io::Error>().is_some()
    }

    /// A proxy could not be reached, closed the connection, or refused; the origin behind it did not.
    ///
    /// Other predicates hold as well: [`is_tls`](Self::is_tls) if TLS to the proxy failed,
    /// [`is_protocol`](Self::is_protocol) if its response was invalid.
    pub fn is_proxy(&self) -> bool {
        self.report.proxy.is_some()
    }

    /// The status of an HTTP proxy's refusal: 407 if it requires credentials, 403, 502 …
    pub fn proxy_status(&self) -> Option<StatusCode> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// The header of that refusal.
    pub fn proxy_headers(&self) -> Option<&HeaderMap> {
        self.refusal().map(|refusal| &refusal.headers)
    }

    /// The first 64 KiB of the body of that refusal.
    pub fn proxy_body(&self) -> Option<&Bytes> {
        self.refusal().map(|refusal| &refusal.body)
    }

    /// A proxy refused, or violated its protocol, in a way that another attempt would not change.
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

    /// The peer violated HTTP: a malformed or truncated response. A proxy that [refuses](Self::proxy_status) does
    /// not.
    pub fn is_protocol(&self) -> bool {
        self.report.kind == Kind::Protocol && self.refusal().is_none()
    }

    /// The request or the configuration is invalid. Nothing was sent.
    pub fn is_builder(&self) -> bool {
        self.report.kind == Kind::Builder
    }

    /// The peer does not support what the request requires, such as an extended `CONNECT` (RFC 8441). Nothing was
    /// sent; an alternative may work, such as `Upgrade` over HTTP/1.1.
    pub fn is_unsupported(&self) -> bool {
        self.report.kind == Kind::Unsupported
    }

    /// The body of the request failed, or did not match its declared length.
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

    /// The pool's limit of waiting requests is reached.
    pub fn is_queue_full(&self) -> bool {
        self.report.kind == Kind::QueueFull
    }

    /// Any other error, of a layer, service or body outside this crate. It is the [`source`](StdError::source).
    ///
    /// It does not hold where more is known: an error of this crate wrapped by a layer keeps its predicates, and a
    /// layer's timeout (`Elapsed` of tower and tokio with the feature `tower`, or an I/O error of the kind
    /// [`TimedOut`](std::io::ErrorKind::TimedOut)) is a timeout of the phase [`Total`](Phase::Total).
    pub fn is_other(&self) -> bool {
        self.report.kind == Kind::Other
    }

    /// The kind, from which all predicates derive except those about proxies and about sending.
    pub fn kind(&self) -> Kind {
        self.report.kind
    }

    /// Whether bytes of the request may have reached the peer.
    ///
    /// `false` does not mean that sending again is safe: a foreign layer that fails, such as tower's `Timeout`, does
    /// not report the state of the request below it; then neither this nor [`is_unsent`](Self::is_unsent) holds.
    pub fn was_sent(&self) -> bool {
        self.report.delivery == Delivery::Sent
    }

    /// Whether no byte of the request reached the peer: it may be sent again whatever its method. It may still fail the same way:
    /// an invalid request ([`is_builder`](Self::is_builder)) and a refused certificate are unsent, too.
    pub fn is_unsent(&self) -> bool {
        matches!(self.report.delivery, Delivery::Unsent | Delivery::Unconnected)
    }

    /// The first cause of this type, at any depth: of the operating system, of TLS, of a SOCKS proxy.
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

    /// The error of a timeout, with the phase and the limit in its text.
    pub(crate) fn timed_out(phase: Phase, limit: Duration, doing: impl fmt::Display) -> Self {
        let (name, limit) = (phase.name(), limit_shown(limit));
        Self::new(
            Kind::Timeout(phase),
            format!("{doing}: timed out after {limit} ({name} timeout)"),
        )
    }

    pub(crate) fn builder(doing: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Builder, doing)
    }

    /// The error of a future that is polled after its end.
    pub(crate) fn polled_again() -> Self {
        Self::new(Kind::Canceled, "the request was over already")
    }

    /// Wraps the error in that of a larger operation; nothing of the request was sent.
    pub(crate) fn during(self, doing: impl Into<Cow<'static, str>>) -> Self {
        let mut report = Report::clone(&self.report);
        report.doing = doing.into();
        report.source = Some(Arc::new(self));
        Self { report: Arc::new(report) }.sent(false)
    }

    /// The error of a proxy that refused.
    pub(crate) fn refused(doing: impl Into<Cow<'static, str>>, refusal: Refusal) -> Self {
        Self::new(Kind::Connect, doing).by_proxy(ProxyFault::Refused(Arc::new(refusal)))
    }

    /// Whether a proxy was not reached.
    pub(crate) fn is_proxy_unreachable(&self) -> bool {
        matches!(self.report.proxy, Some(ProxyFault::Unreachable))
    }

    /// Sets the failure of a proxy.
    pub(crate) fn by_proxy(self, fault: ProxyFault) -> Self {
        self.rewrite(|report| report.proxy = Some(fault))
    }

    /// Sets whether the request may have reached the peer.
    pub(crate) fn sent(self, sent: bool) -> Self {
        if self.was_sent() == sent && self.is_unsent() != sent {
            return self;
        }
        self.rewrite(|report| report.delivery = Some(sent).into())
    }

    /// Adopts the error of a connector; `doing` describes a foreign one. If it does not state whether the request was
    /// sent, no connection could be made.
    pub(crate) fn from_connector(error: BoxError, doing: impl Into<Cow<'static, str>>) -> Self {
        let error = Self::adopt(error, ForeignError::CONNECTOR, doing);
        match error.report.delivery {
            Delivery::Unknown => error.rewrite(|report| report.delivery = Delivery::Unconnected),
            _ => error,
        }
    }

    /// The [`Error`] inside an I/O error that carried it.
    pub(crate) fn inside(error: &std::io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Changes the report, after copying it if it is shared.
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
    /// Prints the status only: the header may contain another user's cookie or challenge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal").field("status", &self.status).finish_non_exhaustive()
    }
}
