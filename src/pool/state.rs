//! The state machine of a pool, pure: idle and leased connections, waiting requests, permission to dial.
//!
//! It knows no I/O, no clock and no task. Every event is a call, and what has to be done because of it is written into
//! a [`Actions`], which the caller carries out after the lock is released. A connection `C` is only ever moved, never
//! called and never dropped in here.
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

mod at_once;
mod drain;
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

pub(crate) use at_once::AtOnce;
pub(crate) use types::{
    Actions, Checkout, ConnFacts, Counts, Dial, DialOptions, FailureScope, Handle, NoWait, Row,
    Ticket, Transition, Use, WaitOptions,
};

use idle_list::IdleList;
use key_state::{FailedDial, KeyState, Sharing};
use slab::Slab;
use slot::{Slot, SlotState};
use tally::Tally;
use wait_queue::{WaitQueue, Waiter};

/// Idle connections are looked through no more often than this, so that many that end one after the other cost little.
const REAP_PAUSE: Duration = Duration::from_millis(100);

/// How long a waiter lets the rest of a dropped response of its own key come: about as long as a dial would take.
const FINISHING_TIME: Duration = Duration::from_millis(100);

/// How many keys without a connection are remembered for the protocol they spoke.
const REMEMBERED: usize = 1000;

/// So much later than its time an appointment is still kept by whoever it was made with.
const LATE: Duration = Duration::from_secs(1);

/// Keys, slots and those who wait for one, in the order of their coming.
pub(crate) struct PoolState<K, C, W> {
    limits: Limits,
    keys: HashMap<Arc<K>, KeyId, RandomState>,
    key_states: Slab<KeyState<K, W>>,
    slots: Slab<Slot<C>>,
    /// Slots by what they count as.
    tally: Tally,
    idle: IdleList,
    uri_keys: UriKeys<KeyId>,
    /// Exclusive connections on which the rest of a dropped response is read.
    finishing: BTreeSet<SlotId>,
    /// Shared connections that take requests, full ones too.
    joinable: BTreeSet<SlotId>,
    /// Shared connections that finish what was begun, while that is waited for.
    draining: BTreeSet<SlotId>,
    /// Keys that lack a connection, by their first waiter for which nothing is on its way.
    needs_dial: BTreeSet<(Seq, KeyId)>,
    /// Those of them of whose own connections none will serve it.
    without_supply: BTreeSet<(Seq, KeyId)>,
    /// Those of them that have connections which may serve it.
    with_supply: BTreeSet<(Seq, KeyId)>,
    /// Keys with more dials than waiters.
    surplus: BTreeSet<KeyId>,
    /// Keys without anyone, the longest forgotten first.
    empty: BTreeMap<Seq, KeyId>,
    waiting: usize,
    /// Waiters for which nothing is on its way.
    queued: usize,
    /// Numbers everything; nothing is numbered twice, so a late event can never mean another's slot.
    seq: Seq,
    opened: u64,
    reap_at: Option<Instant>,
    closed: bool,
}

/// A number in the order of events.
pub(crate) type Seq = u64;
pub(crate) use crate::connection::SlotId;
/// Keys are numbered as slots are.
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
            reap_at: None,
            closed: false,
        }
    }

    /// A dial has connected. The connection is given back if it was over before it began: to dial again for the same
    /// waiters might never end, so they had better be told.
    pub(crate) fn dialed(
        &mut self,
        slot: SlotId,
        connection: Handle<C>,
        known: ConnFacts,
        cx: &mut Transition<K, C, W>,
    ) -> Result<(), Handle<C>> {
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.was_open = true;
            entry.opened_at = cx.now;
        }
        let Some(key_id) = self.begin(slot, cx) else {
            cx.actions.forget.extend(known.cut);
            return Err(connection);
        };
        self.slot_mut(slot).known = known;
        self.opened += 1;
        match connection {
            Handle::Exclusive(connection) => {
                self.key_mut(key_id).sharing = Sharing::Exclusive;
                self.pass_on(slot, connection, None, cx);
            }
            Handle::Shared(connection) => {
                self.key_mut(key_id).sharing = Sharing::Shared;
                self.slot_mut(slot).state = SlotState::Shared { connection, used: 0, idle: None };
                self.refile_shared(slot);
                self.serve(key_id, cx);
                self.idle_shared(slot, cx);
            }
        }
        self.rebalance(key_id, cx);
        Ok(())
    }

    /// A dial has failed: the waiters that are to be told are returned, the others wait for another dial. The failure of
    /// an abandoned dial is reported to no waiter.
    pub(crate) fn dial_failed(
        &mut self,
        slot: SlotId,
        scope: FailureScope,
        cx: &mut Transition<K, C, W>,
    ) -> Vec<W> {
        let Some(entry) = self.slots.get(slot).filter(|slot| slot.is_in_the_making()) else {
            return Vec::new();
        };
        let (key_id, was_wanted, cause) = (entry.key_id, entry.is_dialing(), entry.caused_by());
        self.remove(slot, cx);
        let (seq, failed) = (self.next_seq(), FailedDial { slot, cause, scope });
        let given_up = match was_wanted {
            true => self.key_mut(key_id).take_failed(failed, seq),
            false => Vec::new(),
        };
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
            |slot: &Slot<C>| matches!(slot.state, SlotState::Out | SlotState::Finishing { .. });
        let Some(key_id) = self.slots.get(slot).filter(|it| is_out(it)).map(|it| it.key_id) else {
            return;
        };
        self.finishing.remove(&slot);
        if let SlotState::Finishing { guard, .. } =
            self.change(slot, |slot| std::mem::replace(&mut slot.state, SlotState::Returning))
        {
            cx.actions.cancel.push(guard);
        }
        self.rebalance(key_id, cx);
    }

    /// The rest of a response that was dropped is read, so that its connection can serve again; not if someone waits who
    /// could have its slot, nor any longer when someone comes.
    ///
    /// A rest whose length is known is waited for a moment even by a waiter of the same key; another may be endless.
    pub(crate) fn finishing(
        &mut self,
        slot: SlotId,
        is_endless: bool,
        cx: &mut Transition<K, C, W>,
    ) -> Canceled {
        let (guard, canceled) = CancelGuard::new();
        let until = if is_endless { cx.now } else { cx.now + FINISHING_TIME };
        match self.slots.get_mut(slot) {
            Some(entry) if matches!(entry.state, SlotState::Out) => {
                entry.state = SlotState::Finishing { guard, until };
                let key_id = entry.key_id;
                self.finishing.insert(slot);
                self.rebalance(key_id, cx);
            }
            _ => cx.actions.cancel.push(guard),
        }
        canceled
    }

    /// An exclusive connection is back, fit for the next request. The peer keeps it for `keep_alive`, if it said so.
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

    /// An exclusive connection will not be back. Its slot ends when its transport does: soon, unless it was upgraded.
    pub(crate) fn discard(
        &mut self,
        slot: SlotId,
        reason: CloseReason,
        cx: &mut Transition<K, C, W>,
    ) {
        let Some(key_id) = self.check_in(slot, cx) else { return };
        if reason == CloseReason::Upgraded {
            self.change(slot, |slot| slot.state = SlotState::Upgraded);
            self.set_close_reason(slot, reason);
        } else {
            self.mark_closing(slot, reason);
        }
        self.rebalance(key_id, cx);
    }

    /// A request on a shared connection is over.
    pub(crate) fn release(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        let SlotState::Shared { used, .. } = &mut entry.state else { return };
        *used = used.saturating_sub(1);
        let key_id = entry.key_id;
        self.refile_shared(slot);
        self.serve(key_id, cx);
        self.idle_shared(slot, cx);
        self.rebalance(key_id, cx);
    }

    /// Sets how many requests may be on a shared connection at once; `None` while it takes no new ones.
    pub(crate) fn streams(
        &mut self,
        slot: SlotId,
        streams: Option<usize>,
        cx: &mut Transition<K, C, W>,
    ) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        entry.streams = streams;
        let key_id = entry.key_id;
        self.refile_shared(slot);
        self.rebalance(key_id, cx);
    }

    /// A shared connection takes no more requests.
    pub(crate) fn retire(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        // One that is still being dialed is refused when it reports.
        entry.streams = None;
        let key_id = entry.key_id;
        if matches!(entry.state, SlotState::Shared { .. }) {
            self.drain(slot, CloseReason::ByPeer, cx);
        }
        self.rebalance(key_id, cx);
    }

    /// The transport of a slot is closed: the slot is free.
    pub(crate) fn closed(&mut self, slot: SlotId, cx: &mut Transition<K, C, W>) {
        let Some(entry) = self.slots.get_mut(slot) else { return };
        if entry.is_dialing() {
            entry.transport_closed = true;
            return;
        }
        let key_id = entry.key_id;
        self.remove(slot, cx);
        self.rebalance(key_id, cx);
    }

    /// A connection of this key ended unseen: the others that rested as long are not trusted either.
    pub(crate) fn distrust(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        if self.key_states.get(key_id).is_none() {
            return;
        }
        let idle: Vec<SlotId> = self.key_mut(key_id).idle.iter().copied().collect();
        for slot in idle {
            self.evict(slot, CloseReason::Distrusted, cx);
        }
        self.rebalance(key_id, cx);
    }

    /// Does what is due by time alone: closes what has rested too long, ends the waiting for drains. Says when to come
    /// again. An appointment `at` a time that is no longer the next one is void.
    pub(crate) fn reap(&mut self, at: Instant, cx: &mut Transition<K, C, W>) {
        if self.reap_at != Some(at) {
            return;
        }
        self.reap_at = None;
        let over = self.idle.iter(&self.slots).filter(|(_, slot)| slot.is_over(cx.now));
        let over: Vec<SlotId> = over.map(|(id, _)| id).collect();
        for slot in over {
            let key_id = self.slot_mut(slot).key_id;
            self.evict(slot, CloseReason::Expired, cx);
            self.rebalance(key_id, cx);
        }
        self.end_drains(cx);
        self.end_finishing(cx);
        self.start_dials(cx);
        self.take_back_drains(cx);
        let idle = self.idle.iter(&self.slots).filter_map(|(_, slot)| slot.until()).min();
        let pause = self.limits.idle_timeout.map_or(REAP_PAUSE, |it| REAP_PAUSE.min(it / 16));
        let idle = idle.map(|until| until.max(cx.now + pause));
        let others =
            self.next_drain_event(cx.now).into_iter().chain(self.next_to_stop_finishing(cx.now));
        if let Some(next) = idle.into_iter().chain(others).min() {
            self.call_at(next, cx);
        }
    }

    /// Has [`reap`](Self::reap) called then, or before.
    fn call_at(&mut self, at: Instant, cx: &mut Transition<K, C, W>) {
        if self.reap_at.is_none_or(|sooner| at < sooner) {
            self.reap_at = Some(at);
            cx.actions.reap_at = Some(at);
        }
    }

    /// The time of a reap that did not happen, long after it.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Instant> {
        self.reap_at.filter(|at| now > *at && now.saturating_duration_since(*at) > LATE)
    }

    /// Clears the reap timer for `at`.
    pub(crate) fn cancel_reap(&mut self, at: Instant) {
        self.reap_at = self.reap_at.filter(|appointment| *appointment != at);
    }

    /// Takes no more requests: turns waiters away, closes idle connections, abandons dials, lets the rest finish.
    pub(crate) fn close(&mut self, cx: &mut Transition<K, C, W>) {
        self.closed = true;
        for key in self.key_states.values_mut() {
            let queue = std::mem::replace(&mut key.queue, WaitQueue::new());
            (key.needs_dial_at, key.queued) = (None, 0);
            for Waiter { waiter, options, .. } in queue.into_waiters() {
                cx.actions.drop_options(options);
                cx.actions.turn_away.push(waiter);
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

    /// What is to be said of all that is open, if that is all over now.
    pub(crate) fn close_events(&self, now: Instant) -> Vec<(SlotId, NoteKind)> {
        let of = |(id, slot): (SlotId, &Slot<C>)| match slot.close_event(now)? {
            NoteKind::Close { open_for, .. } => {
                let reason = slot.reason.unwrap_or(CloseReason::PoolClosed);
                Some((id, NoteKind::Close { reason, open_for }))
            }
            other => Some((id, other)),
        };
        self.slots.iter().filter_map(of).collect()
    }

    /// The switches by which what is still open can be ended.
    pub(crate) fn cuts(&self) -> Vec<AbortHandle> {
        self.slots.values().filter_map(|slot| slot.known.cut.clone()).collect()
    }
}
