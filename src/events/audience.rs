//! Who is to be told of a request: those of the pool, and those whom the request brings along.

use http::{Extensions, Request};

use super::{ConnectionId, Listener, Noted, Scope, Span, Step, Timed, Timings, redact::shown};
use crate::rt::Runtime;

/// Whom a pool tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Audience {
    pub(crate) listener: Option<Listener>,
    pub(crate) timed: bool,
}

/// The extension of a request that is made for a step of another.
#[derive(Clone, Debug)]
pub(crate) struct Beneath {
    scope: Scope,
    parent: Option<u64>,
    /// Whom it asks for, where its URI does not say so.
    target: String,
}

/// What is told of one request.
pub(crate) struct Told {
    pub(crate) scope: Scope,
    pub(crate) request: Span,
    pub(crate) timings: Option<Timings>,
}

impl Audience {
    /// Adds another.
    pub(crate) fn add(&mut self, listener: Listener) {
        self.listener = Some(match self.listener.take() {
            Some(before) => before.and(listener),
            None => listener,
        });
    }

    /// Starts the tree of a request, if somebody wants to be told of it.
    pub(crate) fn told_of<B>(&self, request: &Request<B>, runtime: &Runtime) -> Option<Told> {
        let extensions = request.extensions();
        if self.listener.is_none() && !self.timed && extensions.is_empty() {
            return None;
        }
        let beneath = extensions.get::<Beneath>();
        let timings = self.is_timed(extensions).then(|| Timings::from(runtime.now()));
        let listeners = [
            self.listener.clone().and_then(Listener::interested),
            extensions.get::<Listener>().cloned().and_then(Listener::interested),
            beneath.map(|beneath| beneath.scope.listener().clone()),
            timings.as_ref().map(Timings::recorder),
        ];
        let listener = listeners.into_iter().flatten().reduce(Listener::and)?;
        let scope = Scope::new(listener, runtime.clone()).of_request();
        let scope = scope.beneath(beneath.and_then(|beneath| beneath.parent));
        let url = beneath.map_or_else(|| shown(request.uri()), |beneath| beneath.target.clone());
        let (method, version, status) = (request.method().clone(), None, None);
        let request = scope.start(Step::Request { method, url, version, status });
        let scope = request.scope().unwrap_or(scope);
        Some(Told { scope, request, timings })
    }

    /// Tells those of the pool about a connection.
    pub(crate) fn note(&self, connection: ConnectionId, what: Noted, runtime: &Runtime) {
        if let Some(listener) = self.listener.clone() {
            Scope::new(listener, runtime.clone()).on(connection).note(what);
        }
    }

    fn is_timed(&self, extensions: &Extensions) -> bool {
        self.timed || extensions.get::<Timed>().is_some()
    }
}

impl Beneath {
    /// For a request that asks for `target` as a part of the step.
    pub(crate) fn of(span: &Span, target: impl FnOnce() -> String) -> Option<Self> {
        let scope = span.scope()?;
        Some(Self { parent: scope.parent(), scope, target: target() })
    }
}
