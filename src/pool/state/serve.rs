//! Serves waiters with connections; connections without waiters become idle.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    CheckedOut, Handle, IdleKind, KeyId, PoolState, Seq, SlotId, Transition,
    idle_list::IdleLinks,
    key_state::{KeyState, Sharing},
    slot::{Availability, Slot, SlotState},
    wait_queue::Waiter,
};
use crate::events::{CloseReason, NoteKind};

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Restores the invariants of a key after a change: serves its waiters, starts and abandons dials, and keeps to the
    /// limits.
    pub(super) fn rebalance(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        // First: a slot that will be free soon may be all that an older waiter needs, and then this key is served.
        self.make_room_for_own_key(key_id, cx);
        // Serve before counting: only the waiters left need dials, and surplus dials are known.
        self.serve(key_id, cx);
        self.abandon_needless(key_id, cx);
        self.reindex(key_id);
        self.start_dials(cx);
        // After the dials: they may have covered the older waiter that this key's idle connection was spared for.
        self.serve_leftovers(key_id, cx);
        self.take_back_drains(cx);
        self.schedule_starvation_check(cx);
        if let Some(at) = self.next_to_stop_finishing(cx.now) {
            self.schedule_reap(at, cx);
        }
        // Last: only now is it known what stays idle, and whether the key is in use at all.
        self.trim(cx);
        self.reindex_empty(key_id, cx);
    }

    /// Serves the key's own waiter with a connection left for an older waiter of another key that no longer needs it.
    fn serve_leftovers(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        let key = self.key_states.get(key_id);
        if key.is_some_and(|key| !key.queue.is_empty() && !key.idle.is_empty()) {
            self.serve(key_id, cx);
            self.abandon_needless(key_id, cx);
            self.reindex(key_id);
            self.start_dials(cx);
        }
    }

    /// Serves the waiters of a key with its connections.
    pub(super) fn serve(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        while self.key_states.get(key_id).is_some_and(|key| !key.queue.is_empty()) {
            let Some(checkout) = self.take(key_id, cx) else { break };
            self.serve_first(key_id, checkout, cx);
        }
    }

    fn serve_first(
        &mut self,
        key_id: KeyId,
        checkout: CheckedOut<C>,
        cx: &mut Transition<K, C, W>,
    ) {
        let key = self.key_mut(key_id);
        let first = key.queue.first().and_then(|seq| key.take(seq));
        if let Some(Waiter { waiter, options, .. }) = first {
            self.waiting -= 1;
            cx.actions.drop_options(options);
            cx.actions.serve.push((waiter, checkout));
        }
    }

    /// A connection that is free now, for one request.
    pub(super) fn take(
        &mut self,
        key_id: KeyId,
        cx: &mut Transition<K, C, W>,
    ) -> Option<CheckedOut<C>> {
        self.take_shared(key_id, cx).or_else(|| self.take_idle(key_id, cx))
    }

    fn take_shared(
        &mut self,
        key_id: KeyId,
        cx: &mut Transition<K, C, W>,
    ) -> Option<CheckedOut<C>> {
        let max_requests = self.limits.requests;
        let id = loop {
            let id = *self.key_states.get(key_id)?.shared.free.first()?;
            let slot = self.slots.get(id)?;
            if !slot.is_retired(cx.now, max_requests) && !slot.is_expired(cx.now) {
                break id;
            }
            // Drained or evicted, it leaves `free`, so the loop ends.
            self.drain(id, CloseReason::Retired, cx);
        };
        self.join(id)
    }

    /// A stream of a shared connection that has one free.
    pub(super) fn join(&mut self, id: SlotId) -> Option<CheckedOut<C>> {
        let seq = self.next_seq();
        let slot = self.slot_mut(id);
        let key = slot.key_id;
        let SlotState::Shared { connection, used, idle } = &mut slot.state else { return None };
        *used += 1;
        let (handle, was_idle) = (Handle::Shared(connection.clone()), idle.take().is_some());
        let (served, reused) = slot.serve();
        if was_idle {
            self.unlist_idle(id);
        }
        self.reindex_shared(id);
        Some(CheckedOut { slot: id, key, handle, served, reused, seq })
    }

    /// Takes the newest idle connection: it is the least likely to be stale, and the older ones expire.
    fn take_idle(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) -> Option<CheckedOut<C>> {
        loop {
            let id = *self.key_states.get(key_id)?.idle.back()?;
            // The idle connection stays, to be evicted for the older waiter.
            if self.is_anothers_turn(key_id) {
                return None;
            }
            if self.slot_mut(id).is_expired(cx.now) {
                self.evict(id, CloseReason::Expired, cx);
                continue;
            }
            self.leave_idle(id);
            let slot = self.slot_mut(id);
            let SlotState::Idle { connection, .. } =
                std::mem::replace(&mut slot.state, SlotState::Leased)
            else {
                return None;
            };
            let (served, reused) = slot.serve();
            let (handle, seq) = (Handle::Exclusive(connection), self.next_seq());
            return Some(CheckedOut { slot: id, key: key_id, handle, served, reused, seq });
        }
    }

    /// A dial has connected. Returns its key, if the dial was not abandoned and the connection is still open.
    pub(super) fn begin(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) -> Option<KeyId> {
        let slot = self.slots.get_mut(id)?;
        if let SlotState::Abandoned = slot.state {
            // Nothing waits for it. The slot is free once the connection is closed.
            slot.state = SlotState::Closing;
        }
        if !slot.is_dialing() || !slot.is_fit() {
            return None;
        }
        let (key_id, cause) = (slot.key_id, slot.caused_by());
        let dialing = self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Leased));
        if let SlotState::Dialing { guard, .. } = dialing {
            cx.actions.cancel.push(guard);
        }
        let key = self.key_mut(key_id);
        key.dials.end(cause, id);
        // A connection ends the series of failing waves.
        key.failed_at = None;
        Some(key_id)
    }

    /// Gives an exclusive connection to the first waiter, or makes it idle.
    pub(super) fn pass_on(
        &mut self,
        id: SlotId,
        connection: Box<C>,
        keep_alive: Option<Duration>,
        cx: &mut Transition<K, C, W>,
    ) {
        let (closed, max_requests) = (self.closed, self.limits.requests);
        let slot = self.slot_mut(id);
        let key_id = slot.key_id;
        if closed || slot.is_retired(cx.now, max_requests) {
            self.mark_closing(
                id,
                if closed { CloseReason::PoolClosed } else { CloseReason::Retired },
            );
            return cx.actions.close.push(Handle::Exclusive(connection));
        }
        // An older waiter of another key may need the slot: leave the connection idle, so that it can be evicted.
        if self.key_mut(key_id).queue.is_empty() || self.is_anothers_turn(key_id) {
            return self.idle_exclusive(id, connection, keep_alive, cx);
        }
        let seq = self.next_seq();
        let (served, reused) = self.slot_mut(id).serve();
        let handle = Handle::Exclusive(connection);
        self.serve_first(
            key_id,
            CheckedOut { slot: id, key: key_id, handle, served, reused, seq },
            cx,
        );
    }

    /// Makes an exclusive connection idle, or closes it if it may not idle.
    fn idle_exclusive(
        &mut self,
        id: SlotId,
        connection: Box<C>,
        keep_alive: Option<Duration>,
        cx: &mut Transition<K, C, W>,
    ) {
        let limit = shorter(self.limits.idle_timeout, keep_alive);
        let slot = self.slot_mut(id);
        let key_id = slot.key_id;
        let idle = slot.idle_span(limit, cx.now);
        let until = idle.until;
        if until.is_some_and(|until| until <= cx.now) {
            self.mark_closing(id, CloseReason::Expired);
            return cx.actions.close.push(Handle::Exclusive(connection));
        }
        slot.was_idle = true;
        slot.state = SlotState::Idle { connection, idle };
        self.key_mut(key_id).idle.push_back(id);
        self.mark_idle(id, until, cx);
    }

    /// Makes a shared connection without requests idle.
    pub(super) fn idle_shared(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        let (limit, max_requests) = (self.limits.idle_timeout, self.limits.requests);
        let closed = self.closed;
        let slot = self.slot_mut(id);
        let idle_span = slot.idle_span(limit, cx.now);
        let drained = slot.drain.is_some();
        let retired = slot.is_retired(cx.now, max_requests);
        let SlotState::Shared { used: 0, idle: idle @ None, .. } = &mut slot.state else { return };
        let until = idle_span.until;
        let over = until.is_some_and(|until| until <= cx.now);
        *idle = Some(idle_span);
        slot.was_idle = true;
        self.mark_idle(id, until, cx);
        // Idle first, evicted then: `evict` handles only idle connections, and the idle note precedes the close event.
        match (closed, retired || drained, over) {
            (true, _, _) => self.evict(id, CloseReason::PoolClosed, cx),
            (_, true, _) => self.evict(id, CloseReason::Retired, cx),
            (_, _, true) => self.evict(id, CloseReason::Expired, cx),
            _ => {}
        }
    }

    fn mark_idle(&mut self, id: SlotId, until: Option<Instant>, cx: &mut Transition<K, C, W>) {
        self.idle.push(id, &mut self.slots);
        cx.actions.note(id, || NoteKind::Idle);
        if let Some(until) = until {
            self.schedule_reap(until, cx);
        }
    }

    pub(super) fn longest_idle(&self, which: IdleKind) -> Option<SlotId> {
        let may_be_closed =
            |slot: &Slot<C>| which == IdleKind::Any || !self.is_awaited_without_streams(slot);
        self.idle.iter(&self.slots).find(|(_, slot)| may_be_closed(slot)).map(|(id, _)| id)
    }

    /// Whether requests wait for this connection, whose peer allows no streams for now, and would allow none on the
    /// connection that is dialed in its place.
    fn is_awaited_without_streams(&self, slot: &Slot<C>) -> bool {
        slot.availability() == Some(Availability::Forbidden)
            && self.key_states.get(slot.key_id).is_some_and(|key| !key.queue.is_empty())
    }

    /// Removes an idle connection from the lists of its key and of all keys.
    pub(super) fn leave_idle(&mut self, id: SlotId) {
        self.unlist_idle(id);
        let key_id = self.slot_mut(id).key_id;
        let idle = &mut self.key_mut(key_id).idle;
        // The newest is taken, the oldest evicted; one in between leaves only by closing by itself.
        match idle.back() == Some(&id) {
            true => drop(idle.pop_back()),
            false => drop(idle.iter().position(|it| *it == id).and_then(|at| idle.remove(at))),
        }
    }

    fn unlist_idle(&mut self, id: SlotId) {
        let links = std::mem::replace(&mut self.slot_mut(id).links, IdleLinks::NONE);
        self.idle.remove(links, &mut self.slots);
    }

    /// Closes idle connections beyond the limit, the longest idle first.
    fn trim(&mut self, cx: &mut Transition<K, C, W>) {
        while self.idle.len() > self.limits.idle {
            let Some(oldest) = self.longest_idle(IdleKind::Needless) else { return };
            self.evict(oldest, CloseReason::Evicted, cx);
        }
    }

    /// The request of an exclusive connection has ended. `None` if its slot ended meanwhile.
    pub(super) fn check_in(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) -> Option<KeyId> {
        let is_away = |state: &SlotState<C>| {
            matches!(state, SlotState::Leased | SlotState::Returning)
                || matches!(state, SlotState::Finishing { .. } | SlotState::Unfinished)
        };
        let slot = self.slots.get(id).filter(|slot| is_away(&slot.state))?;
        let key_id = slot.key_id;
        // Leased for a moment: the caller decides the next state.
        let was = self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Leased));
        if let SlotState::Finishing { guard, .. } = was {
            self.finishing.remove(&id);
            cx.actions.cancel.push(guard);
        }
        Some(key_id)
    }

    pub(super) fn key_of(
        &mut self,
        key: Arc<K>,
        is_exclusive: bool,
        cx: &mut Transition<K, C, W>,
    ) -> KeyId {
        if let Some(&key_id) = self.keys.get(&key) {
            cx.actions.keys.push(key);
            return key_id;
        }
        let sharing = if is_exclusive { Sharing::Exclusive } else { Sharing::Unknown };
        let seq = self.next_seq();
        let key_id = self.key_states.insert(seq, KeyState::new(key.clone(), sharing));
        self.keys.insert(key, key_id);
        key_id
    }

    /// Changes a slot and updates the tallies.
    pub(super) fn change<T>(&mut self, id: SlotId, change: impl FnOnce(&mut Slot<C>) -> T) -> T {
        let slot = self.slot_mut(id);
        let before = slot.role();
        let changed = change(slot);
        let (after, key_id) = (slot.role(), slot.key_id);
        // Both tallies change together: limits read the total one, coverage the key's.
        if before != after {
            self.tally.remove(before);
            self.tally.add(after);
            let tally = &mut self.key_mut(key_id).tally;
            tally.remove(before);
            tally.add(after);
        }
        changed
    }

    pub(super) fn key_mut(&mut self, key_id: KeyId) -> &mut KeyState<K, W> {
        // A key is removed only without slots and waiters, so no id of it is in use.
        self.key_states.get_mut(key_id).expect("a key in use is in the state")
    }

    pub(super) fn slot_mut(&mut self, slot: SlotId) -> &mut Slot<C> {
        // `remove` deletes a slot from every list, and callers have looked it up before.
        self.slots.get_mut(slot).expect("a listed slot is in the state")
    }

    pub(super) fn next_seq(&mut self) -> Seq {
        self.seq += 1;
        self.seq
    }
}

pub(super) fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
