//! The stages of a connection attempt, so that the error of its timeout names the last one.
//!
//! A connector receives only a target, and a timeout above it drops it. So each poll of an attempt sets, for its
//! thread, where stages are recorded; a stage lasts as long as its guard.

use std::{
    cell::RefCell,
    future::Future,
    mem,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::Duration,
};

use super::Step;
use crate::{
    few::Few,
    rt::{Runtime, Sleep},
};

thread_local! {
    static CURRENT: RefCell<Option<Stages>> = const { RefCell::new(None) };
}

/// The stages an attempt is in, the outermost first.
#[derive(Default)]
struct Stages(Few<NotedStage>);

struct NotedStage {
    /// Unique in the process.
    number: u64,
    stage: ConnectStage,
}

/// One stage; its text is made only for a timeout.
#[derive(Clone, Debug)]
pub(crate) enum ConnectStage {
    /// A step that listeners receive as well.
    Step(Step),
    /// Anything else: the text for the error, and whether it waits for a proxy.
    Other { doing: String, is_proxy: bool },
}

/// Ends the stage when dropped. Dropped with the attempt itself, it has nothing to end.
pub(crate) struct StageGuard {
    number: u64,
}

/// The stages of an attempt at its timeout; empty if it was in none.
#[derive(Debug, Default)]
pub(crate) struct AttemptTimedOut {
    /// The innermost stage.
    pub(crate) doing: Option<String>,
    /// Whether any stage waited for a proxy.
    pub(crate) is_proxy: bool,
}

/// A connection attempt with a time limit.
pub(crate) struct ConnectAttempt {
    stages: Stages,
    limit: Option<Duration>,
    timer: Option<Sleep>,
}

impl ConnectAttempt {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { stages: Stages::default(), limit, timer: None }
    }

    pub(crate) fn poll<F: Future>(
        &mut self,
        making: Pin<&mut F>,
        runtime: &Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, AttemptTimedOut>> {
        // A timer has a resolution of a millisecond, in which the attempt could succeed: zero must fail.
        if self.limit == Some(Duration::ZERO) {
            return Poll::Ready(Err(self.stages.out_of_time()));
        }
        let turn = AttemptGuard::of(&mut self.stages);
        let made = making.poll(cx);
        drop(turn);
        if let Poll::Ready(made) = made {
            return Poll::Ready(Ok(made));
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| runtime.sleep(limit));
        Pin::new(timer).poll(cx).map(|()| Err(self.stages.out_of_time()))
    }
}

/// Records a stage of the attempt this thread is polling; `stage` is called only if there is one.
pub(crate) fn stage(stage: impl FnOnce() -> ConnectStage) -> Option<StageGuard> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if !CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or_default() {
        return None;
    }
    let (number, stage) = (NEXT.fetch_add(1, Ordering::Relaxed), stage());
    change(|stages| stages.0.push(NotedStage { number, stage }));
    Some(StageGuard { number })
}

/// Changes the stages of the attempt this thread is polling, if any.
fn change(change: impl FnOnce(&mut Stages)) {
    let changed = CURRENT.try_with(|current| current.borrow_mut().as_mut().map(change));
    // Nothing is recorded on a thread whose locals are already destroyed.
    changed.ok().flatten().unwrap_or_default();
}

/// Records a step that listeners receive as well.
pub(super) fn step_begins(step: impl FnOnce() -> Step) -> Option<StageGuard> {
    stage(|| ConnectStage::Step(step()))
}

impl ConnectStage {
    fn is_proxy(&self) -> bool {
        match self {
            Self::Step(step) => matches!(step, Step::ProxyConnect { .. }),
            Self::Other { is_proxy, .. } => *is_proxy,
        }
    }

    fn doing(&self) -> String {
        match self {
            Self::Step(Step::Dns { host, .. }) => format!("resolving {host}"),
            Self::Step(Step::Tcp { address }) => format!("reaching {address}"),
            Self::Step(Step::ProxyConnect { proxy, .. }) => {
                format!("waiting for the proxy {proxy}")
            }
            Self::Step(Step::TlsHandshake { server_name, .. }) => {
                format!("in the TLS handshake with {server_name}")
            }
            Self::Step(other) => format!("in {}", other.name()),
            Self::Other { doing, .. } => doing.clone(),
        }
    }
}

impl Stages {
    fn out_of_time(&self) -> AttemptTimedOut {
        AttemptTimedOut {
            doing: self.0.last().map(|last| last.stage.doing()),
            is_proxy: self.0.iter().any(|noted| noted.stage.is_proxy()),
        }
    }
}

impl Drop for StageGuard {
    fn drop(&mut self) {
        change(|stages| stages.0.retain(|noted| noted.number != self.number));
    }
}

/// Records the stages of one attempt on this thread, until dropped.
struct AttemptGuard<'a> {
    own: &'a mut Stages,
    before: Option<Stages>,
}

impl<'a> AttemptGuard<'a> {
    fn of(own: &'a mut Stages) -> Self {
        let before = replace(Some(mem::take(own)));
        Self { own, before }
    }
}

impl Drop for AttemptGuard<'_> {
    fn drop(&mut self) {
        *self.own = replace(self.before.take()).unwrap_or_default();
    }
}

/// `None` on a thread whose locals are already destroyed.
fn replace(stages: Option<Stages>) -> Option<Stages> {
    CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), stages)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_stage_says_what_an_attempt_was_doing() {
        let (host, target) = ("a.example".to_owned(), "a.example:80".to_owned());
        let table = [
            (Step::Dns { host, addresses: 0 }, "resolving a.example"),
            (Step::Tcp { address: ([127, 0, 0, 1], 80).into() }, "reaching 127.0.0.1:80"),
            (Step::Connect { target, version: None }, "in connect"),
        ];
        for (step, doing) in table {
            let is_proxy = true;
            let around = ConnectStage::Other { doing: "around it".into(), is_proxy };
            let mut stages = Stages::default();
            stages.0.push(NotedStage { number: 0, stage: around });
            assert_eq!(stages.out_of_time().doing.as_deref(), Some("around it"));
            stages.0.push(NotedStage { number: 1, stage: ConnectStage::Step(step) });
            let AttemptTimedOut { doing: innermost, is_proxy } = stages.out_of_time();
            assert_eq!((innermost.as_deref(), is_proxy), (Some(doing), true));
        }
    }
}
