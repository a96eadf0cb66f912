//! The limit of everything together, from the call to the end of the body.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use super::{Elapsed, Why};
use crate::{
    error::{Error, Phase},
    rt::{Runtime, Sleep},
};

/// A moment after which nothing of a request is waited for. Its timer exists once something is.
pub(crate) struct Total {
    limit: Duration,
    peer: String,
    /// `None` is later than the clock goes.
    end_at: Option<Instant>,
    timer: Option<Sleep>,
    runtime: Runtime,
}

impl Total {
    /// From now on, for a request to this peer.
    pub(crate) fn new(limit: Duration, peer: String, runtime: &Runtime) -> Self {
        let end_at = runtime.now().checked_add(limit);
        Self { limit, peer, end_at, timer: None, runtime: runtime.clone() }
    }

    /// Whether there is no time at all, whatever a timer says, which is no finer than a millisecond.
    pub(crate) fn is_over_at_once(&self) -> bool {
        self.limit.is_zero()
    }

    /// Ready when the time is over, with the error of whoever was doing this with the peer.
    pub(crate) fn poll(&mut self, doing: &str, cx: &mut Context<'_>) -> Poll<Error> {
        let (Some(end_at), runtime) = (self.end_at, &self.runtime) else { return Poll::Pending };
        if !self.limit.is_zero() {
            let left = || end_at.saturating_duration_since(runtime.now());
            let timer = self.timer.get_or_insert_with(|| runtime.sleep(left()));
            ready!(Pin::new(timer).poll(cx));
        }
        let late = Elapsed { phase: Phase::Total, why: Why::Late(self.limit) };
        Poll::Ready(late.into_error(format!("{doing} {}", self.peer)))
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Total").field("limit", &self.limit).finish_non_exhaustive()
    }
}
