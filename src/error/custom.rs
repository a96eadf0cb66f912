//! Errors made by users: for pool keys, test doubles, connectors and middleware.

use std::borrow::Cow;

use http::Response;

use super::*;

impl Error {
    /// Makes an error of your own, for a [`keyed`](crate::pool::PoolLayer::keyed) pool, a connector, a test double or
    /// a layer.
    ///
    /// `doing` is its text: the operation and its target, without the cause and without secrets.
    /// [`because`](Self::because) sets the cause, [`with_sent`](Self::with_sent) whether the request was sent, and
    /// [`with_proxy`](Self::with_proxy) or [`proxy_refused`](Self::proxy_refused) that a proxy failed.
    ///
    /// Initially [`is_unsent`](Self::is_unsent) holds for the kinds that occur before sending: `Builder`, `Dns`,
    /// `Connect`, `Unsupported`, `QueueFull`, and `Timeout` of the phases `Pool` and `Connect`. For all others it is
    /// unknown whether the request was sent, unless a connector returns the error: then no connection could be made,
    /// so `is_unsent` and [`is_connect`](Self::is_connect) hold.
    ///
    /// ```
    /// use std::error::Error as _;
    /// use tower_transport::{Error, error::{Kind, Phase}};
    ///
    /// let error = Error::custom(Kind::Builder, "choosing a tenant")
    ///     .because("the request has no `x-tenant` field");
    /// assert!(error.is_builder() && error.is_unsent());
    /// assert_eq!(error.to_string(), "choosing a tenant");
    /// assert!(error.source().is_some());
    ///
    /// let error = Error::custom(Kind::Timeout(Phase::Total), "asking the vault").with_sent(true);
    /// assert!(error.is_timeout() && error.was_sent());
    ///
    /// let error = Error::custom(Kind::Connect, "asking the relay").with_proxy();
    /// assert!(error.is_proxy() && error.is_connect());
    /// ```
    pub fn custom(kind: Kind, doing: impl Into<Cow<'static, str>>) -> Self {
        let sent = kind.is_before_sending().then_some(false);
        Self::new(kind, doing).rewrite(|report| report.delivery = sent.into())
    }

    /// Makes the error of a proxy that refused: [`is_proxy`](Self::is_proxy) and [`is_connect`](Self::is_connect)
    /// hold, and [`proxy_status`](Self::proxy_status), [`proxy_headers`](Self::proxy_headers) and
    /// [`proxy_body`](Self::proxy_body) return those of the response.
    ///
    /// Only the first 64 KiB of the body are kept.
    ///
    /// ```
    /// use http::{Response, StatusCode};
    /// use tower_transport::Error;
    ///
    /// let answer = Response::builder().status(StatusCode::FORBIDDEN).body("no".into()).unwrap();
    /// let error = Error::proxy_refused("asking the relay for example.com", answer);
    /// assert_eq!(error.proxy_status(), Some(StatusCode::FORBIDDEN));
    /// assert!(error.is_proxy() && error.is_connect() && error.is_unsent());
    /// ```
    pub fn proxy_refused(doing: impl Into<Cow<'static, str>>, answer: Response<Bytes>) -> Self {
        let (head, mut body) = answer.into_parts();
        body.truncate(REFUSAL_BODY);
        Self::refused(doing, Refusal { status: head.status, headers: head.headers, body })
    }

    /// Sets the cause: [`source`](StdError::source) returns it.
    pub fn because(self, source: impl Into<BoxError>) -> Self {
        self.rewrite(|report| report.source = Some(source.into().into()))
    }

    /// Sets whether the request may have reached the peer: [`was_sent`](Self::was_sent) or
    /// [`is_unsent`](Self::is_unsent) holds afterwards.
    ///
    /// An error of a kind before sending can be `true` as well, if an earlier attempt of the same request was sent.
    /// `Builder` and `Unsupported` stay unsent: nothing is sent of what they refuse.
    pub fn with_sent(self, sent: bool) -> Self {
        let never = matches!(self.report.kind, Kind::Builder | Kind::Unsupported);
        self.sent(sent && !never)
    }

    /// Attributes the failure to a proxy: [`is_proxy`](Self::is_proxy) holds.
    ///
    /// `Builder` is not changed: an invalid request or configuration is no failure of a proxy.
    pub fn with_proxy(self) -> Self {
        if self.is_builder() || self.is_proxy() {
            return self;
        }
        self.by_proxy(ProxyFault::Failed)
    }
}
