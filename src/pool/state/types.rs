//! What a state is told and what it answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CancelGuard, Canceled, KeyId, Seq, SlotId};
use crate::{
    connection::AbortHandle,
    events::{NoteKind, Scope},
    few::Few,
};

/// What a state wants done, by one who does not hold its lock.
pub(crate) struct Actions<K, C, W> {
    /// Connect to these.
    pub(crate) dial: Few<Dial<K>>,
    /// Hand these over.
    pub(crate) serve: Few<(W, Checkout<C>)>,
    /// Tell these that there is no hope.
    pub(crate) turn_away: Vec<W>,
    /// Drop these.
    pub(crate) close: Few<Handle<C>>,
    /// Drop these, too.
    pub(crate) forget: Few<AbortHandle>,
    /// Drop these, too: that cancels dials and drains.
    pub(crate) cancel: Few<CancelGuard>,
    /// Call [`PoolState::reap`](super::PoolState::reap) then.
    pub(crate) reap_at: Option<Instant>,
    /// Tell this of these connections, if anybody listens.
    pub(crate) notes: Option<Vec<(SlotId, NoteKind)>>,
    /// Drop these keys. They are a user's, whose drop may do anything: it is not done under the lock.
    pub(crate) keys: Few<Arc<K>>,
    /// And these, for the listeners in them.
    pub(crate) options: Vec<DialOptions>,
}

/// What one event is told: the time, and where it writes what has to be done.
pub(crate) struct Transition<K, C, W> {
    pub(crate) now: Instant,
    pub(crate) actions: Actions<K, C, W>,
}

impl<K, C, W> Transition<K, C, W> {
    /// At this time; close events are written down only for listeners.
    pub(crate) fn new(now: Instant, has_listener: bool) -> Self {
        Self { now, actions: Actions::noting(has_listener) }
    }
}

impl<K, C, W> Default for Actions<K, C, W> {
    fn default() -> Self {
        let (dial, serve, close) = (Few::new(), Few::new(), Few::new());
        let (turn_away, forget, cancel) = (Vec::new(), Few::new(), Few::new());
        let (reap_at, notes, keys, options) = (None, None, Few::new(), Vec::new());
        Self { dial, serve, turn_away, close, forget, cancel, reap_at, notes, keys, options }
    }
}

impl<K, C, W> Actions<K, C, W> {
    /// One that takes notes, if anybody listens.
    pub(crate) fn noting(somebody_listens: bool) -> Self {
        Self { notes: somebody_listens.then(Vec::new), ..Self::default() }
    }

    pub(super) fn drop_options(&mut self, options: DialOptions) {
        if options.scope.is_some() {
            self.options.push(options);
        }
    }

    pub(super) fn note(&mut self, slot: SlotId, what: impl FnOnce() -> NoteKind) {
        if let Some(notes) = &mut self.notes {
            notes.push((slot, what()));
        }
    }
}

impl<K, C, W> Actions<K, C, W> {
    /// Whether there is nothing to do, as after most events.
    pub(crate) fn is_empty(&self) -> bool {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Self { dial, serve, turn_away, close, forget, cancel, reap_at, notes, keys, options } =
            self;
        let is_for_waiters = !dial.is_empty() || !serve.is_empty() || !turn_away.is_empty();
        let is_to_be_dropped = !close.is_empty()
            || !forget.is_empty()
            || !cancel.is_empty()
            || !keys.is_empty()
            || !options.is_empty();
        let is_noted = notes.as_ref().is_some_and(|notes| !notes.is_empty());
        !is_for_waiters && !is_to_be_dropped && reap_at.is_none() && !is_noted
    }
}

/// Leave to connect.
pub(crate) struct Dial<K> {
    pub(crate) slot: SlotId,
    pub(crate) key: Arc<K>,
    /// That of the request that caused it.
    pub(crate) options: DialOptions,
    pub(crate) canceled: Canceled,
}

/// How a request waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitOptions {
    /// Queue position, kept across retries.
    pub(crate) again: Option<Seq>,
    pub(crate) options: DialOptions,
    /// A connection for its key can serve only one request at a time.
    pub(crate) is_exclusive: bool,
}

/// What a request options of the dial that it causes.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialOptions {
    /// How long it lets it take.
    pub(crate) limit: Option<Duration>,
    /// It is told of the first dial that fails, also of one that it did not cause.
    pub(crate) fails_fast: bool,
    /// Its listeners.
    pub(crate) scope: Option<Scope>,
}

impl From<Option<Duration>> for DialOptions {
    fn from(limit: Option<Duration>) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// What is known of a connection from its start.
#[derive(Debug, Default)]
pub(crate) struct ConnFacts {
    /// When it is too old for another request.
    pub(crate) retire_at: Option<Instant>,
    pub(crate) protocol: Option<http::Version>,
    pub(crate) cut: Option<AbortHandle>,
}

/// A connection for one request.
pub(crate) struct Checkout<C> {
    pub(crate) slot: SlotId,
    pub(crate) key: KeyId,
    pub(crate) handle: Handle<C>,
    /// How many requests it has been given, with this one.
    pub(crate) served: u64,
    /// It was used before or has rested since it was made: what is known about it may be out of date.
    pub(crate) reused: bool,
    /// Under which a request that has to wait again goes before all who came later.
    pub(crate) seq: Seq,
}

/// An exclusive connection is moved about, a shared one stays in the state.
pub(crate) enum Handle<C> {
    Exclusive(Box<C>),
    Shared(Arc<C>),
}

/// Why one may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWait {
    Closed,
    QueueFull,
}

/// Which waiters a failed dial is reported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureScope {
    /// The request that caused it. Others that counted on it wait for one more dial, and are told if that fails too.
    Dependents,
    /// The same, but only requests that would not have let it take longer than this.
    NotOutwaiting(Duration),
    /// There is no hope for any.
    All,
}

/// Someone's slot in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) key_id: KeyId,
    pub(super) seq: Seq,
}

/// How a slot is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Dialing,
    Active,
    Idle,
    Closing,
}

/// How many connections a state has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that count against the limit.
    pub(crate) counted: usize,
    /// Those of them that are idle.
    pub(crate) idle: usize,
    /// Those of them that are closed soon.
    pub(crate) leaving: usize,
    /// All of them.
    pub(crate) open: usize,
}

/// One queue of the statistics.
pub(crate) struct Row<K> {
    pub(crate) slot: SlotId,
    pub(crate) key: Arc<K>,
    pub(crate) state: Use,
    pub(crate) requests: usize,
    pub(crate) served: u64,
    pub(crate) opened_at: Instant,
    pub(crate) idle_since: Option<Instant>,
    pub(crate) protocol: Option<http::Version>,
}
