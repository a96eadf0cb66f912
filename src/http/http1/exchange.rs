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
    wire::ByteCounts,
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

/// A request, from its first byte to the head of its response.
///
/// # Cancellation
///
/// Dropping it closes the connection, unless nothing of the request was written.
pub(in crate::http) struct Http1Exchange<B: Body> {
    pub(super) shared: Arc<ConnShared>,
    stage: RequestStage<B>,
    pub(super) kind: RequestKind,
    /// In the box that the connection reuses.
    pub(super) stall: Option<Box<StallTimeout>>,
    /// The connection's byte counts at the start.
    before: ByteCounts,
    reader: HeadReader,
}

/// How much of the head is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadSent {
    Nothing,
    Some,
    All,
}

enum RequestStage<B: Body> {
    /// The request cannot be sent here. Boxed: rare.
    Refused(Box<Failed<Request<B>>>),
    /// The request is whole: nothing of it is written, or it has no body and may have to be sent again.
    Buffered {
        request: Request<B>,
        plan: BodyPlan,
        sent: HeadSent,
    },
    /// The body is being sent, or was sent.
    Uploading {
        upload: Option<Pin<Box<Http1Upload<B>>>>,
        /// The request's map, reused for the fields of the response.
        recycled: HeaderMap,
    },
    Over,
}

/// Nothing in it is pinned: the body is boxed.
impl<B: Body> Unpin for Http1Exchange<B> {}

impl<B: Body> Http1Exchange<B> {
    /// The head is in the output buffer, and the connection is [busy](super::shared::ConnPhase::Busy).
    #[inline(always)]
    pub(super) fn new(
        shared: Arc<ConnShared>,
        request: Request<B>,
        head: Http1Head,
        (before, stall): (ByteCounts, Box<StallTimeout>),
    ) -> Self {
        let Http1Head { kind, body, .. } = head;
        let stage = RequestStage::Buffered { request, plan: body, sent: HeadSent::Nothing };
        let (stall, reader) = (Some(stall), HeadReader::default());
        Self { shared, stage, kind, stall, before, reader }
    }

    /// A request that comes back unchanged.
    pub(super) fn refused(shared: Arc<ConnShared>, failed: Box<Failed<Request<B>>>) -> Self {
        let (stage, kind) = (RequestStage::Refused(failed), RequestKind::default());
        let (before, reader) = (ByteCounts::default(), HeadReader::default());
        Self { shared, stage, kind, stall: None, before, reader }
    }

    /// Whether nothing of a started request is written: the stream had no room.
    fn is_unwritten(&self) -> bool {
        self.shared.lock().wire.counts.written == self.before.written
    }

    /// Whether the request is written and flushed, and has no body.
    fn is_written(&self) -> bool {
        matches!(self.stage, RequestStage::Buffered { sent: HeadSent::All, .. })
    }

    fn progress(&self) -> Progress {
        let counts = self.shared.lock().wire.counts;
        match (counts.written > self.before.written, counts.read > self.before.read) {
            (false, _) => Progress::Unsent,
            (true, false) => Progress::Sent,
            (true, true) => Progress::Answered,
        }
    }

    /// Closes the connection. The error carries a whole request, unless a response has begun.
    fn end(&mut self, progress: Progress, error: Error) -> Box<Failed<Request<B>>> {
        let stage = std::mem::replace(&mut self.stage, RequestStage::Over);
        self.stall = None;
        self.shared.abort();
        let request = match stage {
            RequestStage::Buffered { request, .. } if progress < Progress::Answered => {
                Some(request)
            }
            _ => None,
        };
        Failed::new(error, progress, request)
    }

    /// Ready if anything was received, including the end.
    fn poll_received(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        let seen = state.wire.poll_received(cx);
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
    /// Checks that nothing unsolicited was received, and starts to write.
    #[inline(always)]
    fn begin(
        &mut self,
        extras: &Extras,
        cx: &mut Context<'_>,
    ) -> Result<(), Box<Failed<Request<B>>>> {
        let RequestStage::Buffered { plan, sent, .. } = &mut self.stage else { return Ok(()) };
        let is_empty = plan.is_empty;
        let mut state = self.shared.lock();
        let seen = state.wire.poll_received(cx);
        // Without a body, the head is written under the same lock as the check.
        let flushed = match seen.is_pending() && is_empty {
            true => state.wire.poll_flush(cx),
            false => Poll::Pending,
        };
        let old = state.register_reader(cx);
        drop(state);
        drop(old);
        // Bytes, or the end, came before the request: they are no response to it (RFC 9112 §9.2).
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
        match std::mem::replace(&mut self.stage, RequestStage::Over) {
            RequestStage::Buffered { request, plan, .. } => {
                let (parts, body) = request.into_parts();
                let body = extras.checked(body, plan.length);
                let upload = Some(Http1Upload::new(body, plan));
                self.stage = RequestStage::Uploading { upload, recycled: parts.headers };
            }
            stage => self.stage = stage,
        }
    }

    /// Continues the request. Returns whether a response may be read: not before the request's first byte is written.
    fn poll_request(
        &mut self,
        extras: &mut Extras,
        is_first: bool,
        cx: &mut Context<'_>,
    ) -> Result<bool, Http1Failure> {
        // After its end the connection may serve another request.
        if matches!(self.stage, RequestStage::Over) {
            return Ok(false);
        }
        if self.is_written() {
            return Ok(!is_first);
        }
        // The first poll has just checked this in `begin`.
        let is_unwritten = !is_first && self.is_unwritten();
        if is_unwritten && self.poll_received(cx).is_ready() {
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
            RequestStage::Uploading { upload, .. } => upload,
            _ => &mut no_upload,
        };
        let outcome = match upload {
            Some(upload) if may_send => upload.as_mut().poll(shared, cx),
            _ => shared.lock().wire.poll_flush(cx).map_err(UploadError::Io),
        };
        match outcome {
            Poll::Pending => {
                // The rest cannot be sent. Drop the body now: it may hold something the caller waits for.
                if upload.is_some() && shared.lock().wire.write_failed() {
                    *upload = None;
                }
            }
            Poll::Ready(Ok(())) => {
                if may_send {
                    *upload = None;
                }
                if let RequestStage::Buffered { sent, .. } = &mut self.stage {
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
            RequestStage::Buffered { request, .. } => request.headers_mut(),
            RequestStage::Uploading { recycled, .. } => recycled,
            RequestStage::Refused(_) | RequestStage::Over => return Poll::Pending,
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
            // Under the same lock as the read, so that an abort either closes the wire before it or wakes this task.
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

    /// Takes the unsent rest of the request, and ends the exchange.
    fn take_upload(&mut self) -> Option<Pin<Box<Http1Upload<B>>>> {
        let upload = match &mut self.stage {
            RequestStage::Uploading { upload, .. } => upload.take(),
            RequestStage::Buffered { .. } | RequestStage::Refused(_) | RequestStage::Over => None,
        };
        self.stage = RequestStage::Over;
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
        !matches!(
            self.stage,
            RequestStage::Buffered { sent: HeadSent::Nothing, .. } | RequestStage::Refused(_)
        )
    }

    #[inline(always)]
    fn poll_begin(
        &mut self,
        extras: &mut Extras,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Box<Failed<Request<B>>>>> {
        if let RequestStage::Refused(_) = self.stage
            && let RequestStage::Refused(failed) =
                std::mem::replace(&mut self.stage, RequestStage::Over)
        {
            return Poll::Ready(Err(failed));
        }
        // Without budget a tokio stream looks quiet, and `begin` would miss the peer's close.
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
            // It may be the 100 that the body waits for.
            if extras.report(&response) {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn poll_stall(&mut self, extras: &Extras, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let state = self.shared.lock();
        let (is_full, counts) = (state.wire.is_full, state.wire.counts);
        drop(state);
        let awaited = match &self.stage {
            _ if is_full => WaitingFor::Upload,
            RequestStage::Uploading { upload: Some(upload), .. }
                if !upload.must_be_empty() && !extras.is_body_held() =>
            {
                if upload.is_body_pending() { WaitingFor::Caller } else { WaitingFor::Upload }
            }
            _ if counts.read > self.before.read => WaitingFor::ResponseBody,
            _ => WaitingFor::ResponseHead,
        };
        // After the request is sent, writes say nothing about the peer.
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
            // The error is a consequence of our own abort.
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
            RequestStage::Refused(_) | RequestStage::Over => {}
            RequestStage::Buffered { sent: HeadSent::Nothing, .. } => {
                let mut state = self.shared.lock();
                // Nothing of the head was written: without it the connection is as before.
                state.wire.discard_output();
                state.stall = self.stall.take();
                // While busy, a wake of the watcher was ignored; and the caller may wait for the idle connection.
                self.shared.end_response(state);
            }
            RequestStage::Buffered { .. } | RequestStage::Uploading { .. } => self.shared.abort(),
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
            RequestStage::Refused(_) => "refused",
            RequestStage::Buffered { sent: HeadSent::Nothing, .. } => "unsent",
            RequestStage::Buffered { .. } | RequestStage::Uploading { .. } => "sent",
            RequestStage::Over => "over",
        };
        f.debug_struct("Http1Exchange").field("stage", &stage).finish()
    }
}
