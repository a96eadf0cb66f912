//! Limits how long a request waits for a peer that does nothing: one timer, which compares counters now and then.
//!
//! A protocol polls its [`StallTimeout`] whenever it has to wait, and says for what and how much has moved so far. What moves
//! is counted and never timed: the timer rings four times within a limit, and the limit has elapsed when nothing has moved
//! for that many rings. So a byte costs no look at the clock, and a request that never waits has no timer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Kind, Phase},
    options::Timeouts,
    rt::{Runtime, Sleep},
};

mod throughput;
mod total;

use throughput::ThroughputMonitor;
pub(crate) use total::Total;

/// So many looks at what has moved are taken within a limit.
const LOOKS: u32 = 4;

/// A runtime's timer is no finer.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitingFor {
    /// The caller, who makes the body of the request: nobody is to blame.
    Caller,
    /// The peer, to take more of the request.
    Upload,
    /// The peer, to begin its answer.
    ResponseHead,
    /// The peer, to go on with its answer.
    ResponseBody,
}

/// The limits on the waits of one request, and how far the present wait has come.
pub(crate) struct StallTimeout {
    read: Option<Duration>,
    write: Option<Duration>,
    /// Seldom asked for, so the room that it takes is not everyone's.
    throughput: Option<Box<ThroughputMonitor>>,
    timer: Option<Sleep>,
    /// Something has moved since the timer began, who knows when: its next ring does not count.
    is_timer_older: bool,
    /// Rings that count since something moved.
    quiet: u32,
    moved: u64,
    awaited: WaitingFor,
    has_just_moved: bool,
    /// The shortest limit.
    shortest: Option<Duration>,
    /// When the wait began, if the timer is one of an exchange before that was running already.
    since: Since,
}

/// The start of a wait whose timer is older.
#[derive(Clone, Copy, Debug)]
enum Since {
    /// The timer measures by itself.
    Unneeded,
    /// The timer is older than a wait that has not begun.
    #[cfg_attr(not(feature = "http1"), expect(dead_code, reason = "HTTP/2 starts timers anew"))]
    NotBegun,
    Begun(Instant),
}

/// A limit that is over.
#[derive(Debug)]
pub(crate) struct Elapsed {
    phase: Phase,
    why: Why,
}

#[derive(Clone, Copy, Debug)]
enum Why {
    Nothing(Duration),
    Little { least: u64, window: Duration },
    Late(Duration),
}

impl StallTimeout {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let window = timeouts.throughput.map(|least| least.window);
        Self {
            read: timeouts.read,
            write: timeouts.write,
            throughput: timeouts.throughput.map(|least| Box::new(ThroughputMonitor::new(least))),
            timer: None,
            is_timer_older: false,
            quiet: 0,
            moved: 0,
            awaited: WaitingFor::Caller,
            has_just_moved: false,
            shortest: [timeouts.read, timeouts.write, window].into_iter().flatten().min(),
            since: Since::Unneeded,
        }
    }

    /// Begins anew in the box of the exchange before on a connection, with its timer if that rings as often. It may be
    /// running, so the wait is measured once by the clock: that costs less than a timer.
    #[cfg(feature = "http1")]
    pub(crate) fn renewed(previous: Option<Box<Self>>, timeouts: &Timeouts) -> Box<Self> {
        let Some(mut stall) = previous else { return Box::new(Self::new(timeouts)) };
        let (timer, shortest) = (stall.timer.take(), stall.shortest);
        *stall = Self::new(timeouts);
        if timer.is_some() && stall.shortest == shortest {
            (stall.timer, stall.since) = (timer, Since::NotBegun);
        }
        stall
    }

    /// Nobody waits: who does from now on begins anew.
    pub(crate) fn reset(&mut self, runtime: &Runtime) {
        self.begin_anew();
        if let Some(throughput) = &mut self.throughput {
            throughput.reset(runtime);
        }
    }

    /// Whether something had moved when it was last asked, so that the peer is waited for anew.
    #[cfg(feature = "http2")]
    pub(crate) fn has_just_moved(&self) -> bool {
        self.has_just_moved
    }

    /// Waits for the peer, of whom so many bytes have come and been taken together so far. Ready when it is too much.
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
            self.begin_anew();
            if is_waited_for && matches!(self.since, Since::NotBegun) {
                self.since = Since::Begun(runtime.now());
            }
        }
        if let Some(slow) = self.judge_throughput(runtime) {
            return Poll::Ready(slow);
        }
        loop {
            ready!(self.poll_timer(shortest, runtime, cx));
            if let Some((phase, limit)) = self.limit()
                && between_looks(shortest).saturating_mul(self.quiet) >= limit
            {
                return Poll::Ready(Elapsed { phase, why: Why::Nothing(limit) });
            }
        }
    }

    fn begin_anew(&mut self) {
        (self.quiet, self.is_timer_older) = (0, true);
        if matches!(self.since, Since::Begun(_)) {
            self.since = Since::Unneeded;
        }
    }

    /// Rings once for each look.
    fn poll_timer(
        &mut self,
        shortest: Duration,
        runtime: &Runtime,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            None => {
                self.is_timer_older = false;
                self.timer.insert(runtime.sleep(between_looks(shortest)))
            }
        };
        ready!(Pin::new(timer).poll(cx));
        self.timer = None;
        if let Since::Begun(since) = std::mem::replace(&mut self.since, Since::Unneeded) {
            self.catch_up(since, between_looks(shortest), runtime);
            return Poll::Ready(());
        }
        self.quiet = self.quiet.saturating_add(u32::from(!self.is_timer_older));
        Poll::Ready(())
    }

    /// Counts the rings since the wait began, as if the timer had begun with it, and has it ring with the next of them.
    fn catch_up(&mut self, since: Instant, between: Duration, runtime: &Runtime) {
        let waited = runtime.now().saturating_duration_since(since);
        let rings = waited.as_nanos() / between.as_nanos().max(1);
        self.quiet = u32::try_from(rings).unwrap_or(u32::MAX);
        let left = between.saturating_mul(self.quiet.saturating_add(1)).saturating_sub(waited);
        self.is_timer_older = false;
        self.timer = Some(runtime.sleep(left));
    }

    /// What bounds the wait that is going on.
    fn limit(&self) -> Option<(Phase, Duration)> {
        let limit = match self.awaited.phase()? {
            Phase::Write => self.write,
            _ => self.read,
        };
        self.awaited.phase().zip(limit)
    }

    fn judge_throughput(&mut self, runtime: &Runtime) -> Option<Elapsed> {
        let throughput = self.throughput.as_mut()?;
        if matches!(self.awaited, WaitingFor::Caller | WaitingFor::ResponseHead) {
            throughput.reset(runtime);
            return None;
        }
        let why = throughput.too_slow(self.moved, runtime)?;
        Some(Elapsed { phase: self.awaited.phase()?, why })
    }
}

/// From one look to the next, rounded up, so that so many of them are not less than the limit.
fn between_looks(shortest: Duration) -> Duration {
    let rounded = shortest.saturating_add(Duration::from_nanos(u64::from(LOOKS) - 1));
    (rounded / LOOKS).max(SHORTEST)
}

impl WaitingFor {
    /// What an error is told of, if it is the peer's fault.
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

    /// The error of whoever was doing this.
    pub(crate) fn into_error(self, doing: impl fmt::Display) -> Error {
        match self.why {
            Why::Nothing(limit) | Why::Late(limit) => Error::timed_out(self.phase, limit, doing),
            Why::Little { .. } => Error::new(Kind::Timeout(self.phase), format!("{doing}: {self}")),
        }
        .because(self)
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.phase, self.why) {
            (Phase::Write, Why::Nothing(limit)) => write!(f, "nothing was taken for {limit:?}"),
            (_, Why::Nothing(limit)) => write!(f, "nothing came for {limit:?}"),
            (_, Why::Little { least, window }) => {
                write!(f, "fewer than {least} bytes a second in {window:?}")
            }
            (_, Why::Late(limit)) => write!(f, "it took more than {limit:?} in all"),
        }
    }
}

impl std::error::Error for Elapsed {}

impl fmt::Debug for StallTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("StallTimeout");
        out.field("awaited", &self.awaited).field("quiet", &self.quiet).finish_non_exhaustive()
    }
}
