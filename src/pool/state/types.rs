//! Inputs and outputs of the state machine.

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

/// What has to be done after the lock is released.
pub(crate) struct Actions<K, C, W> {
    /// Dials to start.
    pub(crate) dial: Few<Dial<K>>,
    /// Waiters to serve.
    pub(crate) serve: Few<(W, CheckedOut<C>)>,
    /// Waiters to reject, because the pool is closed.
    pub(crate) reject: Vec<W>,
    /// Connections to drop.
    pub(crate) close: Few<Handle<C>>,
    /// Abort handles to drop.
    pub(crate) abort_handles: Few<AbortHandle>,
    /// Guards to drop, which cancels dials, drains and timers.
    pub(crate) cancel: Few<CancelGuard>,
    /// The timer to start.
    pub(crate) reap: Option<Reap>,
    /// Notes for listeners; `None` without listeners.
    pub(crate) notes: Option<Vec<(SlotId, NoteKind)>>,
    /// Keys to drop. Their `Drop` is foreign code, which must not run under the lock.
    pub(crate) keys: Few<Arc<K>>,
    /// Options to drop, because they hold listeners, which are foreign too.
    pub(crate) options: Vec<DialOptions>,
}

/// The context of one event: its time, and its actions.
pub(crate) struct Transition<K, C, W> {
    pub(crate) now: Instant,
    pub(crate) actions: Actions<K, C, W>,
}

impl<K, C, W> Transition<K, C, W> {
    /// A context at this time; notes are collected only for listeners.
    pub(crate) fn new(now: Instant, has_listener: bool) -> Self {
        Self { now, actions: Actions::noting(has_listener) }
    }
}

impl<K, C, W> Default for Actions<K, C, W> {
    fn default() -> Self {
        let (dial, serve, close) = (Few::new(), Few::new(), Few::new());
        let (reject, abort_handles, cancel) = (Vec::new(), Few::new(), Few::new());
        let (reap, notes, keys, options) = (None, None, Few::new(), Vec::new());
        Self { dial, serve, reject, close, abort_handles, cancel, reap, notes, keys, options }
    }
}

impl<K, C, W> Actions<K, C, W> {
    /// Actions that collect notes if there are listeners.
    pub(crate) fn noting(has_listener: bool) -> Self {
        Self { notes: has_listener.then(Vec::new), ..Self::default() }
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
        // Without `..`, so that a new field cannot be forgotten.
        let Self { dial, serve, reject, close, abort_handles, cancel, reap, notes, keys, options } =
            self;
        let is_for_waiters = !dial.is_empty() || !serve.is_empty() || !reject.is_empty();
        let is_to_be_dropped = !close.is_empty()
            || !abort_handles.is_empty()
            || !cancel.is_empty()
            || !keys.is_empty()
            || !options.is_empty();
        let is_noted = notes.as_ref().is_some_and(|notes| !notes.is_empty());
        !is_for_waiters && !is_to_be_dropped && reap.is_none() && !is_noted
    }
}

/// When to call [`PoolState::reap`](super::PoolState::reap), unless canceled.
#[derive(Clone)]
pub(crate) struct Reap {
    pub(crate) seq: Seq,
    pub(crate) at: Instant,
    pub(crate) canceled: Canceled,
}

/// A permission to dial.
pub(crate) struct Dial<K> {
    pub(crate) slot: SlotId,
    pub(crate) key: Arc<K>,
    /// The options of the request that caused it.
    pub(crate) options: DialOptions,
    pub(crate) canceled: Canceled,
}

/// How a request waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitOptions {
    /// Queue position, kept across retries.
    pub(crate) again: Option<Seq>,
    pub(crate) options: DialOptions,
    /// A connection of its key serves only one request at a time.
    pub(crate) is_exclusive: bool,
}

/// A request's options for the dial that it causes.
#[derive(Clone, Debug, Default)]
pub(crate) struct DialOptions {
    /// The longest time the dial may take.
    pub(crate) limit: Option<Duration>,
    /// The first dial that fails while it waits fails it, whoever caused that dial.
    pub(crate) fails_fast: bool,
    /// Its listeners.
    pub(crate) scope: Option<Scope>,
}

impl From<Option<Duration>> for DialOptions {
    fn from(limit: Option<Duration>) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// Constant facts of a connection.
#[derive(Debug, Default)]
pub(crate) struct ConnFacts {
    /// When it is too old for another request.
    pub(crate) retire_at: Option<Instant>,
    pub(crate) protocol: Option<http::Version>,
    pub(crate) abort_handle: Option<AbortHandle>,
}

/// A connection for one request.
pub(crate) struct CheckedOut<C> {
    pub(crate) slot: SlotId,
    pub(crate) key: KeyId,
    pub(crate) handle: Handle<C>,
    /// Requests it was given so far, this one included.
    pub(crate) served: u64,
    /// It was used or idle before, so what is known about it may be out of date.
    pub(crate) reused: bool,
    /// Queue position if the request has to wait again.
    pub(crate) seq: Seq,
}

/// The state moves an exclusive connection out, and clones a shared one.
pub(crate) enum Handle<C> {
    Exclusive(Box<C>),
    Shared(Arc<C>),
}

/// Why a request may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWait {
    Closed,
    QueueFull,
}

/// Which waiters get the error of a failed dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureScope {
    /// The request that caused it. Others that counted on it wait for one more dial, and get the error if that fails too.
    Dependents,
    /// Like `Dependents`, without requests whose own limit is longer than this.
    NotOutwaiting(Duration),
    /// All waiters: no dial can succeed.
    All,
}

/// A position in the queue of a key.
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

/// Which idle connections an eviction may close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdleKind {
    /// All: another key needs the slot.
    Any,
    /// Those that no request waits for: there are more than may be idle.
    Needless,
}

/// Numbers of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnCounts {
    /// Connections that count against the limit.
    pub(crate) counted: usize,
    /// Counted and idle.
    pub(crate) idle: usize,
    /// Counted and closing.
    pub(crate) leaving: usize,
    /// All connections.
    pub(crate) open: usize,
}

/// One row of the statistics.
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
