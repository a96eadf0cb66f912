//! What a connection attempt is doing, so that the error of its timeout says so.
//!
//! A connector is given a target and nothing else, and a timeout above it drops it. So an attempt sets in each of its polls where
//! its stages are noted; a stage is noted for as long as its guard lives.

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

/// The stages that an attempt is in, the outermost first.
#[derive(Default)]
struct Stages(Few<NotedStage>);

struct NotedStage {
    /// Its own, once in a process.
    number: u64,
    stage: ConnectStage,
}

/// One stage, kept as it is until a timeout asks for its text.
#[derive(Clone, Debug)]
pub(crate) enum ConnectStage {
    /// A step of which listeners are told.
    Step(Step),
    /// Anything else: what is being done, and whether a proxy is waited for.
    Other { doing: String, is_proxy: bool },
}

/// A stage that is going on, until this is dropped: it is, where the attempt is polled, or together with that.
pub(crate) struct StageGuard {
    number: u64,
}

/// Where an attempt was when its time was over: nowhere that is known, if it was in no stage.
#[derive(Debug, Default)]
pub(crate) struct OutOfTime {
    /// What was being done last.
    pub(crate) doing: Option<String>,
    /// Whether a proxy was waited for.
    pub(crate) is_proxy: bool,
}

/// An attempt that is made, but not for longer than its limit.
pub(crate) struct Attempt {
    stages: Stages,
    limit: Option<Duration>,
    timer: Option<Sleep>,
}

impl Attempt {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { stages: Stages::default(), limit, timer: None }
    }

    pub(crate) fn poll<F: Future>(
        &mut self,
        making: Pin<&mut F>,
        runtime: &Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, OutOfTime>> {
        // A timer is no finer than a millisecond, in which it could be made.
        if self.limit == Some(Duration::ZERO) {
            return Poll::Ready(Err(self.stages.out_of_time()));
        }
        let turn = AttemptTurn::of(&mut self.stages);
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

/// Notes a stage of the attempt that this thread is making; the stage is made only if there is one.
pub(crate) fn stage(stage: impl FnOnce() -> ConnectStage) -> Option<StageGuard> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if !CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or_default() {
        return None;
    }
    let (number, stage) = (NEXT.fetch_add(1, Ordering::Relaxed), stage());
    change(|stages| stages.0.push(NotedStage { number, stage }));
    Some(StageGuard { number })
}

/// Changes the stages of the attempt that this thread is making, if it makes one.
fn change(change: impl FnOnce(&mut Stages)) {
    let changed = CURRENT.try_with(|current| current.borrow_mut().as_mut().map(change));
    // A thread that is ending notes nothing.
    changed.ok().flatten().unwrap_or_default();
}

/// Notes a step of which listeners are told.
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
    fn out_of_time(&self) -> OutOfTime {
        OutOfTime {
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

/// Whose stages are noted on this thread, until this is dropped.
struct AttemptTurn<'a> {
    own: &'a mut Stages,
    before: Option<Stages>,
}

impl<'a> AttemptTurn<'a> {
    fn of(own: &'a mut Stages) -> Self {
        let before = replace(Some(mem::take(own)));
        Self { own, before }
    }
}

impl Drop for AttemptTurn<'_> {
    fn drop(&mut self) {
        *self.own = replace(self.before.take()).unwrap_or_default();
    }
}

/// A thread that is ending notes nothing.
fn replace(stages: Option<Stages>) -> Option<Stages> {
    CURRENT.try_with(|current| mem::replace(&mut *current.borrow_mut(), stages)).ok().flatten()
}
