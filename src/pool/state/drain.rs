//! Draining shared connections: they finish their streams and take no more, because of their age, their peer's word, or
//! to make room.
//!
//! A stream may last for days, so every wait for a drain is bounded. A drain that makes room for another key is taken
//! back when its time is over or when no key needs a connection any more. One that cannot be taken back passes its slot
//! on to a successor.

use std::{
    hash::Hash,
    mem,
    time::{Duration, Instant},
};

use super::{KeyId, PoolState, SlotId, Transition, slot::Slot, wait_queue::Waiter};
use crate::events::CloseReason;

/// How long a drain to make room may take; the requests of its own key wait that long. After a failure the connection is
/// left alone for this time, then for 2, 4 and at most 8 times as long.
const ROOM_TIME: Duration = Duration::from_secs(1);

/// How long a drain that cannot be taken back delays its successor's dial over the limit. Most streams end within it.
const SUCCESSION_TIME: Duration = Duration::from_millis(250);

/// A key that has connections starves once a request has waited for one of them for this long.
const STARVATION_TIME: Duration = Duration::from_secs(1);

/// Why a shared connection drains, and until when that is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// It makes room for another key. Taken back when its time is over.
    MakesRoom { until: Option<Instant> },
    /// It takes no more requests. When its time is over, its slot is passed on.
    Final { until: Option<Instant> },
    /// Like `Final`, and its successor may be dialed over the limit.
    PassedOn,
}

impl Drain {
    fn makes_room(self) -> bool {
        matches!(self, Self::MakesRoom { .. })
    }

    fn until(self) -> Option<Instant> {
        match self {
            Self::MakesRoom { until } | Self::Final { until } => until,
            Self::PassedOn => None,
        }
    }
}

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Starts to drain a shared connection; closes it if it is idle.
    pub(super) fn drain(
        &mut self,
        id: SlotId,
        close_reason: CloseReason,
        cx: &mut Transition<K, C, W>,
    ) {
        // Of the callers, only `drain_for_room` gives this reason.
        let makes_room = close_reason == CloseReason::Evicted;
        if self.slot_mut(id).idle().is_some() {
            return self.evict(id, close_reason, cx);
        }
        let slot = self.slot_mut(id);
        match slot.drain {
            // The peer's word, or the age, overrides a drain that could be taken back.
            Some(Drain::MakesRoom { .. }) if !makes_room => slot.close_reason = None,
            Some(_) => return,
            None => {}
        }
        let time = match makes_room {
            true => ROOM_TIME,
            false => SUCCESSION_TIME,
        };
        // Without a limit no successor waits for the end of the drain.
        let until = cx.now.checked_add(time).filter(|_| self.limits.connections < usize::MAX);
        self.set_close_reason(id, close_reason);
        let drain = match makes_room {
            true => Drain::MakesRoom { until },
            false => Drain::Final { until },
        };
        self.change(id, |slot| slot.drain = Some(drain));
        self.reindex_shared(id);
        self.draining.insert(id);
        if let Some(until) = until {
            self.schedule_reap(until, cx);
        }
    }

    /// Drains the shared connection with the least to do, for a starving key.
    pub(super) fn drain_for_room(&mut self, cx: &mut Transition<K, C, W>) -> bool {
        let under_way = self.drains_for_room() + self.tally.leaving();
        // Slots that will be free soon and running drains serve that many starving keys already.
        if self.joinable.is_empty() || self.starving(cx.now, under_way + 1) <= under_way {
            return false;
        }
        let slots = &self.slots;
        let victims = self.joinable.iter().filter_map(|id| Some((*id, slots.get(*id)?)));
        let victims = victims.filter(|(_, slot)| slot.may_be_drained(cx.now));
        // Failed drains go last: streams that outlasted one are likely to outlast the next.
        let ease = |(id, slot): &(SlotId, &Slot<C>)| (slot.failed_drains, slot.requests(), *id);
        let Some((victim, _)) = victims.min_by_key(ease) else { return false };
        self.drain(victim, CloseReason::Evicted, cx);
        true
    }

    /// Takes back the drains that no key needs any more: their connections serve as before.
    pub(super) fn take_back_drains(&mut self, cx: &mut Transition<K, C, W>) {
        loop {
            let under_way = self.drains_for_room();
            if under_way == 0 {
                return;
            }
            // Below the limit every key can dial, so none starves.
            let starving = match self.is_full() {
                true => self.starving(cx.now, under_way + self.tally.leaving()),
                false => 0,
            };
            // Slots that will be free soon serve starving keys first; only the rest needs drains.
            if starving.saturating_sub(self.tally.leaving()) >= under_way {
                return;
            }
            let makes_room = |id: &&SlotId| self.makes_room(**id);
            let Some(&newest) = self.draining.iter().rev().find(makes_room) else { return };
            self.take_back(newest, cx);
            // This may have made a dial needless, whose slot another key can use.
            self.start_dials_without_drains(cx);
        }
    }

    fn take_back(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        self.draining.remove(&id);
        let slot = self.slot_mut(id);
        slot.close_reason = None;
        let key_id = slot.key_id;
        self.change(id, |slot| slot.drain = None);
        self.reindex_shared(id);
        self.serve(key_id, cx);
        self.abandon_needless(key_id, cx);
        self.reindex(key_id);
    }

    /// Ends overdue drains: takes back those that make room, and passes on the slots of the others.
    pub(super) fn end_drains(&mut self, cx: &mut Transition<K, C, W>) {
        let is_late = |drain: Drain| drain.until().is_some_and(|until| until <= cx.now);
        let late = |id: &&SlotId| self.drain_of(**id).is_some_and(is_late);
        let late: Vec<SlotId> = self.draining.iter().filter(late).copied().collect();
        for id in late {
            if self.makes_room(id) {
                let slot = self.slot_mut(id);
                // 1, 2, 4, 8, 8 … s.
                let pause = ROOM_TIME * 2u32.saturating_pow(slot.failed_drains.min(3));
                slot.failed_drains += 1;
                slot.drain_after = cx.now.checked_add(pause);
                self.take_back(id, cx);
            } else {
                self.draining.remove(&id);
                self.change(id, |slot| slot.drain = Some(Drain::PassedOn));
                let key_id = self.slot_mut(id).key_id;
                self.reindex(key_id);
            }
        }
    }

    /// The next change by time alone: a drain is overdue or may be tried again, or a key with connections has waited too
    /// long.
    pub(super) fn next_drain_event(&self, now: Instant) -> Option<Instant> {
        let ends = self.draining.iter().filter_map(|&id| self.drain_of(id)?.until());
        // Nothing starves: only the ends of drains matter.
        if self.needs_dial.is_empty() || !self.is_full() {
            return ends.min();
        }
        let again = self.joinable.iter().filter_map(|id| self.slots.get(*id)?.drain_after);
        let again = again.filter(|after| *after > now);
        ends.chain(again).chain(self.next_to_starve(now)).min()
    }

    /// How many keys no other event will serve: they have no connection that serves, or have waited too long for one.
    /// Counts no further than `enough`.
    pub(super) fn starving(&self, now: Instant, enough: usize) -> usize {
        // Counting stops at `enough`: a crowd of starving keys must not cost each event a full scan.
        let Some(more) = enough.checked_sub(self.without_supply.len()) else { return enough };
        let is_late = |key_id: KeyId| self.starves_at(key_id).is_some_and(|at| at <= now);
        // A key whose own connection yields is served when that drain is taken back.
        let yields =
            |key_id: &KeyId| self.key_states.get(*key_id).is_some_and(|it| it.tally.yielding > 0);
        let may_be_late = self
            .with_supply
            .iter()
            .map(|(_, key_id)| key_id)
            // Ordered by age but for those that wait again, so the first other key that is not late ends the search.
            .take_while(|key_id| is_late(**key_id) || self.waits_again(**key_id));
        let late = may_be_late.filter(|key_id| is_late(**key_id) && !yields(key_id));
        self.without_supply.len() + late.take(more).count()
    }

    /// When the next key starves by waiting, if a connection could be drained for it.
    fn next_to_starve(&self, now: Instant) -> Option<Instant> {
        if self.joinable.is_empty() {
            return None;
        }
        // Those that are late already starve: only a later time needs a reap.
        up_to_ordered(self.starvation_times().filter(|(at, _)| *at > now)).min()
    }

    /// Schedules a reap for when the key with the longest wait starves.
    pub(super) fn schedule_starvation_check(&mut self, cx: &mut Transition<K, C, W>) {
        if self.joinable.is_empty() || !self.is_full() {
            return;
        }
        let first = up_to_ordered(self.starvation_times()).filter(|at| *at > cx.now).min();
        if let Some(at) = first {
            self.schedule_reap(at, cx);
        }
    }

    /// For each key with connections: when it starves, and whether its first waiter waits again. Ordered by age, except for those.
    fn starvation_times(&self) -> impl Iterator<Item = (Instant, bool)> {
        let key_ids = self.with_supply.iter().map(|(_, key_id)| *key_id);
        key_ids.filter_map(|key_id| Some((self.starves_at(key_id)?, self.waits_again(key_id))))
    }

    fn starves_at(&self, key_id: KeyId) -> Option<Instant> {
        self.longest_uncovered(key_id)?.since.checked_add(STARVATION_TIME)
    }

    fn waits_again(&self, key_id: KeyId) -> bool {
        self.longest_uncovered(key_id).is_some_and(|waiter| waiter.waits_again)
    }

    /// The first of its waiters that nothing is on its way for.
    fn longest_uncovered(&self, key_id: KeyId) -> Option<&Waiter<W>> {
        let queue = &self.key_states.get(key_id)?.queue;
        queue.get(queue.first_uncovered()?)
    }

    fn drains_for_room(&self) -> usize {
        self.draining.iter().filter(|id| self.makes_room(**id)).count()
    }

    fn makes_room(&self, id: SlotId) -> bool {
        self.drain_of(id).is_some_and(Drain::makes_room)
    }

    fn drain_of(&self, id: SlotId) -> Option<Drain> {
        self.slots.get(id)?.drain
    }

    /// Updates the lists for a shared connection.
    pub(super) fn reindex_shared(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (key_id, availability) = (slot.key_id, slot.availability());
        let before = mem::replace(&mut slot.listed, availability);
        if before == availability {
            return;
        }
        match availability {
            Some(_) => self.joinable.insert(id),
            None => self.joinable.remove(&id),
        };
        let shared = &mut self.key_mut(key_id).shared;
        shared.remove(before, id);
        shared.insert(availability, id);
    }
}

/// Takes the times up to the first key that does not wait again: later ones are not earlier.
fn up_to_ordered(times: impl Iterator<Item = (Instant, bool)>) -> impl Iterator<Item = Instant> {
    let mut is_over = false;
    let times = times.take_while(move |(_, waits_again)| !mem::replace(&mut is_over, !waits_again));
    times.map(|(at, _)| at)
}
