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
}

impl Total {
    /// Starts now, for a request to this peer.
    pub(crate) fn new(limit: Duration, peer: String, runtime: &Runtime) -> Self {
        let end_at = runtime.now().checked_add(limit);
        Self { limit, peer, end_at, timer: None, runtime: runtime.clone() }
    }

    /// Whether the limit is zero, which a timer with a resolution of 1 ms would miss.
    pub(crate) fn is_zero(&self) -> bool {
        self.limit.is_zero()
    }

    /// Ready when the time is over, with the error of the interrupted operation.
    pub(crate) fn poll(&mut self, doing: &str, cx: &mut Context<'_>) -> Poll<Error> {
        let (Some(end_at), runtime) = (self.end_at, &self.runtime) else { return Poll::Pending };
        if !self.limit.is_zero() {
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
