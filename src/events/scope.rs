//! On whose account something is done, where no argument says it: connectors are given a target and nothing else.

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

/// Whose turn it is, until this is dropped: then it is theirs whose it was before.
#[must_use = "the turn is over when this is dropped"]
pub(crate) struct Turn {
    before: Option<Scope>,
}

impl Turn {
    fn of(scope: Option<Scope>) -> Self {
        Self { before: replace(scope) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(replace(self.before.take()));
    }
}

/// Lets this thread work on account of `scope`, or on nobody's, until the turn is dropped.
pub(crate) fn on_account_of(scope: Option<Scope>) -> Turn {
    Turn::of(scope)
}

/// Does this on account of `scope`, or on nobody's.
pub(crate) async fn within<F: Future>(scope: Option<Scope>, doing: F) -> F::Output {
    let mut doing = pin!(doing);
    poll_fn(|cx| {
        let _turn = Turn::of(scope.clone());
        doing.as_mut().poll(cx)
    })
    .await
}

/// On whose account this thread is working.
fn current() -> Option<Scope> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Starts a step on that account, and a stage of the attempt that is being made; the step is made only where it is needed.
pub(crate) fn start(step: impl Fn() -> Step) -> Span {
    let span = current().map(|scope| scope.start(step())).unwrap_or_default();
    span.with_stage(step_begins(step))
}

/// A thread that is ending has no account any more.
fn replace(scope: Option<Scope>) -> Option<Scope> {
    CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), scope)).ok().flatten()
}
