//! A pair that is open: it ends itself, whatever becomes of the one who holds it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{ConnectionId, Event, Listener, Note, Noted, RequestId, StageGuard, Step};
use crate::{error::Error, rt::Runtime};

/// Who is told, and in which place of which tree.
#[derive(Clone)]
pub(crate) struct Scope(Arc<Standing>);

#[derive(Clone)]
struct Standing {
    listener: Listener,
    runtime: Runtime,
    parent: Option<u64>,
    request: Option<RequestId>,
    connection: Option<ConnectionId>,
}

/// A started pair, or nothing if nobody listens. Dropped without a word, it was canceled.
#[derive(Default)]
pub(crate) struct Span {
    open: Option<Box<Open>>,
    /// The same for the error of a timeout, if one bounds it.
    stage: Option<StageGuard>,
}

struct Open {
    scope: Scope,
    event: Event,
}

impl Scope {
    pub(super) fn new(listener: Listener, runtime: Runtime) -> Self {
        let (parent, request, connection) = (None, None, None);
        Self(Arc::new(Standing { listener, runtime, parent, request, connection }))
    }

    /// The same for a new request.
    pub(super) fn of_request(self) -> Self {
        self.with(|standing| standing.request = Some(RequestId(next())))
    }

    /// The same for this connection.
    pub(crate) fn on(&self, connection: ConnectionId) -> Self {
        self.clone().with(|standing| standing.connection = Some(connection))
    }

    /// The same below this pair.
    pub(super) fn beneath(self, parent: Option<u64>) -> Self {
        self.with(|standing| standing.parent = parent)
    }

    /// The same for a tree of its own.
    pub(crate) fn apart(&self) -> Self {
        self.clone().beneath(None)
    }

    pub(super) fn parent(&self) -> Option<u64> {
        self.0.parent
    }

    pub(super) fn listener(&self) -> &Listener {
        &self.0.listener
    }

    pub(crate) fn start(&self, step: Step) -> Span {
        let at = self.0.runtime.now();
        let Standing { parent, request, connection, .. } = *self.0;
        let event = Event { id: next(), parent, request, connection, began_at: at, at, step };
        self.0.listener.tell(|listener| listener.started(&event));
        Span { open: Some(Box::new(Open { scope: self.clone(), event })), stage: None }
    }

    pub(crate) fn note(&self, what: Noted) {
        let at = self.0.runtime.now();
        let Standing { parent, request, connection, .. } = *self.0;
        let note = Note { parent, request, connection, at, what };
        self.0.listener.tell(|listener| listener.noted(&note));
    }

    fn with(self, change: impl FnOnce(&mut Standing)) -> Self {
        let mut standing = Arc::unwrap_or_clone(self.0);
        change(&mut standing);
        Self(Arc::new(standing))
    }
}

impl Span {
    /// Keeps a stage of an attempt for as long.
    pub(super) fn with_stage(mut self, stage: Option<StageGuard>) -> Self {
        self.stage = stage;
        self
    }

    /// Says what is known by now.
    pub(crate) fn learn(&mut self, learn: impl FnOnce(&mut Step)) {
        if let Some(open) = &mut self.open {
            learn(&mut open.event.step);
        }
    }

    /// Says on which connection this is.
    pub(crate) fn on(&mut self, connection: ConnectionId) {
        if let Some(open) = &mut self.open {
            open.event.connection = Some(connection);
        }
    }

    /// What is done from here on is a part of this.
    pub(crate) fn scope(&self) -> Option<Scope> {
        let Open { scope, event } = self.open.as_deref()?;
        Some(scope.clone().beneath(Some(event.id)))
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

    /// Ends it as it came out.
    pub(crate) fn ended<T>(
        mut self,
        outcome: &Result<T, Error>,
        learn: impl FnOnce(&mut Step, &T),
    ) {
        match outcome {
            Ok(outcome) => {
                self.learn(|step| learn(step, outcome));
                self.complete();
            }
            Err(error) => self.fail(|| error.clone()),
        }
    }

    fn end(&mut self, tell: impl Fn(&dyn super::EventListener, &Event)) {
        let Some(open) = self.open.take() else { return };
        let Open { scope, mut event } = *open;
        event.at = scope.0.runtime.now();
        scope.0.listener.tell(|listener| tell(listener, &event));
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

/// Numbers everything that is told of.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
