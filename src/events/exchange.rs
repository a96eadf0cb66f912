//! A request on a connection, as the one who writes it and the one who waits for its answer see it.

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard},
};

use http::{Extensions, StatusCode};

use super::{Scope, Span, Step};
use crate::{error::Error, lock};

/// A request that is on its way: it has been sent, and its answer is waited for. Dropped, it was given up.
pub(crate) struct ExchangeTrace(Arc<TraceState>);

/// The content of a request, as it is taken to be sent.
pub(crate) struct UploadTrace {
    state: Arc<TraceState>,
    body: Option<Span>,
    bytes: u64,
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
    /// Starts the head of a request, if somebody wants to be told of it.
    pub(crate) fn begin(extensions: &Extensions) -> Option<Self> {
        let scope = extensions.get::<Scope>()?.clone();
        let head = scope.start(Step::RequestHead);
        Some(Self(Arc::new(TraceState { scope, stage: Mutex::new(Awaiting::Head(head)) })))
    }

    /// What sends its content tells by this.
    pub(crate) fn upload(&self) -> UploadTrace {
        UploadTrace { state: self.0.clone(), body: None, bytes: 0 }
    }

    /// The head is on its way.
    pub(crate) fn head_sent(&self) {
        self.0.head_sent();
    }

    /// The head of the answer came.
    pub(crate) fn answered(self, status: StatusCode) {
        self.0.head_sent();
        if let Awaiting::Waiting(mut waiting) = self.0.move_on(Awaiting::Over) {
            waiting.learn(|step| *step = Step::ResponseHead { status: Some(status) });
            waiting.complete();
        }
    }

    /// It will not come.
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
    /// Once: the answer is waited for.
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
    /// Somebody looks for content, so the head is done with.
    pub(crate) fn begin(&mut self) {
        if self.body.is_none() {
            self.state.head_sent();
            self.body = Some(self.state.scope.start(Step::RequestBody { bytes: 0 }));
        }
    }

    /// So much more is taken.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Nothing more is to come.
    pub(crate) fn complete(&mut self) {
        self.body().complete();
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        self.body().fail(|| error.clone());
    }

    /// What is left in its place does nothing.
    fn body(&mut self) -> Span {
        let mut body = self.body.replace(Span::default()).unwrap_or_default();
        body.learn(|step| *step = Step::RequestBody { bytes: self.bytes });
        body
    }
}

impl Drop for UploadTrace {
    /// Content that nobody has looked for is none, and is let go of when the head is written.
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
