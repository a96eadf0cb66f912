//! The future of one request on a connection, from its first byte to the head of its response.
//!
//! Both versions share it: start the request, send its body, report 1xx, wait for the response head within the limits,
//! handle a proxy's 407, and return a failure with the request's progress. [`WireExchange`] holds the differences between
//! HTTP/1.1 and HTTP/2. Events are recorded here and in [`Extras`].

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Extensions, HeaderMap, Response, StatusCode};

use super::{hop_headers::Authorization, informational::Interim, request_body::LengthChecked};
use crate::{
    connection::{Progress, SendError},
    error::{Error, Phase},
    events::ExchangeTrace,
    rt::Runtime,
    timeout::Elapsed,
};

/// The future of a request on a connection. Nothing of the request is written before the first poll.
///
/// # Cancellation
///
/// Dropping it abandons the request: see the [`WireExchange`] of each version.
pub(super) struct Exchange<W> {
    wire: W,
    extras: Extras,
}

/// One request on the wire of one version.
pub(super) trait WireExchange: Unpin {
    type Request;
    /// The head of a response, before it is one.
    type Head;
    type Body;
    /// Why there is no response.
    type Failure: From<Elapsed>;

    /// Whether [`poll_begin`](Self::poll_begin) was ready.
    fn has_begun(&self) -> bool;

    /// Checks that the connection still takes the request, and starts to write it. An unwritten request comes back whole.
    fn poll_begin(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Failed<Self::Request>>>>;

    /// Continues the request body and reports each 1xx; ready with the response head. In the poll that started the request
    /// (`is_first`), no response can have come yet.
    fn poll_head(
        &mut self,
        extras: &mut Extras,
        is_first: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Head, Self::Failure>>;

    /// Ready when the request has waited for too long. Polled while the head has not come.
    fn poll_stall(&mut self, extras: &Extras, cx: &mut Context<'_>) -> Poll<Elapsed>;

    fn status_and_headers(head: &Self::Head) -> (StatusCode, &HeaderMap);

    /// Turns the head into a response, and decides what becomes of the connection and of an unsent body.
    fn respond(
        &mut self,
        head: Self::Head,
        extras: &Extras,
    ) -> Result<Response<Self::Body>, Self::Failure>;

    /// Discards a response that is not delivered, because the request is sent again. Returns the request if it is whole.
    fn discard(&mut self, head: Self::Head, extras: &Extras) -> Option<Self::Request>;

    /// Ends the request, and decides how far it came.
    fn fail(&mut self, failure: Self::Failure) -> Box<Failed<Self::Request>>;
}

/// A failed request, before its trace and its caller learn of it. Boxed, to keep the success path small.
pub(super) struct Failed<Req> {
    pub(super) error: Error,
    pub(super) progress: Progress,
    pub(super) request: Option<Req>,
}

/// Rarely needed parts of a request.
#[derive(Default)]
pub(super) struct Extras(Option<Box<ExtraParts>>);

/// Boxed, to keep the future small.
struct ExtraParts {
    interim: Option<Box<Interim>>,
    authorization: Option<Box<Authorization>>,
    trace: Option<ExchangeTrace>,
}

impl<W: WireExchange> Exchange<W> {
    #[inline(always)]
    pub(super) fn new(wire: W, extras: Extras) -> Self {
        Self { wire, extras }
    }

    /// Delivers the response, unless a proxy asks for credentials and the request can be sent again with them.
    #[inline]
    fn respond(&mut self, head: W::Head) -> Result<Response<W::Body>, SendError<W::Request>> {
        let (status, headers) = W::status_and_headers(&head);
        if let Err(error) = self.extras.check(status, headers) {
            self.extras.answered(status);
            let (error, progress) = (error.sent(true), Progress::Refused);
            // The refusal has to be read, or its stream reset, before the connection serves the retry.
            let request = self.wire.discard(head, &self.extras);
            return Err(Failed::new(error, progress, request).into());
        }
        match self.wire.respond(head, &self.extras) {
            Ok(response) => {
                self.extras.answered(status);
                Ok(response)
            }
            Err(failure) => Err(self.fail(failure)),
        }
    }

    #[cold]
    fn fail(&mut self, failure: W::Failure) -> SendError<W::Request> {
        let failed = self.wire.fail(failure);
        self.extras.failed(&failed.error);
        failed.into()
    }
}

impl<W: WireExchange> Future for Exchange<W> {
    type Output = Result<Response<W::Body>, SendError<W::Request>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wire, extras } = &mut *self;
        let is_first = !wire.has_begun();
        if is_first && let Err(failed) = ready!(wire.poll_begin(extras, cx)) {
            extras.failed(&failed.error);
            return Poll::Ready(Err(failed.into()));
        }
        // The head before the limit: a response that has arrived wins over a timeout.
        match wire.poll_head(extras, is_first, cx) {
            Poll::Ready(Ok(head)) => return Poll::Ready(self.respond(head)),
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(self.fail(failure))),
            Poll::Pending => {}
        }
        let elapsed = ready!(wire.poll_stall(extras, cx));
        Poll::Ready(Err(self.fail(elapsed.into())))
    }
}

/// The operation that stalled, for its error.
pub(super) fn stalled_at(elapsed: &Elapsed) -> &'static str {
    match elapsed.phase() {
        Phase::Write => "sending a request to",
        _ => "waiting for the answer of",
    }
}

impl Extras {
    /// For a request that is about to be written. Starts its trace.
    #[inline]
    pub(super) fn new(
        extensions: &Extensions,
        interim: Option<Box<Interim>>,
        authorization: Option<Box<Authorization>>,
    ) -> Self {
        let trace = ExchangeTrace::begin(extensions);
        if interim.is_none() && authorization.is_none() && trace.is_none() {
            return Self(None);
        }
        Self(Some(Box::new(ExtraParts { interim, authorization, trace })))
    }

    /// Whether the request has a use for 1xx: a callback, or a held body.
    #[cfg(feature = "http2")]
    pub(super) fn uses_informational(&self) -> bool {
        self.0.as_ref().is_some_and(|extras| extras.interim.is_some())
    }

    /// Whether the body waits for `100 Continue`.
    pub(super) fn is_body_held(&self) -> bool {
        let interim = self.0.as_ref().and_then(|extras| extras.interim.as_ref());
        interim.is_some_and(|interim| interim.is_body_held())
    }

    /// Whether the body may be sent: the peer asked for it, or the limit on the wait has elapsed.
    pub(super) fn may_send_body(&mut self, runtime: &Runtime, cx: &mut Context<'_>) -> bool {
        self.interim().is_none_or(|interim| interim.poll_go_ahead(runtime, cx).is_ready())
    }

    /// Reports a 1xx. Returns whether the request has a use for it.
    pub(super) fn report(&mut self, response: &Response<()>) -> bool {
        let interim = self.interim();
        let is_heard = interim.is_some();
        if let Some(interim) = interim {
            interim.report(response);
        }
        is_heard
    }

    /// Wraps a body to check its length and to trace it.
    pub(super) fn checked<B>(&self, body: B, length: Option<u64>) -> LengthChecked<B> {
        LengthChecked::new(body, length, self.trace().map(ExchangeTrace::upload))
    }

    /// The request head is written, or queued.
    pub(super) fn head_sent(&self) {
        if let Some(trace) = self.trace() {
            trace.head_sent();
        }
    }

    fn answered(&mut self, status: StatusCode) {
        if let Some(trace) = self.take_trace() {
            trace.answered(status);
        }
    }

    fn failed(&mut self, error: &Error) {
        if let Some(trace) = self.take_trace() {
            trace.failed(error);
        }
    }

    /// An error if a proxy asks for credentials, and other ones are available.
    fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
        let authorization = self.0.as_ref().and_then(|extras| extras.authorization.as_ref());
        authorization.map_or(Ok(()), |authorization| authorization.check(status, headers))
    }

    fn interim(&mut self) -> Option<&mut Interim> {
        self.0.as_mut()?.interim.as_deref_mut()
    }

    fn trace(&self) -> Option<&ExchangeTrace> {
        self.0.as_ref()?.trace.as_ref()
    }

    fn take_trace(&mut self) -> Option<ExchangeTrace> {
        self.0.as_mut()?.trace.take()
    }
}

impl<Req> Failed<Req> {
    pub(super) fn new(error: Error, progress: Progress, request: Option<Req>) -> Box<Self> {
        Box::new(Self { error, progress, request })
    }

    /// Nothing of the request was written.
    #[cfg(feature = "http1")]
    pub(super) fn unsent(error: Error, request: Req) -> Box<Self> {
        Self::new(error, Progress::Unsent, Some(request))
    }

    /// It failed at this progress, and does not come back.
    #[cfg(feature = "http2")]
    pub(super) fn after(progress: Progress, error: Error) -> Box<Self> {
        Self::new(error, progress, None)
    }
}

impl<Req> From<Box<Failed<Req>>> for SendError<Req> {
    fn from(failed: Box<Failed<Req>>) -> Self {
        let Failed { error, progress, request } = *failed;
        Self { error: error.into(), progress, request }
    }
}

impl<W: fmt::Debug> fmt::Debug for Exchange<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.wire).finish()
    }
}
