//! Shared connections that finish what was begun and take no more: at their age, at the word of the peer, or to make room.
//!
//! A stream may go on for as long as it likes, an event stream for days. So nothing waits for the end of a drain without a
//! bound. One that makes room for another key is taken back when its time is over or when no key lacks a connection any
//! more. One that cannot be taken back passes its slot on to its successor.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::{KeyId, PoolState, SlotId, Transition, slot::Slot};
use crate::events::CloseReason;

/// How long a drain to make room may take: the requests of its own key wait as long. When that was not enough it is left
/// alone for as long, and then for 2, 4 and at last 8 times as long.
const ROOM_TIME: Duration = Duration::from_secs(1);

/// How long the end of a connection that takes no more requests is waited for before its successor is dialed over the
/// limit. Most of its streams end within it.
const SUCCESSION_TIME: Duration = Duration::from_millis(250);

/// Waits for a connection of its own key for longer than this make a key starve, although it has some.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Drain {
    /// When it has taken too long.
    until: Option<Instant>,
    /// It makes room for another key.
    pub(super) makes_room: bool,
    /// Its successor may be dialed over the limit.
    pub(super) is_passed_on: bool,
}

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Lets a shared connection finish what was begun; one without requests is closed.
    pub(super) fn drain(&mut self, id: SlotId, reason: CloseReason, cx: &mut Transition<K, C, W>) {
        let makes_room = reason == CloseReason::Evicted;
        if self.slot_mut(id).idle().is_some() {
            return self.evict(id, reason, cx);
        }
        let slot = self.slot_mut(id);
        match &slot.drain {
            // The peer's word, or its age, is final.
            Some(drain) if drain.makes_room && !makes_room => slot.reason = None,
            Some(_) => return,
            None => {}
        }
        let time = match makes_room {
            true => ROOM_TIME,
            false => SUCCESSION_TIME,
        };
        // Where there is no limit, no successor waits for the end of it.
        let until = cx.now.checked_add(time).filter(|_| self.limits.connections < usize::MAX);
        self.set_close_reason(id, reason);
        self.change(id, |slot| {
            slot.drain = Some(Drain { until, makes_room, is_passed_on: false });
        });
        self.refile_shared(id);
        self.draining.insert(id);
        if let Some(until) = until {
            self.call_at(until, cx);
        }
    }

    /// Asks the shared connection that has least to do to finish, so that a starving key has its slot.
    pub(super) fn drain_for_room(&mut self, cx: &mut Transition<K, C, W>) -> bool {
        let under_way = self.drains_for_room() + self.tally.leaving();
        if self.joinable.is_empty() || self.starving(cx.now, under_way + 1) <= under_way {
            return false;
        }
        let slots = &self.slots;
        let victims = self.joinable.iter().filter_map(|id| Some((*id, slots.get(*id)?)));
        let victims = victims.filter(|(_, slot)| slot.may_be_drained(cx.now));
        let ease = |(id, slot): &(SlotId, &Slot<C>)| (slot.failed_drains, slot.requests(), *id);
        let Some((victim, _)) = victims.min_by_key(ease) else { return false };
        self.drain(victim, CloseReason::Evicted, cx);
        true
    }

    /// Takes back the drains that no key needs any more: their connections are as good as before.
    pub(super) fn take_back_drains(&mut self, cx: &mut Transition<K, C, W>) {
        loop {
            let under_way = self.drains_for_room();
            if under_way == 0 {
                return;
            }
            let starving = match self.is_full() {
                true => self.starving(cx.now, under_way + self.tally.leaving()),
                false => 0,
            };
            if starving.saturating_sub(self.tally.leaving()) >= under_way {
                return;
            }
            let makes_room = |id: &&SlotId| self.makes_room(**id);
            let Some(&newest) = self.draining.iter().rev().find(makes_room) else { return };
            self.take_back(newest, cx);
            // It may have made a dial needless, whose slot another key can have.
            self.start_dials_without_drains(cx);
        }
    }

    fn take_back(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        self.draining.remove(&id);
        let slot = self.slot_mut(id);
        slot.reason = None;
        let key_id = slot.key_id;
        self.change(id, |slot| slot.drain = None);
        self.refile_shared(id);
        self.serve(key_id, cx);
        self.abandon_needless(key_id, cx);
        self.refile(key_id);
    }

    /// Ends the waiting for drains whose time is over.
    pub(super) fn end_drains(&mut self, cx: &mut Transition<K, C, W>) {
        let is_late = |drain: &Drain| drain.until.is_some_and(|until| until <= cx.now);
        let late = |id: &&SlotId| self.drain_of(**id).is_some_and(is_late);
        let late: Vec<SlotId> = self.draining.iter().filter(late).copied().collect();
        for id in late {
            if self.makes_room(id) {
                let slot = self.slot_mut(id);
                let pause = ROOM_TIME * 2u32.saturating_pow(slot.failed_drains.min(3));
                slot.failed_drains += 1;
                slot.drain_after = cx.now.checked_add(pause);
                self.take_back(id, cx);
            } else {
                self.draining.remove(&id);
                self.change(id, |slot| {
                    if let Some(drain) = &mut slot.drain {
                        drain.is_passed_on = true;
                    }
                });
                let key_id = self.slot_mut(id).key_id;
                self.refile(key_id);
            }
        }
    }

    /// When something in here changes by time alone: a drain has taken too long, may be tried again, or a key that has
    /// connections has waited for one of them for too long.
    pub(super) fn next_drain_event(&self, now: Instant) -> Option<Instant> {
        let ends = self.draining.iter().filter_map(|&id| self.drain_of(id)?.until);
        if self.needs_dial.is_empty() || !self.is_full() {
            return ends.min();
        }
        let again = self.joinable.iter().filter_map(|id| self.slots.get(*id)?.drain_after);
        let again = again.filter(|after| *after > now);
        ends.chain(again).chain(self.next_to_starve(now)).min()
    }

    /// How many keys lack a connection that no other event will give them: they have none of their own that serves, or
    /// have waited too long for it. Counts no further than `enough`.
    pub(super) fn starving(&self, now: Instant, enough: usize) -> usize {
        let Some(more) = enough.checked_sub(self.without_supply.len()) else { return enough };
        let is_late = |key_id: KeyId| self.starves_at(key_id).is_some_and(|at| at <= now);
        // One whose own connection yields is served when that is taken back.
        let yields =
            |key_id: &KeyId| self.key_states.get(*key_id).is_some_and(|it| it.tally.yielding > 0);
        let late = self.with_supply.iter().take_while(|(_, key_id)| is_late(*key_id));
        self.without_supply.len() + late.filter(|(_, key_id)| !yields(key_id)).take(more).count()
    }

    /// When the next key starves by waiting, if there is something to be drained for it.
    fn next_to_starve(&self, now: Instant) -> Option<Instant> {
        if self.joinable.is_empty() {
            return None;
        }
        let at = self.with_supply.iter().map(|(_, key_id)| self.starves_at(*key_id));
        at.flatten().find(|at| *at > now)
    }

    /// Comes again when the key that waits longest starves, if it does not yet.
    pub(super) fn watch_the_longest_wait(&mut self, cx: &mut Transition<K, C, W>) {
        let Some(&(_, first)) = self.with_supply.first() else { return };
        if self.joinable.is_empty() || !self.is_full() {
            return;
        }
        if let Some(at) = self.starves_at(first).filter(|at| *at > cx.now) {
            self.call_at(at, cx);
        }
    }

    fn starves_at(&self, key_id: KeyId) -> Option<Instant> {
        let queue = &self.key_states.get(key_id)?.queue;
        queue.get(queue.first_uncovered()?)?.since.checked_add(PATIENCE)
    }

    fn drains_for_room(&self) -> usize {
        self.draining.iter().filter(|id| self.makes_room(**id)).count()
    }

    fn makes_room(&self, id: SlotId) -> bool {
        self.drain_of(id).is_some_and(|drain| drain.makes_room)
    }

    fn drain_of(&self, id: SlotId) -> Option<&Drain> {
        self.slots.get(id)?.drain.as_ref()
    }

    /// Lists a shared connection where it belongs.
    pub(super) fn refile_shared(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (key_id, availability) = (slot.key_id, slot.availability());
        let before = std::mem::replace(&mut slot.listed, availability);
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
