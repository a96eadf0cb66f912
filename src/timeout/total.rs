//! The total timeout, from the call to the end of the body.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{Elapsed, ElapsedKind};
use crate::{
    error::{Error, Phase},
    options::Deadline,
    rt::{Runtime, Sleep},
};

/// The deadline of a request. Its timer starts with the first wait.
pub(crate) struct Total {
    limit: Duration,
    peer: String,
    /// `None` if beyond the range of the clock.
    end_at: Option<Instant>,
    timer: Option<Sleep>,
    runtime: Runtime,
    is_over_at_once: bool,
}

impl Total {
    /// Starts now, for a request to this peer. The earlier of the limit and the deadline ends it; one of them is given.
    pub(crate) fn new(
        limit: Option<Duration>,
        deadline: Option<Deadline>,
        peer: String,
        runtime: &Runtime,
    ) -> Self {
        let now = runtime.now();
        let left = deadline.map(|deadline| deadline.left(now));
        let is_by_limit = limit.is_some_and(|limit| left.is_none_or(|left| limit <= left));
        let (limit, end_at) = match deadline.filter(|_| !is_by_limit) {
            Some(deadline) => (deadline.limit(now), Some(deadline.end_at())),
            None => (limit.unwrap_or(Duration::MAX), limit.and_then(|it| now.checked_add(it))),
        };
        let is_over_at_once = end_at.is_some_and(|end_at| end_at <= now);
        Self { limit, peer, end_at, timer: None, runtime: runtime.clone(), is_over_at_once }
    }

    /// Whether there is no time at all, whatever a timer says, which is no finer than a millisecond.
    pub(crate) fn is_over_at_once(&self) -> bool {
        self.is_over_at_once
    }

    /// Ready when the time is over, with the error of the interrupted operation.
    pub(crate) fn poll(&mut self, doing: &str, cx: &mut Context<'_>) -> Poll<Error> {
        let (Some(end_at), runtime) = (self.end_at, &self.runtime) else { return Poll::Pending };
        if !self.is_over_at_once {
            let left = || end_at.saturating_duration_since(runtime.now());
            let timer = self.timer.get_or_insert_with(|| runtime.sleep(left()));
            ready!(Pin::new(timer).poll(cx));
        }
        let late = Elapsed { phase: Phase::Total, kind: ElapsedKind::Total(self.limit) };
        Poll::Ready(late.into_error(format!("{doing} {}", self.peer)))
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Total").field("limit", &self.limit).finish_non_exhaustive()
    }
}
