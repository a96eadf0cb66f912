//! When each step of a request began and ended, as an extension of its response.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{ConnectionId, Event, EventListener, Listener, Step};
use crate::{error::Error, lock};

/// Asks, as an extension of a request, for [`Timings`] on its response.
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

/// When each step of a request began and ended: an extension of a response whose request asked for it by [`Timed`], or
/// whose transport is built with `timings`.
///
/// The steps of making a connection are among them if this request caused it to be made, also if it was given another in
/// the end: [`TimedStep::connection`] tells. It is filled while things happen, so the end of the body is known when the
/// body has been read. Clones see the same.
#[derive(Clone)]
pub struct Timings {
    since: Instant,
    steps: Arc<Mutex<Vec<(u64, TimedStep)>>>,
}

/// One step, in time since the request was called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimedStep {
    /// What was done.
    pub step: Step,
    /// On which connection.
    pub connection: Option<ConnectionId>,
    /// When it began.
    pub began: Duration,
    /// When and how it ended, if it has.
    pub ended: Option<(Duration, Ended)>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was done.
    Completed,
    /// It could not be done.
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

    /// All steps so far, in the order in which they began.
    pub fn steps(&self) -> Vec<TimedStep> {
        self.lock().iter().map(|(_, step)| step.clone()).collect()
    }

    /// When the last step of this name began and was completed, as in `timings.of("tls.handshake")`.
    pub fn of(&self, name: &str) -> Option<(Duration, Duration)> {
        self.lock().iter().rev().find_map(|(_, timed)| match timed.ended {
            Some((ended, Ended::Completed)) if timed.step.name() == name => {
                Some((timed.began, ended))
            }
            _ => None,
        })
    }

    fn end(&self, event: &Event, how: Ended) {
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
        self.0.end(event, Ended::Completed);
    }

    fn failed(&self, event: &Event, _: &Error) {
        self.0.end(event, Ended::Failed);
    }

    fn canceled(&self, event: &Event) {
        self.0.end(event, Ended::Canceled);
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
