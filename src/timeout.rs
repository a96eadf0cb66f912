//! Limits how long a request waits for a peer that does nothing, with one timer that compares counters.
//!
//! A protocol polls its [`StallTimeout`] whenever it waits, with the reason and the bytes moved so far. Moved bytes are
//! counted and not timed: the timer fires four times per limit, and the limit has elapsed when nothing has moved for that
//! many ticks. So a byte costs no clock read, and a request that never waits has no timer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Kind, Phase, limit_shown},
    options::Timeouts,
    rt::{Runtime, Sleep},
};

mod throughput;
mod total;

use throughput::ThroughputMonitor;
pub(crate) use total::Total;

/// Ticks of the timer within a limit.
const TICKS: u32 = 4;

/// The resolution of a runtime's timer.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitingFor {
    /// The caller's request body: no limit applies.
    Caller,
    /// The peer, to take more of the request.
    Upload,
    /// The peer, to start its response.
    ResponseHead,
    /// The peer, to continue its response.
    ResponseBody,
}

/// The limits of one request, and the state of the current wait.
pub(crate) struct StallTimeout {
    read: Option<Duration>,
    write: Option<Duration>,
    /// Boxed: rarely used, keeps the future small.
    throughput: Option<Box<ThroughputMonitor>>,
    timer: Option<Sleep>,
    /// Something has moved since the timer started, at an unknown time: its next tick does not count.
    timer_is_older: bool,
    /// Counted ticks since something moved.
    ticks: u32,
    moved: u64,
    awaited: WaitingFor,
    has_just_moved: bool,
    /// The shortest limit.
    shortest: Option<Duration>,
    /// The start of the wait, if the timer was inherited from an earlier exchange.
    since: WaitStart,
}

/// The start of a wait whose timer is older.
#[derive(Clone, Copy, Debug)]
enum WaitStart {
    /// The timer measures by itself.
    Unneeded,
    /// The timer is older than the wait, which has not started.
    #[cfg_attr(not(feature = "http1"), expect(dead_code, reason = "HTTP/2 starts timers anew"))]
    NotBegun,
    Begun(Instant),
}

/// An elapsed limit.
#[derive(Debug)]
pub(crate) struct Elapsed {
    phase: Phase,
    kind: ElapsedKind,
}

#[derive(Clone, Copy, Debug)]
enum ElapsedKind {
    NoProgress(Duration),
    TooSlow { least: u64, window: Duration },
    Total(Duration),
}

impl StallTimeout {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let window = timeouts.throughput.map(|least| least.window);
        Self {
            read: timeouts.read,
            write: timeouts.write,
            throughput: timeouts.throughput.map(|least| Box::new(ThroughputMonitor::new(least))),
            timer: None,
            timer_is_older: false,
            ticks: 0,
            moved: 0,
            awaited: WaitingFor::Caller,
            has_just_moved: false,
            shortest: [timeouts.read, timeouts.write, window].into_iter().flatten().min(),
            since: WaitStart::Unneeded,
        }
    }

    /// Reuses the box of the previous exchange on a connection, and its timer if the tick is equal. That timer may be
    /// running, so the start of the wait is taken from the clock: cheaper than a new timer.
    #[cfg(feature = "http1")]
    pub(crate) fn renewed(previous: Option<Box<Self>>, timeouts: &Timeouts) -> Box<Self> {
        let Some(mut stall) = previous else { return Box::new(Self::new(timeouts)) };
        let (timer, shortest) = (stall.timer.take(), stall.shortest);
        *stall = Self::new(timeouts);
        if timer.is_some() && stall.shortest == shortest {
            (stall.timer, stall.since) = (timer, WaitStart::NotBegun);
        }
        stall
    }

    /// The wait is over: the next one starts anew.
    pub(crate) fn reset(&mut self, runtime: &Runtime) {
        self.restart();
        if let Some(throughput) = &mut self.throughput {
            throughput.reset(runtime);
        }
    }

    /// Whether something had moved at the last poll, so that the wait for the peer has restarted.
    #[cfg(feature = "http2")]
    pub(crate) fn has_just_moved(&self) -> bool {
        self.has_just_moved
    }

    /// Continues a wait; `moved` is the number of bytes read and written so far. Ready when the limit has elapsed.
    pub(crate) fn poll(
        &mut self,
        awaited: WaitingFor,
        moved: u64,
        runtime: &Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<Elapsed> {
        let Some(shortest) = self.shortest else { return Poll::Pending };
        let is_waited_for = awaited != WaitingFor::Caller;
        self.has_just_moved = is_waited_for && (awaited, moved) != (self.awaited, self.moved);
        if self.has_just_moved || !is_waited_for {
            (self.awaited, self.moved) = (awaited, moved);
            self.restart();
            if is_waited_for && matches!(self.since, WaitStart::NotBegun) {
                self.since = WaitStart::Begun(runtime.now());
            }
        }
        if let Some(slow) = self.check_throughput(runtime) {
            return Poll::Ready(slow);
        }
        loop {
            ready!(self.poll_timer(shortest, runtime, cx));
            if let Some((phase, limit)) = self.limit()
                && tick(shortest).saturating_mul(self.ticks) >= limit
            {
                return Poll::Ready(Elapsed { phase, kind: ElapsedKind::NoProgress(limit) });
            }
        }
    }

    fn restart(&mut self) {
        (self.ticks, self.timer_is_older) = (0, true);
        if matches!(self.since, WaitStart::Begun(_)) {
            self.since = WaitStart::Unneeded;
        }
    }

    /// Ready at each tick.
    fn poll_timer(
        &mut self,
        shortest: Duration,
        runtime: &Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            None => {
                self.timer_is_older = false;
                self.timer.insert(runtime.sleep(tick(shortest)))
            }
        };
        ready!(Pin::new(timer).poll(cx));
        self.timer = None;
        if let WaitStart::Begun(since) = std::mem::replace(&mut self.since, WaitStart::Unneeded) {
            self.catch_up(since, tick(shortest), runtime);
            return Poll::Ready(());
        }
        self.ticks = self.ticks.saturating_add(u32::from(!self.timer_is_older));
        Poll::Ready(())
    }

    /// Counts the ticks since the wait started, as if the timer had started with it, and aligns the next tick.
    fn catch_up(&mut self, since: Instant, between: Duration, runtime: &Runtime) {
        let waited = runtime.now().saturating_duration_since(since);
        let rings = waited.as_nanos() / between.as_nanos().max(1);
        self.ticks = u32::try_from(rings).unwrap_or(u32::MAX);
        let left = between.saturating_mul(self.ticks.saturating_add(1)).saturating_sub(waited);
        self.timer_is_older = false;
        self.timer = Some(runtime.sleep(left));
    }

    /// The limit of the current wait.
    fn limit(&self) -> Option<(Phase, Duration)> {
        let limit = match self.awaited.phase()? {
            Phase::Write => self.write,
            _ => self.read,
        };
        self.awaited.phase().zip(limit)
    }

    fn check_throughput(&mut self, runtime: &Runtime) -> Option<Elapsed> {
        let throughput = self.throughput.as_mut()?;
        if matches!(self.awaited, WaitingFor::Caller | WaitingFor::ResponseHead) {
            throughput.reset(runtime);
            return None;
        }
        let kind = throughput.too_slow(self.moved, runtime)?;
        Some(Elapsed { phase: self.awaited.phase()?, kind })
    }
}

/// The tick, rounded up, so that `TICKS` ticks are never less than the limit.
fn tick(shortest: Duration) -> Duration {
    let rounded = shortest.saturating_add(Duration::from_nanos(u64::from(TICKS) - 1));
    (rounded / TICKS).max(SHORTEST)
}

impl WaitingFor {
    /// The phase for the error, unless the caller is the cause.
    fn phase(self) -> Option<Phase> {
        match self {
            Self::Caller => None,
            Self::Upload => Some(Phase::Write),
            Self::ResponseHead | Self::ResponseBody => Some(Phase::Read),
        }
    }
}

impl Elapsed {
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The error, for the interrupted operation.
    pub(crate) fn into_error(self, doing: impl fmt::Display) -> Error {
        match self.kind {
            ElapsedKind::NoProgress(limit) | ElapsedKind::Total(limit) => {
                Error::timed_out(self.phase, limit, doing)
            }
            ElapsedKind::TooSlow { .. } => {
                Error::new(Kind::Timeout(self.phase), format!("{doing}: {self}"))
            }
        }
        .because(self)
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.phase, self.kind) {
            (Phase::Write, ElapsedKind::NoProgress(limit)) => {
                write!(f, "nothing was taken for {}", limit_shown(limit))
            }
            (_, ElapsedKind::NoProgress(limit)) => {
                write!(f, "nothing came for {}", limit_shown(limit))
            }
            (_, ElapsedKind::TooSlow { least, window }) => {
                write!(f, "fewer than {least} bytes a second in {}", limit_shown(window))
            }
            (_, ElapsedKind::Total(limit)) => {
                write!(f, "it took more than {} in all", limit_shown(limit))
            }
        }
    }
}

impl std::error::Error for Elapsed {}

impl fmt::Debug for StallTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("StallTimeout");
        out.field("awaited", &self.awaited).field("ticks", &self.ticks).finish_non_exhaustive()
    }
}
