//! What a book is told and what it answers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DeskId, PlaceId, Turn, Want, Wanted};
use crate::{
    connection::Cut,
    events::{Noted, Scope},
};

/// What a book wants done, by one who does not hold its lock.
pub(crate) struct Todo<K, C, W> {
    /// Connect to these.
    pub(crate) dial: Vec<Dial<K>>,
    /// Hand these over.
    pub(crate) serve: Vec<(W, Checkout<C>)>,
    /// Tell these that there is no hope.
    pub(crate) turn_away: Vec<W>,
    /// Drop these.
    pub(crate) close: Vec<Handle<C>>,
    /// Drop these, too.
    pub(crate) forget: Vec<Cut>,
    /// And these: so a dial learns that nobody wants it any more.
    pub(crate) unwanted: Vec<Want>,
    /// Call [`Book::reap`](super::Book::reap) then.
    pub(crate) reap_at: Option<Instant>,
    /// Tell this of these connections, if anybody listens.
    pub(crate) notes: Option<Vec<(PlaceId, Noted)>>,
    /// Drop these keys. They are a user's, whose drop may do anything: it is not done under the lock.
    pub(crate) keys: Vec<Arc<K>>,
    /// And these, for the listeners in them.
    pub(crate) wishes: Vec<Wish>,
}

impl<K, C, W> Default for Todo<K, C, W> {
    fn default() -> Self {
        let (dial, serve, close) = (Vec::new(), Vec::new(), Vec::new());
        let (turn_away, forget, unwanted) = (Vec::new(), Vec::new(), Vec::new());
        let (reap_at, notes, keys, wishes) = (None, None, Vec::new(), Vec::new());
        Self { dial, serve, turn_away, close, forget, unwanted, reap_at, notes, keys, wishes }
    }
}

impl<K, C, W> Todo<K, C, W> {
    /// One that takes notes, if anybody listens.
    pub(crate) fn noting(somebody_listens: bool) -> Self {
        Self { notes: somebody_listens.then(Vec::new), ..Self::default() }
    }

    pub(super) fn drop_wish(&mut self, wish: Wish) {
        if wish.scope.is_some() {
            self.wishes.push(wish);
        }
    }

    pub(super) fn note(&mut self, place: PlaceId, what: impl FnOnce() -> Noted) {
        if let Some(notes) = &mut self.notes {
            notes.push((place, what()));
        }
    }
}

impl<K, C, W> Todo<K, C, W> {
    /// Whether there is nothing to do, as after most events.
    pub(crate) fn is_empty(&self) -> bool {
        // Taken apart without `..`, so that a new field cannot be forgotten.
        let Self { dial, serve, turn_away, close, forget, unwanted, reap_at, notes, keys, wishes } =
            self;
        let is_for_waiters = !dial.is_empty() || !serve.is_empty() || !turn_away.is_empty();
        let is_to_be_dropped = !close.is_empty()
            || !forget.is_empty()
            || !unwanted.is_empty()
            || !keys.is_empty()
            || !wishes.is_empty();
        let is_noted = notes.as_ref().is_some_and(|notes| !notes.is_empty());
        !is_for_waiters && !is_to_be_dropped && reap_at.is_none() && !is_noted
    }
}

/// Leave to connect.
pub(crate) struct Dial<K> {
    pub(crate) place: PlaceId,
    pub(crate) key: Arc<K>,
    /// That of the request that caused it.
    pub(crate) wish: Wish,
    pub(crate) wanted: Wanted,
}

/// How a request waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// The turn under which it waited before, or had a connection in vain.
    pub(crate) again: Option<Turn>,
    pub(crate) wish: Wish,
    /// A connection for its key can serve only one request at a time.
    pub(crate) is_exclusive: bool,
}

/// What a request wishes of the dial that it causes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// How long it lets it take.
    pub(crate) limit: Option<Duration>,
    /// It is told of the first dial that fails, also of one that it did not cause.
    pub(crate) fails_fast: bool,
    /// Who is told of it.
    pub(crate) scope: Option<Scope>,
}

impl From<Option<Duration>> for Wish {
    fn from(limit: Option<Duration>) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// What is known of a connection from its start.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// When it is too old for another request.
    pub(crate) retire_at: Option<Instant>,
    pub(crate) protocol: Option<http::Version>,
    pub(crate) cut: Option<Cut>,
}

/// A connection for one request.
pub(crate) struct Checkout<C> {
    pub(crate) place: PlaceId,
    pub(crate) handle: Handle<C>,
    /// How many requests it has been given, with this one.
    pub(crate) served: u64,
    /// It was used before or has rested since it was made: what is known about it may be out of date.
    pub(crate) reused: bool,
    /// Under which a request that has to wait again goes before all who came later.
    pub(crate) turn: Turn,
}

/// An exclusive connection is moved about, a shared one stays in the book.
pub(crate) enum Handle<C> {
    Exclusive(C),
    Shared(Arc<C>),
}

/// Why one may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWait {
    Closed,
    QueueFull,
}

/// Who is told that a dial has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The request that caused it. Others that counted on it wait for one more dial, and are told if that fails too.
    WhoCounted,
    /// The same, but only requests that would not have let it take longer than this.
    WaitingNoLonger(Duration),
    /// There is no hope for any.
    All,
}

/// Someone's place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(super) desk: DeskId,
    pub(super) turn: Turn,
}

/// How a place is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Dialing,
    Active,
    Idle,
    Closing,
}

/// How many connections a book has.
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

/// One line of the statistics.
pub(crate) struct Row<K> {
    pub(crate) place: PlaceId,
    pub(crate) key: Arc<K>,
    pub(crate) state: Use,
    pub(crate) requests: usize,
    pub(crate) served: u64,
    pub(crate) opened_at: Instant,
    pub(crate) idle_since: Option<Instant>,
    pub(crate) protocol: Option<http::Version>,
}
