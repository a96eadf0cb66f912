//! One key's page: who waits for it, what it has, what it is about to have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    PlaceId, Told, Turn,
    line::{Line, Waiter},
    place::Standing,
    tally::Tally,
};

/// Failed dials that a request waits through before it is told of one that it did not cause.
const WAVES: u8 = 2;

pub(super) struct Desk<K, W> {
    pub(super) key: Arc<K>,
    pub(super) line: Line<W>,
    /// By the turn in which they became idle: the newest last.
    pub(super) idle: BTreeMap<Turn, PlaceId>,
    pub(super) shared: SharedPlaces,
    pub(super) dials: Dials,
    /// Places of any kind.
    pub(super) tally: Tally,
    pub(super) sharing: Sharing,
    /// Its entry among the hungry, and whether it is among the barren too.
    pub(super) hungry_at: Option<(Turn, bool)>,
    /// Waiters of this key in the count of those that nothing is on its way for.
    pub(super) queued: usize,
    /// It is listed as having more dials than waiters.
    pub(super) has_surplus: bool,
    /// Under which turn it stands among the empty.
    pub(super) empty_at: Option<Turn>,
}

/// What the last connection of a key turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Unknown,
    Exclusive,
    Shared,
}

/// Shared connections that are not draining, by what can be had of them. Those without a free stream are in none.
#[derive(Default)]
pub(super) struct SharedPlaces {
    pub(super) free: BTreeSet<PlaceId>,
    /// The peer allows nothing at all for now: another connection would not be allowed more.
    pub(super) forbidden: BTreeSet<PlaceId>,
    /// Nobody uses it, and nobody may for now.
    pub(super) useless: BTreeSet<PlaceId>,
}

/// The dials of a key: by the waiter that caused each, or without one that still waits.
#[derive(Default)]
pub(super) struct Dials {
    by_cause: BTreeMap<Turn, PlaceId>,
    orphans: BTreeSet<PlaceId>,
}

impl<K, W> Desk<K, W> {
    pub(super) fn new(key: Arc<K>, sharing: Sharing) -> Self {
        Self {
            key,
            line: Line::new(),
            idle: BTreeMap::new(),
            shared: SharedPlaces::default(),
            dials: Dials::default(),
            tally: Tally::default(),
            sharing,
            hungry_at: None,
            queued: 0,
            has_surplus: false,
            empty_at: None,
        }
    }

    /// Counts for how many waiters something is on its way.
    ///
    /// One dial serves all until it is known what it brings, and a further shared connection is dialed one at a time.
    pub(super) fn cover(&mut self) {
        let coming = self.tally.dialing + self.tally.returning;
        let covered = match self.sharing {
            Sharing::Exclusive => coming,
            Sharing::Unknown | Sharing::Shared if self.tally.dialing > 0 => usize::MAX,
            Sharing::Unknown | Sharing::Shared => 0,
        };
        self.line.cover(covered);
    }

    /// Takes a waiter out of the line. The dial that it caused is for the others now.
    pub(super) fn take(&mut self, turn: Turn) -> Option<Waiter<W>> {
        let waiter = self.line.remove(turn)?;
        self.dials.orphan(turn);
        Some(waiter)
    }

    /// Takes those out of the line who are to be told that a dial has failed.
    pub(super) fn give_up(&mut self, told: Told, caused_by: Option<Turn>) -> Vec<Waiter<W>> {
        let cause = caused_by.filter(|turn| self.line.get(*turn).is_some());
        let concerned: Vec<Turn> = match (told, self.sharing) {
            (Told::All, _) | (_, Sharing::Unknown | Sharing::Shared) => self.line.turns().collect(),
            // The others have dials of their own.
            (_, Sharing::Exclusive) if self.tally.dialing >= self.line.len() => {
                cause.into_iter().collect()
            }
            (_, Sharing::Exclusive) => cause.or(self.line.first()).into_iter().collect(),
        };
        let is_told = |turn: &Turn| match self.line.get_mut(*turn) {
            Some(waiter) => told == Told::All || waiter.counted_on(told, cause == Some(*turn)),
            None => false,
        };
        let given_up: Vec<Turn> = concerned.into_iter().filter(is_told).collect();
        given_up.into_iter().filter_map(|turn| self.take(turn)).collect()
    }

    /// More dials than waiters.
    pub(super) fn surplus(&self) -> usize {
        self.tally.dialing.saturating_sub(self.line.len())
    }

    /// Places that count against the limit of the key: one that finishes its streams passes its place on.
    pub(super) fn counted(&self) -> usize {
        self.tally.total() - self.tally.drained - self.tally.draining - self.tally.passed_on
    }

    pub(super) fn is_empty(&self) -> bool {
        self.line.is_empty() && self.tally.total() == 0
    }
}

impl<W> Waiter<W> {
    /// Whether it is told of this failure: of its own at once, of others' when it has waited through enough of them.
    fn counted_on(&mut self, told: Told, is_its_own: bool) -> bool {
        if let Told::WaitingNoLonger(passed) = told
            && self.wish.limit.is_none_or(|limit| limit > passed)
        {
            return false;
        }
        self.failed_dials += 1;
        is_its_own || self.wish.fails_fast || self.failed_dials >= WAVES
    }
}

impl SharedPlaces {
    pub(super) fn insert(&mut self, standing: Option<Standing>, id: PlaceId) {
        if let Some(places) = self.of(standing) {
            places.insert(id);
        }
    }

    pub(super) fn remove(&mut self, standing: Option<Standing>, id: PlaceId) {
        if let Some(places) = self.of(standing) {
            places.remove(&id);
        }
    }

    fn of(&mut self, standing: Option<Standing>) -> Option<&mut BTreeSet<PlaceId>> {
        match standing? {
            Standing::Free => Some(&mut self.free),
            Standing::Forbidden => Some(&mut self.forbidden),
            Standing::Useless => Some(&mut self.useless),
            Standing::Full => None,
        }
    }
}

impl Dials {
    /// A waiter that causes a second one is counted with the first.
    pub(super) fn begin(&mut self, cause: Option<Turn>, place: PlaceId) {
        match cause {
            Some(turn) if !self.by_cause.contains_key(&turn) => {
                self.by_cause.insert(turn, place);
            }
            _ => {
                self.orphans.insert(place);
            }
        }
    }

    /// The dial has ended. Says who caused it and still waits.
    pub(super) fn end(&mut self, cause: Option<Turn>, place: PlaceId) {
        self.orphans.remove(&place);
        if let Some(turn) = cause
            && self.by_cause.get(&turn) == Some(&place)
        {
            self.by_cause.remove(&turn);
        }
    }

    fn orphan(&mut self, cause: Turn) {
        self.orphans.extend(self.by_cause.remove(&cause));
    }

    /// The dial to abandon first: one without a cause, before one with a waiter that may have chosen how long it
    /// takes; the newest of them.
    pub(super) fn least_wanted(&self) -> Option<PlaceId> {
        let of_a_waiter = || self.by_cause.last_key_value().map(|(_, &place)| place);
        self.orphans.last().copied().or_else(of_a_waiter)
    }
}
