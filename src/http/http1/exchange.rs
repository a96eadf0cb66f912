//! One request under way: from its first byte to the head of its response.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;

use super::{
    Http1Body,
    failure::Failure,
    head::{Head, RequestKind},
    head_reader::HeadReader,
    prepare::{BodyPlan, Prepared},
    shared::ConnShared,
    upload::{Upload, UploadError},
    wire::Counts,
};
use crate::{
    body::LengthChecked,
    connection::{Progress, SendError},
    error::{BoxError, Phase as Waited},
    events::{Sent, Upload as UploadTrace},
    http::{hop_headers::HopHeaders, informational::Interim},
    rt,
    timeout::{Elapsed, StallTimeout, WaitingFor},
};

/// The future of a request on an HTTP/1.1 connection, and what its response is judged by. Nothing is written before it is
/// polled.
///
/// # Cancellation
///
/// Dropping it closes the connection, unless nothing of the request was written.
pub(crate) struct Exchange<B: Body> {
    pub(super) shared: Arc<ConnShared>,
    stage: Stage<B>,
    pub(super) kind: RequestKind,
    /// In the box that its connection keeps for it.
    pub(super) stall: Option<Box<StallTimeout>>,
    pub(super) rare: Option<Box<Rare>>,
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
    Refused(Box<SendError<Request<B>>>),
    /// The request is whole: nothing of it is written, or it has no body and may have to be sent once more.
    Whole {
        request: Request<B>,
        plan: BodyPlan,
        sent: HeadSent,
    },
    /// The body is on its way, or sent.
    Uploading {
        upload: Option<Pin<Box<Upload<B>>>>,
        /// A map with the room of the request's fields, for those of the response.
        recycled: HeaderMap,
    },
    Over,
}

/// What few requests have. Boxed, it keeps the future small.
pub(super) struct Rare {
    pub(super) interim: Option<Box<Interim>>,
    pub(super) hop: Option<Box<HopHeaders>>,
    pub(super) trace: Option<Sent>,
    upload_trace: Option<Box<UploadTrace>>,
}

mod ending;

type Outcome<B> = Result<Response<Http1Body>, SendError<Request<B>>>;

impl<B> Future for Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Outcome<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.stage {
            Stage::Whole { sent: HeadSent::Nothing, .. } => self.poll_first(cx),
            Stage::Whole { .. } | Stage::Uploading { .. } => self.poll_sent(cx),
            Stage::Refused(_) => self.poll_refused(),
            Stage::Over => Poll::Pending,
        }
    }
}

/// Nothing in it is pinned: the body is in a box.
impl<B: Body> Unpin for Exchange<B> {}

impl<B> Exchange<B>
where
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    /// A request whose head is in the output buffer of a connection that is [busy](super::shared::Phase::Busy) with it.
    #[inline(always)]
    pub(super) fn new(
        shared: Arc<ConnShared>,
        request: Request<B>,
        prepared: Prepared,
        interim: Option<Box<Interim>>,
        (before, stall): (Counts, Box<StallTimeout>),
    ) -> Self {
        let Prepared { kind, body, hop, .. } = prepared;
        let trace = Sent::begin(request.extensions());
        let is_rare = interim.is_some() || hop.is_some() || trace.is_some();
        let rare = is_rare.then(|| {
            let upload_trace = trace.as_ref().map(|trace| Box::new(trace.upload()));
            Box::new(Rare { interim, hop, trace, upload_trace })
        });
        Self {
            shared,
            stage: Stage::Whole { request, plan: body, sent: HeadSent::Nothing },
            kind,
            stall: Some(stall),
            rare,
            before,
            reader: HeadReader::default(),
        }
    }

    /// A request that comes back as it was.
    pub(super) fn refused(shared: Arc<ConnShared>, error: SendError<Request<B>>) -> Self {
        Self {
            shared,
            stage: Stage::Refused(Box::new(error)),
            kind: RequestKind::default(),
            stall: None,
            rare: None,
            before: Counts::default(),
            reader: HeadReader::default(),
        }
    }

    fn poll_refused(&mut self) -> Poll<Outcome<B>> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Refused(error) => Poll::Ready(Err(*error)),
            _ => Poll::Pending,
        }
    }

    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<B>> {
        if self.shared.status.takes_requests() {
            ready!(rt::poll_budget(cx));
        }
        if let Err(error) = self.begin(cx) {
            return Poll::Ready(Err(error));
        }
        // What has come was asked for just now, and the waker was left there.
        if !self.is_written()
            && let Err(failure) = self.poll_upload(cx)
        {
            return Poll::Ready(Err(self.fail(failure)));
        }
        let elapsed = ready!(self.poll_stall(cx));
        Poll::Ready(Err(self.time_out(elapsed)))
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<B>> {
        if !self.is_written() {
            // Before its first byte, a request has no answer.
            let is_unwritten = self.is_unwritten();
            if is_unwritten && self.poll_quiet(cx).is_ready() {
                return Poll::Ready(Err(self.fail(Failure::Ended)));
            }
            if let Err(failure) = self.poll_upload(cx) {
                return Poll::Ready(Err(self.fail(failure)));
            }
            if is_unwritten {
                let elapsed = ready!(self.poll_stall(cx));
                return Poll::Ready(Err(self.time_out(elapsed)));
            }
        }
        match self.poll_head(cx) {
            Poll::Ready(Ok(head)) => return Poll::Ready(self.respond(head)),
            Poll::Ready(Err(failure)) => return Poll::Ready(Err(self.fail(failure))),
            Poll::Pending => {}
        }
        let elapsed = ready!(self.poll_stall(cx));
        Poll::Ready(Err(self.time_out(elapsed)))
    }

    /// Makes sure that nothing has come that nobody asked for, and begins to write.
    fn begin(&mut self, cx: &mut Context<'_>) -> Result<(), SendError<Request<B>>> {
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
            return Err(self.fail(Failure::Io(error)));
        }
        *sent = if flushed.is_ready() { HeadSent::All } else { HeadSent::Some };
        match is_empty {
            true if flushed.is_ready() => self.end_upload_trace(),
            true => {}
            false => self.begin_upload(),
        }
        Ok(())
    }

    fn begin_upload(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Whole { request, plan, .. } => {
                let (parts, body) = request.into_parts();
                let upload = Some(self.upload(body, plan));
                self.stage = Stage::Uploading { upload, recycled: parts.headers };
            }
            stage => self.stage = stage,
        }
    }

    fn upload(&mut self, body: B, plan: BodyPlan) -> Pin<Box<Upload<B>>> {
        let mut body = LengthChecked::new(body, plan.length);
        if let Some(trace) = self.rare.as_mut().and_then(|rare| rare.upload_trace.take()) {
            body.tell(*trace);
        }
        Upload::new(body, plan)
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

    /// Whether nothing of the request is written, though it was begun: the stream had no room.
    fn is_unwritten(&self) -> bool {
        self.shared.lock().wire.counts.written == self.before.written
    }

    /// Sends the body, or only the head while the body waits for `100 Continue`.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let shared = &self.shared;
        let interim = self.rare.as_mut().and_then(|rare| rare.interim.as_mut());
        let may_send =
            interim.is_none_or(|interim| interim.poll_go_ahead(shared.runtime(), cx).is_ready());
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
                self.end_upload_trace();
            }
            Poll::Ready(Err(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether all of the request is written and flushed, and it has no body.
    fn is_written(&self) -> bool {
        matches!(self.stage, Stage::Whole { sent: HeadSent::All, .. })
    }

    fn end_upload_trace(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.upload_trace = None;
        }
    }

    /// Ready with the head of the response. Those of 1xx are reported as they come.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        loop {
            let head = ready!(self.poll_next_head(cx))?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Poll::Ready(Ok(head));
            }
            self.hear(head, cx);
        }
    }

    fn poll_next_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
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
                return Poll::Ready(Err(Failure::Aborted));
            }
            let Poll::Ready(filled) = state.wire.poll_fill(cx, 0) else {
                let old = state.register_reader(cx);
                drop(state);
                drop(old);
                return Poll::Pending;
            };
            match filled {
                Ok(0) => return Poll::Ready(Err(Failure::Ended)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Failure::Io(error))),
            }
        }
    }

    /// Reports a 1xx. It may be what the body waits for.
    fn hear(&mut self, head: Head, cx: &mut Context<'_>) {
        let Some(interim) = self.rare.as_mut().and_then(|rare| rare.interim.as_mut()) else {
            return;
        };
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        interim.hear(&response);
        cx.waker().wake_by_ref();
    }

    fn respond(&mut self, head: Head) -> Outcome<B> {
        let upload = match &mut self.stage {
            Stage::Uploading { upload, .. } => upload.take(),
            Stage::Whole { .. } | Stage::Refused(_) | Stage::Over => None,
        };
        self.stage = Stage::Over;
        super::response::respond(self, head, upload.filter(|upload| !upload.must_be_empty()))
    }

    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let state = self.shared.lock();
        let (is_full, counts) = (state.wire.is_full, state.wire.counts);
        drop(state);
        let awaited = match &self.stage {
            _ if is_full => WaitingFor::Upload,
            Stage::Uploading { upload: Some(upload), .. }
                if !upload.must_be_empty() && !self.withholds_body() =>
            {
                if upload.is_starved() {
                    WaitingFor::Caller
                } else {
                    WaitingFor::Upload
                }
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

    fn time_out(&mut self, elapsed: Elapsed) -> SendError<Request<B>> {
        let doing = match elapsed.phase() {
            Waited::Write => "sending a request to",
            _ => "waiting for the answer of",
        };
        let error = elapsed.into_error(self.shared.doing(doing));
        self.end(self.progress(), error)
    }
}

impl<B: Body> fmt::Debug for Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Refused(_) => "refused",
            Stage::Whole { sent: HeadSent::Nothing, .. } => "unsent",
            Stage::Whole { .. } | Stage::Uploading { .. } => "sent",
            Stage::Over => "over",
        };
        f.debug_struct("Exchange").field("stage", &stage).finish()
    }
}
