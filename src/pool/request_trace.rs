//! Traces one request, from its call to the end of its response.

use std::mem;

use bytes::Buf;
use http::Response;
use http_body::Frame;

use crate::{
    connection::Progress,
    error::Error,
    events::{self, BodyMeter, ConnectionId, NoteKind, RetryReason, Scope, Span, Step, Timings},
};

/// Spans of a request without a response. Fields drop in this order: the inner span ends first.
pub(super) struct RequestTrace {
    /// `None` while it does not look for a connection.
    acquire: Option<Span>,
    request: Span,
    scope: Scope,
    timings: Option<Timings>,
}

/// Spans of a response that is being read.
pub(super) struct ReadingTrace {
    body: BodyMeter,
    request: Span,
    scope: Scope,
}

impl RequestTrace {
    pub(super) fn new(trace: events::RequestEvents) -> Box<Self> {
        let events::RequestEvents { scope, request, timings } = trace;
        Box::new(Self { acquire: None, request, scope, timings })
    }

    /// Starts the span of the search for a connection, unless it is open already.
    pub(super) fn begin(&mut self) {
        let Self { acquire, scope, .. } = self;
        acquire.get_or_insert_with(|| scope.start(Step::PoolAcquire { reused: None }));
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// Ends the search. Returns the scope of further events, on this connection.
    pub(super) fn acquired(&mut self, connection: ConnectionId, reused: bool) -> Scope {
        let mut acquire = mem::take(&mut self.acquire).unwrap_or_default();
        acquire.on(connection);
        acquire.record(|step| *step = Step::PoolAcquire { reused: Some(reused) });
        acquire.complete();
        self.request.on(connection);
        self.scope = self.scope.on(connection);
        self.scope()
    }

    /// Records a retry and starts another search.
    pub(super) fn retries(&mut self, progress: Progress) {
        let reason = match progress {
            Progress::Unsent => RetryReason::Unsent,
            Progress::Refused => RetryReason::Refused,
            Progress::Sent | Progress::Answered => RetryReason::Broken,
        };
        self.scope.note(NoteKind::Retry { reason });
        self.acquire = Some(self.scope.start(Step::PoolAcquire { reused: None }));
    }

    pub(super) fn failed(self, error: &Error) {
        self.acquire.unwrap_or_default().fail(|| error.clone());
        self.request.fail(|| error.clone());
    }

    pub(super) fn answered<RB>(mut self, response: &mut Response<RB>) -> Box<ReadingTrace> {
        let (answer, of) = (response.status(), response.version());
        self.request.record(|step| {
            if let Step::Request { status, version, .. } = step {
                (*status, *version) = (Some(answer), Some(of));
            }
        });
        if let Some(timings) = self.timings {
            response.extensions_mut().insert(timings);
        }
        let (request, scope) = (self.request, self.scope);
        Box::new(ReadingTrace { body: BodyMeter::default(), request, scope })
    }
}

impl ReadingTrace {
    /// Starts the span of the body, which has so many bytes if that is known.
    pub(super) fn begin(mut self: Box<Self>, total: Option<u64>) -> Box<Self> {
        self.body = BodyMeter::new(self.scope.start(Step::ResponseBody { bytes: 0 }), total);
        self
    }

    /// Records a frame. `None` after the end or an error, when both spans have ended.
    pub(super) fn read<D: Buf>(
        mut self: Box<Self>,
        frame: &Option<Result<Frame<D>, Error>>,
        at_end: bool,
    ) -> Option<Box<Self>> {
        match frame {
            Some(Ok(frame)) => {
                self.body.add(frame.data_ref().map_or(0, Buf::remaining), at_end);
                if !at_end {
                    return Some(self);
                }
                self.ended();
            }
            Some(Err(error)) => self.failed(error),
            None => self.ended(),
        }
        None
    }

    pub(super) fn ended(self) {
        self.body.into_span().complete();
        self.request.complete();
    }

    pub(super) fn failed(self, error: &Error) {
        self.body.into_span().fail(|| error.clone());
        self.request.fail(|| error.clone());
    }
}
