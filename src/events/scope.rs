//! The current scope of a thread, for code without an argument for it: connectors receive only a target.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    mem,
    pin::pin,
};

use super::{Scope, Span, Step, attempt::step_begins};

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

/// Sets the current scope until dropped, then restores the scope before.
#[must_use = "the turn is over when this is dropped"]
pub(crate) struct ScopeGuard {
    before: Option<Scope>,
}

impl ScopeGuard {
    fn of(scope: Option<Scope>) -> Self {
        Self { before: replace(scope) }
    }
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        drop(replace(self.before.take()));
    }
}

/// Sets this thread's scope, or clears it, until the guard is dropped.
pub(crate) fn enter_scope(scope: Option<Scope>) -> ScopeGuard {
    ScopeGuard::of(scope)
}

/// Polls `doing` within the scope, or within none.
pub(crate) async fn instrument<F: Future>(scope: Option<Scope>, doing: F) -> F::Output {
    let mut doing = pin!(doing);
    poll_fn(|cx| {
        let _turn = ScopeGuard::of(scope.clone());
        doing.as_mut().poll(cx)
    })
    .await
}

fn current() -> Option<Scope> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Starts a step in the current scope, and a stage of the current attempt. `step` is called only where it is needed.
pub(crate) fn start(step: impl Fn() -> Step) -> Span {
    let span = current().map(|scope| scope.start(step())).unwrap_or_default();
    span.with_stage(step_begins(step))
}

/// `None` on a thread whose locals are already destroyed.
fn replace(scope: Option<Scope>) -> Option<Scope> {
    CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), scope)).ok().flatten()
}
