//! The state machine of a pool, pure: idle and leased connections, waiting requests, permission to dial.
//!
//! It does no I/O, reads no clock and spawns no task. Every event is a method; it writes what has to be done into
//! [`Actions`], which the caller executes after the lock is released. A connection `C` is only moved, never called and
//! never dropped in here.
//!
//! One state holds reuse, admission and waiting together, because two queues that cannot wake each other starve their
//! callers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    Limits,
    cancel::{CancelGuard, Canceled},
    uri_keys::UriKeys,
};
use crate::{
    connection::AbortHandle,
    events::{CloseReason, NoteKind},
};

mod drain;
mod fast_path;
mod idle_list;
mod key_state;
mod report;
mod room;
mod serve;
mod slab;
mod slot;
mod tally;
#[cfg(test)]
mod tests;
mod types;
mod wait;
mod wait_queue;

pub(crate) use fast_path::ReleaseOutcome;
pub(crate) use types::{
    Actions, CheckedOut, ConnCounts, ConnFacts, Dial, DialOptions, FailureScope, Handle, IdleKind,
    NoWait, Reap, Row, Ticket, Transition, Use, WaitOptions,
};

use idle_list::IdleList;
use key_state::{FailedDial, KeyState, Sharing};
use slab::Slab;
use slot::{Age, Slot, SlotState};
use tally::Tally;
use wait_queue::{WaitQueue, Waiter};

/// Minimum time between two reaps, so that many connections that expire one after the other cost little.
const REAP_PAUSE: Duration = Duration::from_millis(100);

/// How long a waiter waits for a dropped response of its own key to be drained: about as long as a dial takes.
const FINISHING_TIME: Duration = Duration::from_millis(100);

/// How many keys without connections are kept for the protocol they spoke.
const REMEMBERED: usize = 1000;

/// A reap that is late by more than this is done by the next event: the runtime of its timer may not be driven.
const REAP_GRACE: Duration = Duration::from_secs(1);

/// Keys, slots and waiters.
pub(crate) struct PoolState<K, C, W> {
    limits: Limits,
    keys: HashMap<Arc<K>, KeyId, RandomState>,
    key_states: Slab<KeyState<K, W>>,
    slots: Slab<Slot<C>>,
    /// Slots by role.
    tally: Tally,
    idle: IdleList,
    uri_keys: UriKeys<KeyId>,
    /// Exclusive connections that drain a dropped response.
    finishing: BTreeSet<SlotId>,
    /// Shared connections that take requests, full ones included.
    joinable: BTreeSet<SlotId>,
    /// Shared connections that only finish their streams, while that is waited for.
    draining: BTreeSet<SlotId>,
    /// Keys that need a dial, by their first uncovered waiter.
    needs_dial: BTreeSet<(Seq, KeyId)>,
    /// Those without a connection that could serve that waiter.
    without_supply: BTreeSet<(Seq, KeyId)>,
    /// Those with connections that may serve it.
    with_supply: BTreeSet<(Seq, KeyId)>,
    /// Keys with more dials than waiters.
    surplus: BTreeSet<KeyId>,
    /// Keys without slots and waiters, the longest unused first.
    empty: BTreeMap<Seq, KeyId>,
    waiting: usize,
    /// Waiters for which no connection is on its way.
    queued: usize,
    /// Numbers everything. No number is used twice, so a late event never hits another slot.
    seq: Seq,
    opened: u64,
    /// The next reap, if any. Its timer is the only one that runs.
    reap: Option<ScheduledReap>,
    closed: bool,
}

struct ScheduledReap {
    seq: Seq,
    at: Instant,
    /// Cancels its timer.
    guard: CancelGuard,
}

/// A number in the order of events.
pub(crate) type Seq = u64;
pub(crate) use crate::connection::SlotId;
/// Keys are numbered like slots.
pub(crate) type KeyId = SlotId;

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keys: HashMap::default(),
            key_states: Slab::new(),
            slots: Slab::new(),
            tally: Tally::default(),
            idle: IdleList::new(),
            uri_keys: UriKeys::new(),
            finishing: BTreeSet::new(),
            joinable: BTreeSet::new(),
            draining: BTreeSet::new(),
            needs_dial: BTreeSet::new(),
            without_supply: BTreeSet::new(),
            with_supply: BTreeSet::new(),
            surplus: BTreeSet::new(),
            empty: BTreeMap::new(),
            waiting: 0,
            queued: 0,
            seq: 0,
            opened: 0,
            reap: None,
            closed: false,
        }
    }

    /// A dial has connected. Returns the connection if it closed before its dial reported: redialing could loop, so the
    /// waiters get the error.
    pub(crate) fn dialed(
        &mut self,
        slot: SlotId,
        connection: Handle<C>,
        facts: ConnFacts,
        cx: &mut Transition<K, C, W>,
    ) -> Result<(), Handle<C>> {
        if let Some(entry) = self.slots.get_mut(slot) {
            // Set even if the connection is refused below: its close event needs it.
            entry.age = Age::OpenedAt(cx.now);
        }
        let Some(key_id) = self.begin(slot, cx) else {
            // An abort handle may be a user's closure: the caller drops it after the lock.
            cx.actions.abort_handles.extend(facts.abort_handle);
            return Err(connection);
        };
        self.slot_mut(slot).facts = facts;
        self.opened += 1;
        match connection {
            Handle::Exclusive(connection) => {
                self.key_mut(key_id).sharing = Sharing::Exclusive;
                self.pass_on(slot, connection, None, cx);
            }
            Handle::Shared(connection) => {
                self.key_mut(key_id).sharing = Sharing::Shared;
                self.slot_mut(slot).state = SlotState::Shared { connection, used: 0, idle: None };
                self.reindex_shared(slot);
                self.serve(key_id, cx);
                self.idle_shared(slot, cx);
            }
        }
        self.rebalance(key_id, cx);
        Ok(())
    }

    /// A dial has failed. Returns the waiters that get the error; the others wait for another dial. The failure of an
    /// abandoned dial goes to no waiter.
    pub(crate) fn dial_failed(
        &mut self,
        slot: SlotId,
        scope: FailureScope,
        cx: &mut Transition<K, C, W>,
    ) -> Vec<W> {
        let Some(entry) = self.slots.get(slot).filter(|slot| slot.is_in_the_making()) else {
            return Vec::new();
        };
        // Read first: `abandon` and `remove` forget the cause.
        let (key_id, was_wanted, cause) = (entry.key_id, entry.is_dialing(), entry.caused_by());
        if entry.is_refused() {
            // The slot is free once the connection is closed, which its own task may have to do.
            self.abandon(slot, cx);
            self.slot_mut(slot).state = SlotState::Closing;
        } else {
            self.remove(slot, cx);
        }
        // Numbered before any further dial, so that later dials count as the next wave.
        let (seq, failed) = (self.next_seq(), FailedDial { slot, cause, scope });
        let given_up = match was_wanted {
            true => self.key_mut(key_id).take_failed(failed, seq),
            false => Vec::new(),
        };
        // `take_failed` has removed them from the queue.
        self.waiting -= given_up.len();
        self.rebalance(key_id, cx);
        let waiters = given_up.into_iter().map(|Waiter { waiter, options, .. }| {
            cx.actions.drop_options(options);
            waiter
        });
        waiters.collect()
    }

    /// An exclusive connection is on its way back and counts as supply.
    pub(crate) fn returning(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let is_out =
            |slot: &Slot<C>| matches!(slot.state, SlotState::Leased | SlotState::Finishing { .. });
        let Some(key_id) = self.slots.get(slot).filter(|it| is_out(it)).map(|it| it.key_id) else {
            return;
        };
        self.finishing.remove(&slot);
        if let SlotState::Finishing { guard, .. } =
            self.change(slot, |slot| std::mem::replace(&mut slot.state, SlotState::Returning))
        {
            // Not dropped here: the drop wakes the draining task, and no waker runs under the lock.
            cx.actions.cancel.push(guard);
        }
        self.rebalance(key_id, cx);
    }

    /// A dropped response is being drained, so that its connection can serve again. Canceled as soon as a waiter could use
    /// the slot.
    ///
    /// A waiter of the same key waits up to `FINISHING_TIME` for a rest of known length; a rest of unknown length may be
    /// endless.
    pub(crate) fn finishing(
        &mut self,
        slot: SlotId,
        is_endless: bool,
        cx: &mut Transition<K, C, W>,
    ) -> Canceled {
        let (guard, canceled) = CancelGuard::new();
        let until = if is_endless { cx.now } else { cx.now + FINISHING_TIME };
        match self.slots.get_mut(slot) {
            Some(entry) if matches!(entry.state, SlotState::Leased) => {
                entry.state = SlotState::Finishing { guard, until };
                let key_id = entry.key_id;
                self.finishing.insert(slot);
                self.rebalance(key_id, cx);
            }
            // The slot has ended meanwhile: the task is canceled before it starts.
            _ => cx.actions.cancel.push(guard),
        }
        canceled
    }

    /// An exclusive connection is back, ready for the next request. `keep_alive` is the peer's limit on idling, if given.
    pub(crate) fn give_back(
        &mut self,
        slot: SlotId,
        connection: Box<C>,
        keep_alive: Option<Duration>,
        cx: &mut Transition<K, C, W>,
    ) {
        let Some(key_id) = self.check_in(slot, cx) else {
            return cx.actions.close.push(Handle::Exclusive(connection));
        };
        self.pass_on(slot, connection, keep_alive, cx);
        self.rebalance(key_id, cx);
    }

    /// An exclusive connection will not return. Its slot ends when its transport closes: soon, unless it was upgraded.
    pub(crate) fn discard(
        &mut self,
        slot: SlotId,
        close_reason: CloseReason,
        cx: &mut Transition<K, C, W>,
    ) {
        let Some(key_id) = self.check_in(slot, cx) else { return };
        if close_reason == CloseReason::Upgraded {
            self.change(slot, |slot| slot.state = SlotState::Upgraded);
            self.set_close_reason(slot, close_reason);
        } else {
            self.mark_closing(slot, close_reason);
        }
        self.rebalance(key_id, cx);
    }

    /// A request on a shared connection has ended.
    pub(crate) fn release(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let SlotState::Shared { used, .. } = &mut entry.state else { return };
        *used = used.saturating_sub(1);
        let key_id = entry.key_id;
        self.reindex_shared(slot);
        self.serve(key_id, cx);
        self.idle_shared(slot, cx);
        self.rebalance(key_id, cx);
    }

    /// Sets how many requests a shared connection may carry at once; `None` while it takes no new ones.
    pub(crate) fn streams(
        &mut self,
        slot: SlotId,
        streams: Option<usize>,
        cx: &mut Transition<K, C, W>,
    ) {
        // May come while the slot still dials: `hold` reports the number before `dialed` is called.
        let report = |entry: &mut Slot<C>| (entry.streams, entry.before_doubt) = (streams, None);
        self.change_streams(slot, report, cx);
    }

    /// A request doubts a shared connection, which takes no new ones until it reports, or until [`resume`](Self::resume).
    pub(crate) fn suspend(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        // Another request may have doubted it already.
        let doubt = |it: &mut Slot<C>| it.before_doubt = it.streams.take().or(it.before_doubt);
        self.change_streams(slot, doubt, cx);
    }

    /// The doubt was out of date. Changes nothing if the connection has reported since: the report is newer.
    pub(crate) fn resume(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let restore = |it: &mut Slot<C>| it.streams = it.before_doubt.take().or(it.streams);
        self.change_streams(slot, restore, cx);
    }

    fn change_streams(
        &mut self,
        slot: SlotId,
        change: impl FnOnce(&mut Slot<C>),
        cx: &mut Transition<K, C, W>,
    ) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        change(entry);
        let key_id = entry.key_id;
        self.reindex_shared(slot);
        self.rebalance(key_id, cx);
    }

    /// A shared connection takes no more requests.
    pub(crate) fn retire(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        // A slot that still dials is refused when the dial reports.
        (entry.streams, entry.before_doubt) = (None, None);
        let key_id = entry.key_id;
        if matches!(entry.state, SlotState::Shared { .. }) {
            self.drain(slot, CloseReason::ByPeer, cx);
        }
        self.rebalance(key_id, cx);
    }

    /// The transport of a slot has closed: the slot is free.
    pub(crate) fn closed(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if let SlotState::Dialing { transport_closed, .. } = &mut entry.state {
            // Its dial still has to report; `dialed` then refuses the connection.
            *transport_closed = true;
            return;
        }
        let key_id = entry.key_id;
        self.remove(slot, cx);
        self.rebalance(key_id, cx);
    }

    /// A connection of this key had closed unnoticed: evicts the idle ones, which may have closed too.
    pub(crate) fn distrust(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        if self.key_states.get(key_id).is_none() {
            return;
        }
        // Exclusive ones only: a shared connection is expected to report its own end.
        let idle: Vec<SlotId> = self.key_mut(key_id).idle.iter().copied().collect();
        for slot in idle {
            self.evict(slot, CloseReason::Distrusted, cx);
        }
        self.rebalance(key_id, cx);
    }

    /// Does what is due by time: closes expired idle connections, ends overdue drains, and schedules the next reap. Ignores
    /// a timer that is not the current one.
    pub(crate) fn reap(&mut self, seq: Seq, cx: &mut Transition<K, C, W>) {
        if self.reap.as_ref().is_none_or(|reap| reap.seq != seq) {
            return;
        }
        // Cleared first: `schedule_reap` replaces only a later time.
        self.cancel_reap(seq, cx);
        let over = self.idle.iter(&self.slots).filter(|(_, slot)| slot.is_expired(cx.now));
        let over: Vec<SlotId> = over.map(|(id, _)| id).collect();
        for slot in over {
            let key_id = self.slot_mut(slot).key_id;
            self.evict(slot, CloseReason::Expired, cx);
            self.rebalance(key_id, cx);
        }
        // Ends first, dials next: `take_back_drains` then sees which drains are still needed.
        self.end_drains(cx);
        self.end_finishing(cx);
        self.start_dials(cx);
        self.take_back_drains(cx);
        let idle = self.idle.iter(&self.slots).filter_map(|(_, slot)| slot.until()).min();
        // A sixteenth of a short idle timeout, so that no connection outlives it by much.
        let pause = self.limits.idle_timeout.map_or(REAP_PAUSE, |it| REAP_PAUSE.min(it / 16));
        // Not before the pause, so that connections which expire one by one cost few reaps.
        let idle = idle.map(|until| until.max(cx.now + pause));
        let others =
            self.next_drain_event(cx.now).into_iter().chain(self.next_to_stop_finishing(cx.now));
        if let Some(next) = idle.into_iter().chain(others).min() {
            self.schedule_reap(next, cx);
        }
    }

    /// Schedules a [`reap`](Self::reap) at that time or earlier. The timer of a later one is canceled, or each short time
    /// beside a long one would leave a timer behind: the one that fires first starts the next.
    fn schedule_reap(&mut self, at: Instant, cx: &mut Transition<K, C, W>) {
        if self.reap.as_ref().is_some_and(|sooner| sooner.at <= at) {
            return;
        }
        let (seq, (guard, canceled)) = (self.next_seq(), CancelGuard::new());
        let later = self.reap.replace(ScheduledReap { seq, at, guard });
        cx.actions.cancel.extend(later.map(|reap| reap.guard));
        cx.actions.reap = Some(Reap { seq, at, canceled });
    }

    /// A scheduled reap that is long overdue.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Seq> {
        // Each event asks: usually one comparison answers.
        let reap = self.reap.as_ref().filter(|reap| now > reap.at)?;
        (now.saturating_duration_since(reap.at) > REAP_GRACE).then_some(reap.seq)
    }

    /// Clears this reap, if it is still scheduled.
    pub(crate) fn cancel_reap(&mut self, seq: Seq, cx: &mut Transition<K, C, W>) {
        let canceled = self.reap.take_if(|reap| reap.seq == seq);
        cx.actions.cancel.extend(canceled.map(|reap| reap.guard));
    }

    /// Takes no more requests: rejects waiters, closes idle connections, abandons dials; the rest finishes.
    pub(crate) fn close(&mut self, cx: &mut Transition<K, C, W>) {
        self.closed = true;
        for key in self.key_states.values_mut() {
            let queue = std::mem::replace(&mut key.queue, WaitQueue::new());
            // The sets that this entry is in are cleared below.
            (key.needs_dial_at, key.queued) = (None, 0);
            for Waiter { waiter, options, .. } in queue.into_waiters() {
                cx.actions.drop_options(options);
                cx.actions.reject.push(waiter);
            }
        }
        (self.waiting, self.queued) = (0, 0);
        self.needs_dial.clear();
        self.without_supply.clear();
        self.with_supply.clear();
        let idle: Vec<SlotId> = self.idle.iter(&self.slots).map(|(id, _)| id).collect();
        idle.into_iter().for_each(|slot| self.evict(slot, CloseReason::PoolClosed, cx));
        let finishing = std::mem::take(&mut self.finishing);
        finishing.into_iter().for_each(|slot| self.stop_finishing(slot, cx));
        let dialing = self.slots.iter().filter(|(_, slot)| slot.is_dialing());
        let dialing: Vec<SlotId> = dialing.map(|(id, _)| id).collect();
        dialing.into_iter().for_each(|slot| self.abandon(slot, cx));
    }

    /// The close events of all open connections, as if they closed now.
    pub(crate) fn close_events(&self, now: Instant) -> Vec<(SlotId, NoteKind)> {
        let of = |(id, slot): (SlotId, &Slot<C>)| match slot.close_event(now)? {
            NoteKind::Close { open_for, .. } => {
                let close_reason = slot.close_reason.unwrap_or(CloseReason::PoolClosed);
                Some((id, NoteKind::Close { reason: close_reason, open_for }))
            }
            other => Some((id, other)),
        };
        self.slots.iter().filter_map(of).collect()
    }

    /// Handles to abort what is still open.
    pub(crate) fn abort_handles(&self) -> Vec<AbortHandle> {
        self.slots.values().filter_map(|slot| slot.facts.abort_handle.clone()).collect()
    }
}
