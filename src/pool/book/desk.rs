//! One key's page: who waits for it, what it has, what it is about to have.

use std::{collections::BTreeMap, time::Duration};

use super::{PlaceId, Told, Turn, Wish};

pub(super) struct Desk<K, W> {
    pub(super) key: K,
    /// First come, first served. Each with what it wishes of a dial.
    pub(super) waiters: BTreeMap<Turn, (W, Wish)>,
    /// The newest last.
    pub(super) idle: Vec<PlaceId>,
    pub(super) shared: Vec<PlaceId>,
    /// Places of any kind, dials and closing ones too.
    pub(super) open: usize,
    pub(super) dialing: usize,
    pub(super) returning: usize,
    pub(super) sharing: Sharing,
    /// Under which turn it stands among the hungry.
    pub(super) hungry_at: Option<Turn>,
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

impl<K, W> Desk<K, W> {
    pub(super) fn new(key: K) -> Self {
        Self {
            key,
            waiters: BTreeMap::new(),
            idle: Vec::new(),
            shared: Vec::new(),
            open: 0,
            dialing: 0,
            returning: 0,
            sharing: Sharing::Unknown,
            hungry_at: None,
            empty_at: None,
        }
    }

    /// The first waiter for whom nothing is on its way.
    ///
    /// One dial serves all until it is known what it brings, and a further shared connection is dialed one at a time.
    pub(super) fn first_uncovered(&self) -> Option<Turn> {
        let (wanted, coming) = match self.sharing {
            Sharing::Exclusive => (self.waiters.len(), self.dialing + self.returning),
            Sharing::Unknown | Sharing::Shared => (self.waiters.len().min(1), self.dialing),
        };
        (wanted > coming).then(|| self.waiters.keys().nth(coming).copied()).flatten()
    }

    /// Takes those out of the line who are to be told of a failure.
    pub(super) fn give_up(&mut self, told: Told) -> Vec<W> {
        let counted = match (self.sharing, told) {
            (_, Told::All) | (Sharing::Unknown | Sharing::Shared, _) => self.waiters.len(),
            (Sharing::Exclusive, _) => 1,
        };
        let impatient = |limit: Option<Duration>| match told {
            Told::WaitingNoLonger(passed) => limit.is_some_and(|limit| limit <= passed),
            Told::WhoCounted | Told::All => true,
        };
        let counted = self.waiters.iter().take(counted);
        let given_up =
            counted.filter(|(_, (_, wish))| impatient(wish.limit)).map(|(turn, _)| *turn);
        let given_up: Vec<Turn> = given_up.collect();
        given_up.iter().filter_map(|turn| Some(self.waiters.remove(turn)?.0)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty() && self.open == 0
    }
}
