//! One request on an HTTP/1.1 connection: from its first byte to the head of its response.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;

use super::{
    Http1Body,
    body::drain,
    failure::Http1Failure,
    head::Head,
    head_reader::HeadReader,
    request_head::{BodyPlan, Http1Head},
    shared::ConnShared,
    upload::{Http1Upload, UploadError},
    wire::Counts,
};
use crate::{
    connection::Progress,
    error::{BoxError, Error},
    http::{
        exchange::{Extras, Failed, WireExchange},
        prepare::RequestKind,
    },
    rt,
    timeout::{Elapsed, StallTimeout, WaitingFor},
};

/// A request, and what its response is judged by.
///
/// # Cancellation
///
/// Dropping it closes the connection, unless nothing of the request was written.
pub(in crate::http) struct Http1Exchange<B: Body> {
    pub(super) shared: Arc<ConnShared>,
    stage: Stage<B>,
    pub(super) kind: RequestKind,
    /// In the box that its connection keeps for it.
    pub(super) stall: Option<Box<StallTimeout>>,
    /// What the connection had read and written before.
    before: Counts,
    reader: HeadReader,
}

/// How much of the head is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadSent {
    Nothing,
    Some,
    All,
}

enum Stage<B: Body> {
    /// The request cannot be sent here. Boxed: few are.
    Refused(Box<Failed<Request<B>>>),
    /// The request is whole: nothing of it is written, or it has no body and may have to be sent once more.
    Whole {
        request: Request<B>,
        plan: BodyPlan,
        sent: HeadSent,
    },
    /// The body is on its way, or sent.
    Uploading {
        upload: Option<Pin<Box<Http1Upload<B>>>>,
        /// A map with the room of the request's fields, for those of the response.
        recycled: HeaderMap,
    },
    Over,
}

/// Nothing in it is pinned: the body is in a box.
impl<B: Body> Unpin for Http1Exchange<B> {}

impl<B: Body> Http1Exchange<B> {
    /// A request whose head is in the output buffer of a connection that is [busy](super::shared::Phase::Busy) with it.
    #[inline(always)]
    pub(super) fn new(
        shared: Arc<ConnShared>,
        request: Request<B>,
        head: Http1Head,
        (before, stall): (Counts, Box<StallTimeout>),
    ) -> Self {
        let Http1Head { kind, body, .. } = head;
        let stage = Stage::Whole { request, plan: body, sent: HeadSent::Nothing };
        let (stall, reader) = (Some(stall), HeadReader::default());
        Self { shared, stage, kind, stall, before, reader }
    }

    /// A request that comes back as it was.
    pub(super) fn refused(shared: Arc<ConnShared>, failed: Box<Failed<Request<B>>>) -> Self {
        let (stage, kind) = (Stage::Refused(failed), RequestKind::default());
        let (before, reader) = (Counts::default(), HeadReader::default());
        Self { shared, stage, kind, stall: None, before, reader }
    }

    /// Whether nothing of the request is written, though it was begun: the stream had no room.
    fn is_unwritten(&self) -> bool {
        self.shared.lock().wire.counts.written == self.before.written
    }

    /// Whether all of the request is written and flushed, and it has no body.
    fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Whole { sent: HeadSent::All, .. })
    }

    fn progress(&self) -> Progress {
        let counts = self.shared.lock().wire.counts;
        match (counts.written > self.before.written, counts.read > self.before.read) {
            (false, _) => Progress::Unsent,
            (true, false) => Progress::Sent,
            (true, true) => Progress::Answered,
        }
    }

    /// Closes the connection. A request that is whole goes with the error, unless an answer has begun.
    fn end(&mut self, progress: Progress, error: Error) -> Box<Failed<Request<B>>> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        self.shared.abort();
        let request = match stage {
            Stage::Whole { request, .. } if progress < Progress::Answered => Some(request),
            _ => None,
        };
        Failed::new(error, progress, request)
    }

    /// Ready if anything has come, an end included.
    fn poll_quiet(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let seen = state.wire.poll_quiet(cx);
        let old = state.register_reader(cx);
        drop(state);
        drop(old);
        seen
    }
}

impl<B> Http1Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// Makes sure that nothing has come unasked, and begins to write.
    #[inline(always)]
    fn begin(
        &mut self,
        extras: &Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let Stage::Whole { request, sent, .. } = &mut self.stage else { return Ok(()) };
        let is_empty = request.body().is_end_stream();
        let mut state = self.shared.lock();
        let seen = state.wire.poll_quiet(cx);
        // A request without a body is written before anything else can happen to the connection.
        let flushed = match seen.is_pending() && is_empty {
            true => state.wire.poll_flush(cx),
            false => Poll::Pending,
        };
        let old = state.register_reader(cx);
        drop(state);
        drop(old);
        if seen.is_ready() {
            let error = self.shared.closed_error();
            return Err(self.end(Progress::Unsent, error));
        }
        if let Poll::Ready(Err(error)) = flushed {
            return Err(self.fail(Http1Failure::Io(error)));
        }
        *sent = if flushed.is_ready() { HeadSent::All } else { HeadSent::Some };
        match is_empty {
            true if flushed.is_ready() => extras.head_sent(),
            true => {}
            false => self.begin_upload(extras),
        }
        Ok(())
    }

    fn begin_upload(&mut self, extras: &Extras) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Whole { request, plan, .. } => {
                let (parts, body) = request.into_parts();
                let body = extras.checked(body, plan.length);
                let upload = Some(Http1Upload::new(body, plan));
                self.stage = Stage::Uploading { upload, recycled: parts.headers };
            }
            stage => self.stage = stage,
        }
    }

    /// Goes on with the request. Whether its response can come now: before its first byte, it has none.
    fn poll_request(
        &mut self,
        extras: &mut Extras,
        is_first: bool,
        cx: &mut Context<'_>,
    ) -> Result<bool, Http1Failure> {
        if self.is_written() {
            return Ok(!is_first);
        }
        // In the first poll this was asked a moment before.
        let is_unwritten = !is_first && self.is_unwritten();
        if is_unwritten && self.poll_quiet(cx).is_ready() {
            return Err(Http1Failure::Ended);
        }
        self.poll_upload(extras, cx)?;
        Ok(!is_first && !is_unwritten)
    }

    /// Sends the body, or only the head while the body waits for `100 Continue`.
    fn poll_upload(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Http1Failure> {
        let shared = &self.shared;
        let may_send = extras.may_send_body(shared.runtime(), cx);
        let mut no_upload = None;
        let upload = match &mut self.stage {
            Stage::Uploading { upload, .. } => upload,
            _ => &mut no_upload,
        };
        let outcome = match upload {
            Some(upload) if may_send => upload.as_mut().poll(shared, cx),
            _ => shared.lock().wire.poll_flush(cx).map_err(UploadError::Io),
        };
        match outcome {
            Poll::Pending => {
                // What is left goes nowhere, and holds what the caller may wait for.
                if upload.is_some() && shared.lock().wire.write_failed() {
                    *upload = None;
                }
            }
            Poll::Ready(Ok(())) => {
                if may_send {
                    *upload = None;
                }
                if let Stage::Whole { sent, .. } = &mut self.stage {
                    *sent = HeadSent::All;
                }
                extras.head_sent();
            }
            Poll::Ready(Err(error)) => return Err(error.into()),
        }
        Ok(())
    }

    #[inline(always)]
    fn poll_next_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Http1Failure>> {
        let recycled = match &mut self.stage {
            Stage::Whole { request, .. } => request.headers_mut(),
            Stage::Uploading { recycled, .. } => recycled,
            Stage::Refused(_) | Stage::Over => return Poll::Pending,
        };
        let limits = self.shared.limits;
        let mut state = self.shared.lock();
        loop {
            if let Some(head) = self.reader.read(&mut state.wire, limits, self.kind, recycled)? {
                return Poll::Ready(Ok(head));
            }
            if !state.wire.is_open() {
                return Poll::Ready(Err(Http1Failure::Aborted));
            }
            let Poll::Ready(filled) = state.wire.poll_fill(cx, 0) else {
                let old = state.register_reader(cx);
                drop(state);
                drop(old);
                return Poll::Pending;
            };
            match filled {
                Ok(0) => return Poll::Ready(Err(Http1Failure::Ended)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Http1Failure::Io(error))),
            }
        }
    }

    /// Takes what is left of the request out of the exchange, which is over.
    fn take_upload(&mut self) -> Option<Pin<Box<Http1Upload<B>>>> {
        let upload = match &mut self.stage {
            Stage::Uploading { upload, .. } => upload.take(),
            Stage::Whole { .. } | Stage::Refused(_) | Stage::Over => None,
        };
        self.stage = Stage::Over;
        upload.filter(|upload| !upload.must_be_empty())
    }
}

impl<B> WireExchange for Http1Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Request = Request<B>;
    type Head = Head;
    type Body = Http1Body;
    type Failure = Http1Failure;

    fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Whole { sent: HeadSent::Nothing, .. } | Stage::Refused(_))
    }

    #[inline(always)]
    fn poll_begin(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Failed<Request<B>>>>> {
        if let Stage::Refused(_) = self.stage
            && let Stage::Refused(failed) = std::mem::replace(&mut self.stage, Stage::Over)
        {
            return Poll::Ready(Err(failed));
        }
        if self.shared.status.takes_requests() {
            ready!(rt::poll_budget(cx));
        }
        Poll::Ready(self.begin(extras, cx))
    }

    #[inline(always)]
    fn poll_head(
        &mut self,
        extras: &mut Extras,
        is_first: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, Http1Failure>> {
        if !self.poll_request(extras, is_first, cx)? {
            return Poll::Pending;
        }
        loop {
            let head = ready!(self.poll_next_head(cx))?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            let mut response = Response::new(());
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            // It may be what the body waits for.
            if extras.hear(&response) {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn poll_stall(&mut self, extras: &Extras, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let state = self.shared.lock();
        let (is_full, counts) = (state.wire.is_full, state.wire.counts);
        drop(state);
        let awaited =
            match &self.stage {
                _ if is_full => WaitingFor::Upload,
                Stage::Uploading { upload: Some(upload), .. }
                    if !upload.must_be_empty() && !extras.withholds_body() =>
                {
                    if upload.is_starved() { WaitingFor::Caller } else { WaitingFor::Upload }
                }
                _ if counts.read > self.before.read => WaitingFor::ResponseBody,
                _ => WaitingFor::ResponseHead,
            };
        // What is written of a request that is sent says nothing of the peer.
        let moved = match awaited {
            WaitingFor::Upload => counts.read.wrapping_add(counts.written),
            _ => counts.read,
        };
        let Some(stall) = &mut self.stall else { return Poll::Pending };
        stall.poll(awaited, moved, self.shared.runtime(), cx)
    }

    fn status_and_headers(head: &Head) -> (StatusCode, &HeaderMap) {
        (head.status, &head.headers)
    }

    #[inline(always)]
    fn respond(
        &mut self,
        head: Head,
        extras: &Extras,
    ) -> Result<Response<Http1Body>, Http1Failure> {
        let upload = self.take_upload();
        super::response::respond(self, head, upload, extras)
    }

    fn discard(&mut self, head: Head, extras: &Extras) -> Option<Request<B>> {
        if let Ok(response) = self.respond(head, extras) {
            drain(response.into_body());
        }
        None
    }

    fn fail(&mut self, failure: Http1Failure) -> Box<Failed<Request<B>>> {
        let progress = self.progress();
        let failure = match failure {
            Http1Failure::Io(_) if !self.shared.lock().wire.is_open() => Http1Failure::Aborted,
            failure => failure,
        };
        let error = failure.into_error(&self.shared, progress);
        self.end(progress, error)
    }
}

impl<B: Body> Drop for Http1Exchange<B> {
    fn drop(&mut self) {
        match &self.stage {
            Stage::Refused(_) | Stage::Over => {}
            Stage::Whole { sent: HeadSent::Nothing, .. } => {
                let mut state = self.shared.lock();
                state.wire.discard_output();
                state.stall = self.stall.take();
                // The watcher may have been woken in vain while the connection was busy, and the caller may wait for it.
                self.shared.end_response(state);
            }
            Stage::Whole { .. } | Stage::Uploading { .. } => self.shared.abort(),
        }
    }
}

impl From<UploadError> for Http1Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Io(error) => Self::Io(error),
            UploadError::Body(error) => Self::Body(error),
        }
    }
}

impl From<Elapsed> for Http1Failure {
    fn from(elapsed: Elapsed) -> Self {
        Self::TooLate(elapsed)
    }
}

impl<B: Body> fmt::Debug for Http1Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Refused(_) => "refused",
            Stage::Whole { sent: HeadSent::Nothing, .. } => "unsent",
            Stage::Whole { .. } | Stage::Uploading { .. } => "sent",
            Stage::Over => "over",
        };
        f.debug_struct("Http1Exchange").field("stage", &stage).finish()
    }
}
