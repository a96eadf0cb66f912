//! Starts dials within the limits, and makes room at the limit.

use std::{hash::Hash, time::Instant};

use super::{
    CancelGuard, Dial, Handle, IdleKind, KeyId, PoolState, REMEMBERED, Seq, SlotId, Transition,
    key_state::Sharing,
    slot::{Slot, SlotState},
};
use crate::events::CloseReason;

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Whether no dial may start. Connections that only finish their streams pass their slots on, but at most as many as
    /// the limit, so there are never more than twice as many.
    pub(super) fn is_full(&self) -> bool {
        self.counted() >= self.limits.connections
    }

    /// Slots that count against the limit.
    pub(super) fn counted(&self) -> usize {
        // At most `connections` slots are left out, so there are never more than 2 × `connections` sockets.
        self.slots.len() - self.tally.passed_on.min(self.limits.connections)
    }

    /// Whether an older waiter of another key gets no slot unless this key gives one up.
    pub(super) fn is_anothers_turn(&self, key_id: KeyId) -> bool {
        if self.needs_dial.is_empty() || !self.is_full() {
            return false;
        }
        let key = self.key_states.get(key_id);
        // Without waiters of its own, every waiter of another key comes first.
        let mine = key.and_then(|key| key.queue.first()).unwrap_or(Seq::MAX);
        let mut older =
            self.needs_dial.range(..(mine, KeyId::MAX)).filter(|(_, other)| *other != key_id);
        // The first `leaving` older waiters get the slots that will be free soon.
        older.nth(self.tally.leaving()).is_some()
    }

    /// Starts dials for the keys that need one, in their order; makes room at the limit.
    pub(super) fn start_dials(&mut self, cx: &mut Transition<K, C, W>) {
        self.start_dials_by(Self::make_room, cx);
    }

    /// Like `start_dials`, without draining busy connections.
    pub(super) fn start_dials_without_drains(&mut self, cx: &mut Transition<K, C, W>) {
        self.start_dials_by(Self::evict_something, cx);
    }

    fn start_dials_by(
        &mut self,
        make_room: impl Fn(&mut Self, &mut Transition<K, C, W>) -> bool,
        cx: &mut Transition<K, C, W>,
    ) {
        while let Some(&(_, key_id)) = self.needs_dial.first() {
            if !self.is_full() {
                self.dial(key_id, cx);
            // Enough slots will be free soon, or nothing can be given up.
            } else if self.tally.leaving() >= self.needs_dial.len() || !make_room(self, cx) {
                break;
            }
        }
    }

    fn dial(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        let (seq, (guard, canceled)) = (self.next_seq(), CancelGuard::new());
        let caused_by = self.key_mut(key_id).queue.first_uncovered();
        let slot = Slot::dialing(key_id, caused_by, guard, cx.now);
        let role = slot.role();
        let id = self.slots.insert(seq, slot);
        self.tally.add(role);
        let key = self.key_mut(key_id);
        let cause = caused_by.and_then(|seq| key.queue.get(seq));
        let options = cause.map(|waiter| waiter.options.clone()).unwrap_or_default();
        cx.actions.dial.push(Dial { slot: id, key: key.key.clone(), options, canceled });
        key.dials.begin(caused_by, id);
        // Counted before `reindex`, which then covers a waiter: else `start_dials` would not end.
        key.tally.add(role);
        self.reindex(key_id);
    }

    /// Abandons dials beyond the number of waiters, if the limits say so. Which waiter caused a dial does not matter:
    /// each may need one.
    pub(super) fn abandon_needless(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        while self.limits.abandon_dials && self.abandon_surplus(key_id, cx) {}
    }

    fn abandon_surplus(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) -> bool {
        let surplus = self.key_states.get(key_id).filter(|key| key.surplus() > 0);
        let Some(dial) = surplus.and_then(|key| key.dials.least_needed()) else { return false };
        self.abandon(dial, cx);
        self.reindex(key_id);
        true
    }

    /// Cancels a dial. Its slot is free once the dial reports its end.
    pub(super) fn abandon(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        let slot = self.slot_mut(id);
        if !slot.is_dialing() {
            return;
        }
        let (key_id, cause) = (slot.key_id, slot.caused_by());
        // The slot stays until the task reports: its socket may still be open.
        let dial = self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Abandoned));
        if let SlotState::Dialing { guard, .. } = dial {
            cx.actions.cancel.push(guard);
        }
        self.key_mut(key_id).dials.end(cause, id);
    }

    /// Gives up what costs least: the connection idle for longest; the drain of a dropped response; a dial without a
    /// waiter. Last, and only for a starving key, drains a busy shared connection, which would never become idle by
    /// itself.
    fn make_room(&mut self, cx: &mut Transition<K, C, W>) -> bool {
        self.evict_something(cx) || self.drain_for_room(cx)
    }

    fn evict_something(&mut self, cx: &mut Transition<K, C, W>) -> bool {
        if let Some(slot) = self.longest_idle(IdleKind::Any) {
            self.evict(slot, CloseReason::Evicted, cx);
            return true;
        }
        if let Some(slot) = self.least_worth_finishing(cx.now) {
            self.finishing.remove(&slot);
            self.stop_finishing(slot, cx);
            return true;
        }
        if let Some(&key_id) = self.surplus.first() {
            return self.abandon_surplus(key_id, cx);
        }
        false
    }

    /// A rest that ends soon serves a waiter of its own key earlier than a dial would, so it is spared.
    pub(super) fn least_worth_finishing(&self, now: Instant) -> Option<SlotId> {
        let first = self.needs_dial.first().map(|(_, key_id)| *key_id);
        let gives_way = |slot: &Slot<C>| match slot.state {
            SlotState::Finishing { until, .. } => until <= now || first != Some(slot.key_id),
            _ => false,
        };
        self.finishing.iter().copied().find(|id| self.slots.get(*id).is_some_and(gives_way))
    }

    /// When the next drain of a dropped response is given up for a waiter of its own key.
    pub(super) fn next_to_stop_finishing(&self, now: Instant) -> Option<Instant> {
        if self.queued == 0 {
            return None;
        }
        let of_waiters = self.finishing.iter().filter_map(|id| {
            let slot = self.slots.get(*id)?;
            let SlotState::Finishing { until, .. } = slot.state else { return None };
            let lacks = self.key_states.get(slot.key_id).is_some_and(|it| it.queue.uncovered() > 0);
            lacks.then_some(until)
        });
        of_waiters.filter(|until| *until > now).min()
    }

    /// Gives up the drains for which waiters of their own keys have waited long enough.
    pub(super) fn end_finishing(&mut self, cx: &mut Transition<K, C, W>) {
        let is_late = |slot: &&Slot<C>| match slot.state {
            SlotState::Finishing { until, .. } => until <= cx.now,
            _ => false,
        };
        let late = self.finishing.iter().filter_map(|id| self.slots.get(*id).filter(is_late));
        let key_ids: Vec<KeyId> = late.map(|slot| slot.key_id).collect();
        // `rebalance` knows whether a waiter needs the slot; without one the drain goes on.
        key_ids.into_iter().for_each(|key_id| self.rebalance(key_id, cx));
    }

    /// Cancels the drain of a dropped response; the task that reads it discards the connection.
    pub(super) fn stop_finishing(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        let stopped = self.change(id, |slot| match slot.state {
            SlotState::Finishing { .. } => {
                std::mem::replace(&mut slot.state, SlotState::Unfinished)
            }
            // A placeholder that is not stored: there is nothing to cancel.
            _ => SlotState::Closing,
        });
        if let SlotState::Finishing { guard, .. } = stopped {
            self.set_close_reason(id, CloseReason::Unfinished);
            cx.actions.cancel.push(guard);
        }
    }

    /// At its own limit, a key gives up a connection for its waiters: a shared one that no request uses or may use, or one
    /// that drains a possibly endless response.
    pub(super) fn make_room_for_own_key(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        let limit = self.limits.connections_per_key;
        let Some(key) = self.key_states.get(key_id) else { return };
        if key.queue.is_empty() || key.counted() < limit {
            return;
        }
        if let Some(&useless) = key.shared.useless.first() {
            return self.evict(useless, CloseReason::Evicted, cx);
        }
        // Connections on their way serve that many waiters without giving anything up.
        let enough = key.tally.leaving() + key.tally.returning;
        if key.queue.len() > enough {
            let gives_way = |slot: &Slot<C>| match slot.state {
                SlotState::Finishing { until, .. } => until <= cx.now && slot.key_id == key_id,
                _ => false,
            };
            let own = |id: &&SlotId| self.slots.get(**id).is_some_and(gives_way);
            if let Some(&own) = self.finishing.iter().find(own) {
                self.finishing.remove(&own);
                self.stop_finishing(own, cx);
            }
        }
    }

    /// Closes an idle connection.
    pub(super) fn evict(
        &mut self,
        id: SlotId,
        close_reason: CloseReason,
        cx: &mut Transition<K, C, W>,
    ) {
        if self.slot_mut(id).idle().is_none() {
            return;
        }
        self.leave_idle(id);
        let was_idle =
            self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Closing));
        cx.actions.close.push(match was_idle {
            SlotState::Idle { connection, .. } => Handle::Exclusive(connection),
            SlotState::Shared { connection, .. } => Handle::Shared(connection),
            // `idle()` is `Some` for these two states only.
            _ => return,
        });
        self.set_close_reason(id, close_reason);
        self.draining.remove(&id);
        // `drain` stays set: it decides the role of the closing slot (`Drained`, `PassedOn`).
        self.reindex_shared(id);
    }

    pub(super) fn mark_closing(&mut self, id: SlotId, close_reason: CloseReason) {
        self.change(id, |slot| slot.state = SlotState::Closing);
        self.set_close_reason(id, close_reason);
    }

    /// Sets the reason of the close event, unless there is one: the first is the cause.
    pub(super) fn set_close_reason(&mut self, id: SlotId, close_reason: CloseReason) {
        self.slot_mut(id).close_reason.get_or_insert(close_reason);
    }

    /// Removes a slot from all lists.
    pub(super) fn remove(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        // The idle list runs through the slots, so the slot leaves it before it is removed.
        if self.slots.get(id).is_some_and(|slot| slot.idle().is_some()) {
            self.leave_idle(id);
        }
        let Some(slot) = self.slots.remove(id) else { return };
        if let Some(close_event) = slot.close_event(cx.now) {
            cx.actions.note(id, || close_event);
        }
        let (role, cause) = (slot.role(), slot.caused_by());
        self.tally.remove(role);
        self.finishing.remove(&id);
        self.joinable.remove(&id);
        self.draining.remove(&id);
        cx.actions.abort_handles.extend(slot.facts.abort_handle);
        let key = self.key_mut(slot.key_id);
        key.tally.remove(role);
        key.shared.remove(slot.listed, id);
        key.dials.end(cause, id);
        match slot.state {
            SlotState::Dialing { guard, .. } | SlotState::Finishing { guard, .. } => {
                cx.actions.cancel.push(guard)
            }
            SlotState::Idle { connection, .. } => {
                cx.actions.close.push(Handle::Exclusive(connection))
            }
            SlotState::Shared { connection, .. } => {
                cx.actions.close.push(Handle::Shared(connection))
            }
            _ => {}
        }
    }

    /// Recounts the waiters of a key, and updates its entries in `needs_dial` and `surplus`.
    pub(super) fn reindex(&mut self, key_id: KeyId) {
        let limit = self.limits.connections_per_key;
        let Some(key) = self.key_states.get_mut(key_id) else { return };
        key.cover();
        // A peer that allows no streams would allow none on another connection either.
        let is_forbidden = key.sharing == Sharing::Shared && !key.shared.forbidden.is_empty();
        let may_dial = key.counted() < limit && !is_forbidden;
        let first = may_dial.then(|| key.queue.first_uncovered()).flatten();
        let needs_dial = first.map(|seq| (seq, key.tally.alive() == 0));
        let queued = key.queue.uncovered();
        // Add before subtracting: `usize` must not go below zero.
        self.queued = self.queued + queued - std::mem::replace(&mut key.queued, queued);
        let surplus = key.surplus() > 0;
        match surplus {
            true => self.surplus.insert(key_id),
            false => self.surplus.remove(&key_id),
        };
        let before = std::mem::replace(&mut key.needs_dial_at, needs_dial);
        if before == needs_dial {
            return;
        }
        if let Some((seq, _)) = before {
            self.needs_dial.remove(&(seq, key_id));
            self.without_supply.remove(&(seq, key_id));
            self.with_supply.remove(&(seq, key_id));
        }
        if let Some((seq, lacks_supply)) = needs_dial {
            self.needs_dial.insert((seq, key_id));
            match lacks_supply {
                true => self.without_supply.insert((seq, key_id)),
                false => self.with_supply.insert((seq, key_id)),
            };
        }
    }

    /// Keeps the protocol of empty keys, up to `REMEMBERED` of them.
    pub(super) fn reindex_empty(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        let Some(key) = self.key_states.get(key_id) else { return };
        match (key.is_empty(), key.empty_at) {
            (true, None) => {
                let seq = self.next_seq();
                self.key_mut(key_id).empty_at = Some(seq);
                // The latest keeps its lists: a connection for each request makes it empty each time.
                if let Some(&before) = self.empty.values().next_back() {
                    self.key_mut(before).free_lists();
                }
                self.empty.insert(seq, key_id);
            }
            (false, Some(seq)) => {
                self.key_mut(key_id).empty_at = None;
                self.empty.remove(&seq);
            }
            _ => {}
        }
        while self.empty.len() > REMEMBERED {
            let Some((_, forgotten)) = self.empty.pop_first() else { return };
            // Both `Arc`s of the key go to the actions: the last drop runs the user's code, outside of the lock.
            if let Some(key) = self.key_states.remove(forgotten) {
                let entry = self.keys.remove_entry(&key.key).map(|(key, _)| key);
                cx.actions.keys.extend(entry.into_iter().chain([key.key]));
            }
        }
    }
}
