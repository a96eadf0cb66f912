//! Records when each step of a request started and ended, as an extension of its response.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{ConnectionId, Event, EventListener, Listener, Step};
use crate::{error::Error, lock};

/// Extension of a request that asks for [`Timings`] on its response.
///
/// ```
/// # use tower_transport::{RequestExt, Transport, options::Timed, events::Timings};
/// # async fn example() -> Result<(), tower_transport::Error> {
/// let response = Transport::new().request("GET", "https://example.com/").extension(Timed).await?;
/// let timings: Option<&Timings> = response.extensions().get();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timed;

/// When each step of a request started and ended: an extension of the response, if its request asked for it by
/// [`Timed`] or its transport is built with `timings`.
///
/// It holds the steps of making a connection if this request caused the dial, even if another connection served the
/// request: see [`TimedStep::connection`]. It is filled as events occur, so the end of the body is known once the
/// body has been read. Clones share the record.
#[derive(Clone)]
pub struct Timings {
    since: Instant,
    steps: Arc<Mutex<Vec<(u64, TimedStep)>>>,
}

/// One step; times are relative to the call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedStep {
    /// The step.
    pub step: Step,
    /// The connection.
    pub connection: Option<ConnectionId>,
    /// When it started.
    pub began: Duration,
    /// When and how it ended, if it has.
    pub ended: Option<(Duration, StepOutcome)>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepOutcome {
    /// It succeeded.
    Completed,
    /// It failed.
    Failed,
    /// It was given up.
    Canceled,
}

impl Timings {
    pub(super) fn from(since: Instant) -> Self {
        Self { since, steps: Arc::default() }
    }

    pub(super) fn recorder(&self) -> Listener {
        Listener::new(Recorder(self.clone()))
    }

    /// All steps so far, in the order of their starts.
    pub fn steps(&self) -> Vec<TimedStep> {
        self.lock().iter().map(|(_, step)| step.clone()).collect()
    }

    /// When the last completed step of this name started and ended, as in `timings.of("tls.handshake")`.
    pub fn of(&self, name: &str) -> Option<(Duration, Duration)> {
        self.lock().iter().rev().find_map(|(_, timed)| match timed.ended {
            Some((ended, StepOutcome::Completed)) if timed.step.name() == name => {
                Some((timed.began, ended))
            }
            _ => None,
        })
    }

    fn end(&self, event: &Event, how: StepOutcome) {
        let at = event.at.saturating_duration_since(self.since);
        if let Some((_, timed)) = self.lock().iter_mut().find(|(id, _)| *id == event.id) {
            timed.ended = Some((at, how));
            timed.step = event.step.clone();
            timed.connection = event.connection;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, TimedStep)>> {
        lock::lock(&self.steps)
    }
}

struct Recorder(Timings);

impl EventListener for Recorder {
    fn started(&self, event: &Event) {
        let began = event.at.saturating_duration_since(self.0.since);
        let (step, connection) = (event.step.clone(), event.connection);
        let timed = TimedStep { step, connection, began, ended: None };
        self.0.lock().push((event.id, timed));
    }

    fn completed(&self, event: &Event) {
        self.0.end(event, StepOutcome::Completed);
    }

    fn failed(&self, event: &Event, _: &Error) {
        self.0.end(event, StepOutcome::Failed);
    }

    fn canceled(&self, event: &Event) {
        self.0.end(event, StepOutcome::Canceled);
    }
}

impl fmt::Debug for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_map();
        for TimedStep { step, began, ended, .. } in self.steps() {
            out.entry(&step.name(), &(began, ended));
        }
        out.finish()
    }
}
