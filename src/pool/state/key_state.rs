//! The state of one key: its queue, its connections, its dials.

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
    /// Its slots by role.
    pub(super) tally: Tally,
    pub(super) sharing: Sharing,
    /// Its entry in `needs_dial`; the flag says that it is in `without_supply` too.
    pub(super) needs_dial_at: Option<(Seq, bool)>,
    /// Its uncovered waiters, as counted in `PoolState::queued`.
    pub(super) queued: usize,
    /// The first failure of a dial since the last connection. Dials that start later are the second wave.
    pub(super) failed_at: Option<Seq>,
    /// Its sequence number in `PoolState::empty`.
    pub(super) empty_at: Option<Seq>,
}

/// The kind of the key's last connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    Unknown,
    Exclusive,
    Shared,
}

/// Shared connections that do not drain, by availability. Full ones are in none of the sets.
#[derive(Default)]
pub(super) struct SharedSlots {
    pub(super) free: BTreeSet<SlotId>,
    /// The peer allows no streams for now: another connection would not be allowed more.
    pub(super) forbidden: BTreeSet<SlotId>,
    /// No request uses it, and none may for now.
    pub(super) useless: BTreeSet<SlotId>,
}

/// Dials of a key, by the waiter that caused each; orphans' waiters have left.
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
            empty_at: None,
        }
    }

    /// Updates for how many waiters a connection is on its way.
    ///
    /// One dial covers all while its protocol is unknown, and further shared connections are dialed one at a time.
    pub(super) fn cover(&mut self) {
        let coming = self.tally.dialing + self.tally.returning;
        let covered = match self.sharing {
            Sharing::Exclusive => coming,
            // One dial may bring a shared connection for all of them.
            Sharing::Unknown | Sharing::Shared if self.tally.dialing > 0 => usize::MAX,
            Sharing::Unknown | Sharing::Shared => 0,
        };
        self.queue.cover(covered);
    }

    /// Removes a waiter from the queue. A dial that it caused becomes an orphan, for the other waiters.
    pub(super) fn take(&mut self, seq: Seq) -> Option<Waiter<W>> {
        let waiter = self.queue.remove(seq)?;
        self.dials.orphan(seq);
        Some(waiter)
    }

    /// Removes and returns the waiters that get the error of a failed dial, which is removed already: its cause; and if it
    /// belongs to the second failing wave, all that have waited through both and have no dial of their own.
    ///
    /// So a refusing host costs a crowd two waves of dials, and a single failed dial fails one request.
    pub(super) fn take_failed(&mut self, failed: FailedDial, now: Seq) -> Vec<Waiter<W>> {
        let FailedDial { slot, cause, scope } = failed;
        if scope == FailureScope::All {
            let all: Vec<Seq> = self.queue.seqs().collect();
            return all.into_iter().filter_map(|seq| self.take(seq)).collect();
        }
        // The failed dial is removed already, so its waiter may be uncovered now.
        self.cover();
        // Sequence numbers order dials and failures: a dial numbered after the first failure belongs to the second wave.
        let is_second_wave = self.failed_at.is_some_and(|before| before < slot.seq);
        // Waiters older than the first failure have waited through both waves.
        let since = self.failed_at.filter(|_| is_second_wave).unwrap_or(0);
        // From here on, only dials that start later form another wave.
        if is_second_wave || self.failed_at.is_none() {
            self.failed_at = Some(now);
        }
        let is_given_up = |seq: &Seq| {
            let is_through = *seq < since;
            let waiter = self.queue.get(*seq);
            waiter
                .is_some_and(|it| it.is_out_of_time(scope) && (is_through || it.options.fails_fast))
        };
        let mut given_up: Vec<Seq> = self.queue.uncovered_seqs().filter(is_given_up).collect();
        let is_concerned = |seq: &Seq| {
            let waiter = self.queue.get(*seq).filter(|waiter| waiter.is_out_of_time(scope));
            waiter.is_some() && !given_up.contains(seq)
        };
        given_up.extend(cause.filter(is_concerned));
        given_up.into_iter().filter_map(|seq| self.take(seq)).collect()
    }

    /// Dials beyond the number of waiters.
    pub(super) fn surplus(&self) -> usize {
        self.tally.dialing.saturating_sub(self.queue.len())
    }

    /// Slots that count against the limit of the key: a draining connection passes its slot on.
    pub(super) fn counted(&self) -> usize {
        // A drained or draining connection has, or may have, a successor.
        self.tally.total() - self.tally.drained - self.tally.draining - self.tally.passed_on
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tally.total() == 0
    }

    /// Frees what the lists of an empty key keep for their next entry. Many keys are never used again.
    pub(super) fn free_lists(&mut self) {
        (self.queue, self.idle) = (WaitQueue::new(), VecDeque::new());
        (self.shared, self.dials) = (SharedSlots::default(), Dials::default());
    }
}

pub(super) struct FailedDial {
    pub(super) slot: SlotId,
    pub(super) cause: Option<Seq>,
    pub(super) scope: FailureScope,
}

impl<W> Waiter<W> {
    /// Whether the failure concerns it: an elapsed limit does only if its own limit is no longer.
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
    /// Registers a dial. A waiter's second dial becomes an orphan.
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

    /// Removes a dial that has ended.
    pub(super) fn end(&mut self, cause: Option<Seq>, slot: SlotId) {
        self.orphans.remove(&slot);
        if let Some(seq) = cause
            // Its waiter may have caused another dial, whose entry stays.
            && self.by_cause.get(&seq) == Some(&slot)
        {
            self.by_cause.remove(&seq);
        }
    }

    fn orphan(&mut self, cause: Seq) {
        self.orphans.extend(self.by_cause.remove(&cause));
    }

    /// The dial to abandon first: the newest orphan, else the newest of all. A dial with a waiter may have that waiter's
    /// limit, so it goes last.
    pub(super) fn least_needed(&self) -> Option<SlotId> {
        let of_a_waiter = || self.by_cause.last_key_value().map(|(_, &slot)| slot);
        self.orphans.last().copied().or_else(of_a_waiter)
    }
}
