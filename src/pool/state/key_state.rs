//! What belongs to one key: its queue, its connections, its dials.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    FailureScope, Seq, SlotId,
    slot::Availability,
    tally::Tally,
    wait_queue::{WaitQueue, Waiter},
};

pub(super) struct KeyState<K, W> {
    pub(super) key: Arc<K>,
    pub(super) queue: WaitQueue<W>,
    /// Exclusive connections in the order in which they became idle, the newest last.
    pub(super) idle: VecDeque<SlotId>,
    pub(super) shared: SharedSlots,
    pub(super) dials: Dials,
    /// Places of any kind.
    pub(super) tally: Tally,
    pub(super) sharing: Sharing,
    /// Its entry among the keys that need a dial, and whether it is among the without_supply too.
    pub(super) needs_dial_at: Option<(Seq, bool)>,
    /// Waiters of this key in the count of those that nothing is on its way for.
    pub(super) queued: usize,
    /// When a dial failed first since a connection was last had: a dial that begins after it is of another wave.
    pub(super) failed_at: Option<Seq>,
    /// It is listed as having more dials than waiters.
    pub(super) has_surplus: bool,
    /// Its sequence number among the empty keys.
    pub(super) empty_at: Option<Seq>,
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
pub(super) struct SharedSlots {
    pub(super) free: BTreeSet<SlotId>,
    /// The peer allows nothing at all for now: another connection would not be allowed more.
    pub(super) forbidden: BTreeSet<SlotId>,
    /// Nobody uses it, and nobody may for now.
    pub(super) useless: BTreeSet<SlotId>,
}

/// The dials of a key: by the waiter that caused each, or without one that still waits.
#[derive(Default)]
pub(super) struct Dials {
    by_cause: BTreeMap<Seq, SlotId>,
    orphans: BTreeSet<SlotId>,
}

impl<K, W> KeyState<K, W> {
    pub(super) fn new(key: Arc<K>, sharing: Sharing) -> Self {
        Self {
            key,
            queue: WaitQueue::new(),
            idle: VecDeque::new(),
            shared: SharedSlots::default(),
            dials: Dials::default(),
            tally: Tally::default(),
            sharing,
            needs_dial_at: None,
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
        self.queue.cover(covered);
    }

    /// Takes a waiter out of the queue. The dial that it caused is for the others now.
    pub(super) fn take(&mut self, seq: Seq) -> Option<Waiter<W>> {
        let waiter = self.queue.remove(seq)?;
        self.dials.orphan(seq);
        Some(waiter)
    }

    /// Takes those out of the queue who are to be told that a dial has failed, which is gone already: its cause; and if it
    /// is of the second wave that fails, all who have waited through both and have no dial of their own.
    ///
    /// So a host that refuses costs a crowd two waves of dials, and a single dial that fails costs one request.
    pub(super) fn take_failed(&mut self, failed: FailedDial, now: Seq) -> Vec<Waiter<W>> {
        let FailedDial { slot, cause, scope } = failed;
        if scope == FailureScope::All {
            let all: Vec<Seq> = self.queue.seqs().collect();
            return all.into_iter().filter_map(|seq| self.take(seq)).collect();
        }
        self.cover();
        let is_second_wave = self.failed_at.is_some_and(|before| before < slot.seq);
        let since = self.failed_at.filter(|_| is_second_wave).unwrap_or(0);
        if is_second_wave || self.failed_at.is_none() {
            self.failed_at = Some(now);
        }
        let is_told = |seq: &Seq| {
            let is_through = *seq < since;
            let waiter = self.queue.get(*seq);
            waiter
                .is_some_and(|it| it.is_out_of_time(scope) && (is_through || it.options.fails_fast))
        };
        let mut given_up: Vec<Seq> = self.queue.uncovered_seqs().filter(is_told).collect();
        let is_concerned = |seq: &Seq| {
            let waiter = self.queue.get(*seq).filter(|waiter| waiter.is_out_of_time(scope));
            waiter.is_some() && !given_up.contains(seq)
        };
        given_up.extend(cause.filter(is_concerned));
        given_up.into_iter().filter_map(|seq| self.take(seq)).collect()
    }

    /// More dials than waiters.
    pub(super) fn surplus(&self) -> usize {
        self.tally.dialing.saturating_sub(self.queue.len())
    }

    /// Places that count against the limit of the key: one that finishes its streams passes its slot on.
    pub(super) fn counted(&self) -> usize {
        self.tally.total() - self.tally.drained - self.tally.draining - self.tally.passed_on
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tally.total() == 0
    }
}

/// A dial that has failed.
pub(super) struct FailedDial {
    pub(super) slot: SlotId,
    pub(super) cause: Option<Seq>,
    pub(super) scope: FailureScope,
}

impl<W> Waiter<W> {
    /// Whether a failure concerns it: one for lack of time does only if it would not have let a dial take longer.
    fn is_out_of_time(&self, scope: FailureScope) -> bool {
        match scope {
            FailureScope::NotOutwaiting(passed) => {
                self.options.limit.is_some_and(|limit| limit <= passed)
            }
            FailureScope::Dependents | FailureScope::All => true,
        }
    }
}

impl SharedSlots {
    pub(super) fn insert(&mut self, availability: Option<Availability>, id: SlotId) {
        if let Some(slots) = self.of(availability) {
            slots.insert(id);
        }
    }

    pub(super) fn remove(&mut self, availability: Option<Availability>, id: SlotId) {
        if let Some(slots) = self.of(availability) {
            slots.remove(&id);
        }
    }

    fn of(&mut self, availability: Option<Availability>) -> Option<&mut BTreeSet<SlotId>> {
        match availability? {
            Availability::Free => Some(&mut self.free),
            Availability::Forbidden => Some(&mut self.forbidden),
            Availability::Useless => Some(&mut self.useless),
            Availability::Full => None,
        }
    }
}

impl Dials {
    /// A waiter that causes a second one is counted with the first.
    pub(super) fn begin(&mut self, cause: Option<Seq>, slot: SlotId) {
        match cause {
            Some(seq) if !self.by_cause.contains_key(&seq) => {
                self.by_cause.insert(seq, slot);
            }
            _ => {
                self.orphans.insert(slot);
            }
        }
    }

    /// The dial has ended. Says who caused it and still waits.
    pub(super) fn end(&mut self, cause: Option<Seq>, slot: SlotId) {
        self.orphans.remove(&slot);
        if let Some(seq) = cause
            && self.by_cause.get(&seq) == Some(&slot)
        {
            self.by_cause.remove(&seq);
        }
    }

    fn orphan(&mut self, cause: Seq) {
        self.orphans.extend(self.by_cause.remove(&cause));
    }

    /// The dial to abandon first: one without a cause, before one with a waiter that may have chosen how long it
    /// takes; the newest of them.
    pub(super) fn least_needed(&self) -> Option<SlotId> {
        let of_a_waiter = || self.by_cause.last_key_value().map(|(_, &slot)| slot);
        self.orphans.last().copied().or_else(of_a_waiter)
    }
}
