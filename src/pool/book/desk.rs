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
    /// When a dial failed first since a connection was last had: a dial that begins after it is of another wave.
    pub(super) failed_at: Option<Turn>,
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
            failed_at: None,
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

    /// Takes those out of the line who are to be told that a dial has failed, which is gone already: its cause; and if it
    /// is of the second wave that fails, all who have waited through both and have no dial of their own.
    ///
    /// So a host that refuses costs a crowd two waves of dials, and a single dial that fails costs one request.
    pub(super) fn give_up(&mut self, failed: FailedDial, now: Turn) -> Vec<Waiter<W>> {
        let FailedDial { place, cause, told } = failed;
        if told == Told::All {
            let all: Vec<Turn> = self.line.turns().collect();
            return all.into_iter().filter_map(|turn| self.take(turn)).collect();
        }
        self.cover();
        let is_second_wave = self.failed_at.is_some_and(|before| before < place);
        let since = self.failed_at.filter(|_| is_second_wave).unwrap_or(0);
        if is_second_wave || self.failed_at.is_none() {
            self.failed_at = Some(now);
        }
        let is_told = |turn: &Turn| {
            let is_through = *turn < since;
            let waiter = self.line.get(*turn);
            waiter.is_some_and(|it| it.is_out_of_time(told) && (is_through || it.wish.fails_fast))
        };
        let mut given_up: Vec<Turn> = self.line.uncovered_turns().filter(is_told).collect();
        let is_concerned = |turn: &Turn| {
            let waiter = self.line.get(*turn).filter(|waiter| waiter.is_out_of_time(told));
            waiter.is_some() && !given_up.contains(turn)
        };
        given_up.extend(cause.filter(is_concerned));
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

/// A dial that has failed.
pub(super) struct FailedDial {
    pub(super) place: PlaceId,
    pub(super) cause: Option<Turn>,
    pub(super) told: Told,
}

impl<W> Waiter<W> {
    /// Whether a failure concerns it: one for lack of time does only if it would not have let a dial take longer.
    fn is_out_of_time(&self, told: Told) -> bool {
        match told {
            Told::WaitingNoLonger(passed) => self.wish.limit.is_some_and(|limit| limit <= passed),
            Told::WhoCounted | Told::All => true,
        }
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
