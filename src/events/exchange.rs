//! Events of one request on a connection, seen by the writer and by the reader of the response.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard},
};

use http::{Extensions, StatusCode};

use super::{BodyMeter, Scope, Span, Step};
use crate::{error::Error, lock};

/// A request in progress. Dropping it cancels its open span.
pub(crate) struct ExchangeTrace(Arc<TraceState>);

/// The upload of a request's body.
pub(crate) struct UploadTrace {
    state: Arc<TraceState>,
    /// `None` until the first poll.
    body: Option<BodyMeter>,
}

struct TraceState {
    scope: Scope,
    stage: Mutex<Awaiting>,
}

enum Awaiting {
    Head(Span),
    Waiting(Span),
    Over,
}

impl ExchangeTrace {
    /// Starts `request.head`; `None` without listeners.
    pub(crate) fn begin(extensions: &Extensions) -> Option<Self> {
        let scope = extensions.get::<Scope>()?.clone();
        let head = scope.start(Step::RequestHead);
        Some(Self(Arc::new(TraceState { scope, stage: Mutex::new(Awaiting::Head(head)) })))
    }

    /// A handle for the writer of the body.
    pub(crate) fn upload(&self) -> UploadTrace {
        UploadTrace { state: self.0.clone(), body: None }
    }

    pub(crate) fn head_sent(&self) {
        self.0.head_sent();
    }

    /// Completes `response.head`.
    pub(crate) fn answered(self, status: StatusCode) {
        self.0.head_sent();
        if let Awaiting::Waiting(mut waiting) = self.0.move_on(Awaiting::Over) {
            waiting.record(|step| *step = Step::ResponseHead { status: Some(status) });
            waiting.complete();
        }
    }

    /// Fails the open span.
    pub(crate) fn failed(self, error: &Error) {
        match self.0.move_on(Awaiting::Over) {
            Awaiting::Head(span) | Awaiting::Waiting(span) => span.fail(|| error.clone()),
            Awaiting::Over => {}
        }
    }
}

impl Drop for ExchangeTrace {
    fn drop(&mut self) {
        drop(self.0.move_on(Awaiting::Over));
    }
}

impl TraceState {
    /// Ends `request.head` and starts `response.head`; does nothing the second time.
    fn head_sent(&self) {
        let Some(head) = self.take_head() else { return };
        head.complete();
        let waiting = self.scope.start(Step::ResponseHead { status: None });
        drop(self.move_on(Awaiting::Waiting(waiting)));
    }

    fn take_head(&self) -> Option<Span> {
        match &mut *self.lock() {
            Awaiting::Head(head) => Some(mem::take(head)),
            Awaiting::Waiting(_) | Awaiting::Over => None,
        }
    }

    fn move_on(&self, to: Awaiting) -> Awaiting {
        mem::replace(&mut *self.lock(), to)
    }

    fn lock(&self) -> MutexGuard<'_, Awaiting> {
        lock::lock(&self.stage)
    }
}

impl UploadTrace {
    /// Starts `request.body` at the first poll of the body; the head is sent by then.
    pub(crate) fn begin(&mut self, total: impl FnOnce() -> Option<u64>) {
        if self.body.is_none() {
            self.state.head_sent();
            let span = self.state.scope.start(Step::RequestBody { bytes: 0 });
            self.body = Some(BodyMeter::new(span, total()));
        }
    }

    /// Counts a part of the body.
    pub(crate) fn add(&mut self, bytes: usize, is_last: bool) {
        if let Some(body) = &mut self.body {
            body.add(bytes, is_last);
        }
    }

    pub(crate) fn complete(&mut self) {
        self.body().complete();
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.body().fail(|| error.clone());
    }

    /// Takes the span; the empty one left behind ignores further calls.
    fn body(&mut self) -> Span {
        self.body.replace(BodyMeter::default()).unwrap_or_default().into_span()
    }
}

impl Drop for UploadTrace {
    /// A body that was never polled is empty, and dropped once the head is written.
    fn drop(&mut self) {
        match self.body {
            Some(_) => drop(self.body()),
            None => self.state.head_sent(),
        }
    }
}

impl fmt::Debug for ExchangeTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeTrace").finish_non_exhaustive()
    }
}
