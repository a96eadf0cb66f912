//! An open pair of events, which ends itself when dropped.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::{ConnectionId, Event, Listener, Note, NoteKind, RequestId, StageGuard, Step};
use crate::{error::Error, rt::Runtime};

/// Listeners, and a position in the event trees.
#[derive(Clone)]
pub(crate) struct Scope(Arc<SpanContext>);

#[derive(Clone)]
struct SpanContext {
    listener: Listener,
    runtime: Runtime,
    parent: Option<u64>,
    request: Option<RequestId>,
    connection: Option<ConnectionId>,
}

/// A started pair; empty without listeners. Dropping it before its end cancels it.
#[derive(Default)]
pub(crate) struct Span {
    open: Option<Box<OpenSpan>>,
    /// The same step as a stage of the current attempt, if a timeout limits it.
    stage: Option<StageGuard>,
}

struct OpenSpan {
    scope: Scope,
    event: Event,
}

impl Scope {
    pub(super) fn new(listener: Listener, runtime: Runtime) -> Self {
        let (parent, request, connection) = (None, None, None);
        Self(Arc::new(SpanContext { listener, runtime, parent, request, connection }))
    }

    /// Moves to a new request.
    pub(super) fn of_request(self) -> Self {
        self.with(|context| context.request = Some(RequestId(next())))
    }

    /// A scope on this connection.
    pub(crate) fn on(&self, connection: ConnectionId) -> Self {
        self.clone().with(|context| context.connection = Some(connection))
    }

    /// Moves below this pair.
    pub(super) fn with_parent(self, parent: Option<u64>) -> Self {
        self.with(|context| context.parent = parent)
    }

    /// A scope at the root of a new tree.
    pub(crate) fn detached(&self) -> Self {
        self.clone().with_parent(None)
    }

    pub(super) fn parent(&self) -> Option<u64> {
        self.0.parent
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.0.listener
    }

    pub(crate) fn start(&self, step: Step) -> Span {
        let at = self.0.runtime.now();
        let SpanContext { parent, request, connection, .. } = *self.0;
        let event = Event { id: next(), parent, request, connection, began_at: at, at, step };
        self.0.listener.notify(|listener| listener.started(&event));
        Span { open: Some(Box::new(OpenSpan { scope: self.clone(), event })), stage: None }
    }

    pub(crate) fn note(&self, kind: NoteKind) {
        self.note_below(self.0.parent, kind);
    }

    fn note_below(&self, parent: Option<u64>, kind: NoteKind) {
        let at = self.0.runtime.now();
        let SpanContext { request, connection, .. } = *self.0;
        let note = Note { parent, request, connection, at, kind };
        self.0.listener.notify(|listener| listener.noted(&note));
    }

    fn with(self, change: impl FnOnce(&mut SpanContext)) -> Self {
        let mut context = Arc::unwrap_or_clone(self.0);
        change(&mut context);
        Self(Arc::new(context))
    }
}

impl Span {
    /// Ends this stage together with the span.
    pub(super) fn with_stage(mut self, stage: Option<StageGuard>) -> Self {
        self.stage = stage;
        self
    }

    /// Updates the step with values known by now.
    pub(crate) fn record(&mut self, record: impl FnOnce(&mut Step)) {
        if let Some(open) = &mut self.open {
            record(&mut open.event.step);
        }
    }

    /// Records the connection of the step.
    pub(crate) fn on(&mut self, connection: ConnectionId) {
        if let Some(open) = &mut self.open {
            open.event.connection = Some(connection);
        }
    }

    pub(super) fn began_at(&self) -> Option<Instant> {
        Some(self.open.as_deref()?.event.began_at)
    }

    /// The time; `None` without listeners.
    pub(super) fn now(&self) -> Option<Instant> {
        Some(self.open.as_deref()?.scope.0.runtime.now())
    }

    /// Notes something below this step.
    pub(super) fn note(&self, kind: impl FnOnce(&Step) -> NoteKind) {
        if let Some(OpenSpan { scope, event }) = self.open.as_deref() {
            scope.note_below(Some(event.id), kind(&event.step));
        }
    }

    /// The scope for sub-steps of this one; `None` without listeners.
    pub(crate) fn scope(&self) -> Option<Scope> {
        let OpenSpan { scope, event } = self.open.as_deref()?;
        Some(scope.clone().with_parent(Some(event.id)))
    }

    pub(crate) fn complete(mut self) {
        self.end(|listener, event| listener.completed(event));
    }

    pub(crate) fn fail(mut self, error: impl FnOnce() -> Error) {
        if self.open.is_some() {
            let error = error();
            self.end(|listener, event| listener.failed(event, &error));
        }
    }

    /// Completes or fails the span by the outcome.
    pub(crate) fn finish<T>(
        mut self,
        outcome: &Result<T, Error>,
        record: impl FnOnce(&mut Step, &T),
    ) {
        match outcome {
            Ok(outcome) => {
                self.record(|step| record(step, outcome));
                self.complete();
            }
            Err(error) => self.fail(|| error.clone()),
        }
    }

    fn end(&mut self, notify: impl Fn(&dyn super::EventListener, &Event)) {
        let Some(open) = self.open.take() else { return };
        let OpenSpan { scope, mut event } = *open;
        event.at = scope.0.runtime.now();
        scope.0.listener.notify(|listener| notify(listener, &event));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.end(|listener, event| listener.canceled(event));
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("request", &self.0.request).finish_non_exhaustive()
    }
}

/// Numbers pairs and requests.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
