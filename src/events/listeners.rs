//! The listeners of a request: those of the pool, and those of its extensions.

use http::{Extensions, Request};

use super::{ConnectionId, Listener, NoteKind, Scope, Span, Step, Timed, Timings, redact::shown};
use crate::rt::Runtime;

/// The listeners of a pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) listener: Option<Listener>,
    pub(crate) timed: bool,
    /// Its requests are steps of other requests, and observed if those are: no listener is asked again.
    pub(crate) is_beneath: bool,
}

/// Extension of a request made for a step of another, such as a `CONNECT`.
#[derive(Clone, Debug)]
pub(crate) struct ParentSpan {
    scope: Scope,
    parent: Option<u64>,
    /// The target shown in events; the URI of a `CONNECT` does not hold it.
    target: String,
}

/// The open events of one request.
pub(crate) struct RequestEvents {
    pub(crate) scope: Scope,
    pub(crate) request: Span,
    pub(crate) timings: Option<Timings>,
}

impl Listeners {
    pub(crate) fn add(&mut self, listener: Listener) {
        self.listener = Some(match self.listener.take() {
            Some(before) => before.and(listener),
            None => listener,
        });
    }

    /// Starts the event tree of a request; `None` without interested listeners.
    pub(crate) fn start_request<B>(
        &self,
        request: &Request<B>,
        runtime: &Runtime,
    ) -> Option<RequestEvents> {
        let extensions = request.extensions();
        if self.listener.is_none() && !self.timed && extensions.is_empty() {
            return None;
        }
        let parent_span = extensions.get::<ParentSpan>();
        let timings = self.is_timed(extensions).then(|| Timings::from(runtime.now()));
        let listeners = [
            self.listener.clone().filter(|_| !self.is_beneath).and_then(Listener::interested),
            extensions.get::<Listener>().cloned().and_then(Listener::interested),
            parent_span.map(|parent_span| parent_span.scope.listener().clone()),
            timings.as_ref().map(Timings::recorder),
        ];
        let listener = listeners.into_iter().flatten().reduce(Listener::and)?;
        let scope = Scope::new(listener, runtime.clone()).of_request();
        let scope = scope.with_parent(parent_span.and_then(|parent_span| parent_span.parent));
        let url = parent_span
            .map_or_else(|| shown(request.uri()), |parent_span| parent_span.target.clone());
        let (method, version, status) = (request.method().clone(), None, None);
        let request = scope.start(Step::Request { method, url, version, status });
        let scope = request.scope().unwrap_or(scope);
        Some(RequestEvents { scope, request, timings })
    }

    /// Notes an event of a connection to the pool's listener.
    pub(crate) fn note(&self, connection: ConnectionId, kind: NoteKind, runtime: &Runtime) {
        if let Some(listener) = self.listener.clone() {
            Scope::new(listener, runtime.clone()).on(connection).note(kind);
        }
    }

    fn is_timed(&self, extensions: &Extensions) -> bool {
        self.timed || extensions.get::<Timed>().is_some()
    }
}

impl ParentSpan {
    /// For a request that asks for `target` as a part of the span's step.
    pub(crate) fn of(span: &Span, target: impl FnOnce() -> String) -> Option<Self> {
        let scope = span.scope()?;
        Some(Self { parent: scope.parent(), scope, target: target() })
    }
}
