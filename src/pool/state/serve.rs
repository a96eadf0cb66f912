//! Serves waiters with connections; without waiters, connections become idle.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Checkout, Handle, KeyId, PoolState, Seq, SlotId, Transition,
    idle_list::Links,
    key_state::{KeyState, Sharing},
    slot::{Slot, SlotState},
    wait_queue::Waiter,
};
use crate::events::{CloseReason, NoteKind};

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Serves who waits at a key, dials where nothing is on its way, abandons what nobody waits for, and keeps to the
    /// limits.
    pub(super) fn rebalance(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        // First, because a slot that is free soon may be all that an older waiter needs, and then this key is served.
        self.give_way_to_own_key(key_id, cx);
        self.serve(key_id, cx);
        self.abandon_needless(key_id, cx);
        self.refile(key_id);
        self.start_dials(cx);
        self.serve_leftovers(key_id, cx);
        self.take_back_drains(cx);
        self.watch_the_longest_wait(cx);
        if let Some(at) = self.next_to_stop_finishing(cx.now) {
            self.call_at(at, cx);
        }
        self.trim(cx);
        self.refile_empty(key_id, cx);
    }

    /// A connection that was left idle for an older waiter of another key serves its own, if that one needs it no more.
    fn serve_leftovers(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        let key = self.key_states.get(key_id);
        if key.is_some_and(|key| !key.queue.is_empty() && !key.idle.is_empty()) {
            self.serve(key_id, cx);
            self.abandon_needless(key_id, cx);
            self.refile(key_id);
            self.start_dials(cx);
        }
    }

    /// Serves the waiters of a key from its connections.
    pub(super) fn serve(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) {
        while self.key_states.get(key_id).is_some_and(|key| !key.queue.is_empty()) {
            let Some(checkout) = self.take(key_id, cx) else { break };
            self.serve_first(key_id, checkout, cx);
        }
    }

    fn serve_first(&mut self, key_id: KeyId, checkout: Checkout<C>, cx: &mut Transition<K, C, W>) {
        let key = self.key_mut(key_id);
        let first = key.queue.first().and_then(|seq| key.take(seq));
        if let Some(Waiter { waiter, options, .. }) = first {
            self.waiting -= 1;
            cx.actions.drop_options(options);
            cx.actions.serve.push((waiter, checkout));
        }
    }

    /// A connection for one request of this key, if one can be had now.
    pub(super) fn take(
        &mut self,
        key_id: KeyId,
        cx: &mut Transition<K, C, W>,
    ) -> Option<Checkout<C>> {
        self.take_shared(key_id, cx).or_else(|| self.take_idle(key_id, cx))
    }

    fn take_shared(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) -> Option<Checkout<C>> {
        let max_requests = self.limits.requests;
        let id = loop {
            let id = *self.key_states.get(key_id)?.shared.free.first()?;
            let slot = self.slots.get(id)?;
            if !slot.is_retired(cx.now, max_requests) && !slot.is_over(cx.now) {
                break id;
            }
            self.drain(id, CloseReason::Retired, cx);
        };
        self.join(id)
    }

    /// A stream of a shared connection that has one free.
    pub(super) fn join(&mut self, id: SlotId) -> Option<Checkout<C>> {
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
        self.refile_shared(id);
        Some(Checkout { slot: id, key, handle, served, reused, seq })
    }

    /// The newest idle one: it is the least likely to be stale, and the others get old enough to be closed.
    fn take_idle(&mut self, key_id: KeyId, cx: &mut Transition<K, C, W>) -> Option<Checkout<C>> {
        loop {
            let id = *self.key_states.get(key_id)?.idle.back()?;
            if self.is_turn_of_another(key_id) {
                return None;
            }
            if self.slot_mut(id).is_over(cx.now) {
                self.evict(id, CloseReason::Expired, cx);
                continue;
            }
            self.leave_idle(id);
            let slot = self.slot_mut(id);
            let SlotState::Idle { connection, .. } =
                std::mem::replace(&mut slot.state, SlotState::Out)
            else {
                return None;
            };
            let (served, reused) = slot.serve();
            let (handle, seq) = (Handle::Exclusive(connection), self.next_seq());
            return Some(Checkout { slot: id, key: key_id, handle, served, reused, seq });
        }
    }

    /// A dial has brought a connection: its key, if it is still wanted and was not over before it began.
    pub(super) fn begin(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) -> Option<KeyId> {
        let slot = self.slots.get_mut(id)?;
        if let SlotState::Abandoned = slot.state {
            // It was made for nothing. The slot is free when it is closed.
            slot.state = SlotState::Closing;
        }
        if !slot.is_dialing() || !slot.is_fit() {
            return None;
        }
        let (key_id, cause) = (slot.key_id, slot.caused_by());
        slot.opened_at = cx.now;
        let dialing = self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Out));
        if let SlotState::Dialing { guard, .. } = dialing {
            cx.actions.cancel.push(guard);
        }
        let key = self.key_mut(key_id);
        key.dials.end(cause, id);
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
        if self.key_mut(key_id).queue.is_empty() || self.is_turn_of_another(key_id) {
            return self.idle_exclusive(id, connection, keep_alive, cx);
        }
        let seq = self.next_seq();
        let (served, reused) = self.slot_mut(id).serve();
        let handle = Handle::Exclusive(connection);
        self.serve_first(
            key_id,
            Checkout { slot: id, key: key_id, handle, served, reused, seq },
            cx,
        );
    }

    /// An exclusive connection rests, unless it may not.
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
        let idle = slot.rest(limit, cx.now);
        let until = idle.until;
        if until.is_some_and(|until| until <= cx.now) {
            self.mark_closing(id, CloseReason::Expired);
            return cx.actions.close.push(Handle::Exclusive(connection));
        }
        slot.rested = true;
        slot.state = SlotState::Idle { connection, idle };
        self.key_mut(key_id).idle.push_back(id);
        self.mark_idle(id, until, cx);
    }

    /// Makes a shared connection idle if no request is on it.
    pub(super) fn idle_shared(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) {
        let (limit, max_requests) = (self.limits.idle_timeout, self.limits.requests);
        let closed = self.closed;
        let slot = self.slot_mut(id);
        let rest = slot.rest(limit, cx.now);
        let drained = slot.drain.is_some();
        let retired = slot.is_retired(cx.now, max_requests);
        let SlotState::Shared { used: 0, idle: idle @ None, .. } = &mut slot.state else { return };
        let until = rest.until;
        let over = until.is_some_and(|until| until <= cx.now);
        *idle = Some(rest);
        slot.rested = true;
        self.mark_idle(id, until, cx);
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
            self.call_at(until, cx);
        }
    }

    pub(super) fn longest_idle(&self) -> Option<SlotId> {
        self.idle.iter(&self.slots).next().map(|(id, _)| id)
    }

    /// Takes an idle connection out of the lists of its key and of all keys.
    pub(super) fn leave_idle(&mut self, id: SlotId) {
        self.unlist_idle(id);
        let key_id = self.slot_mut(id).key_id;
        let idle = &mut self.key_mut(key_id).idle;
        // The newest is taken, the oldest evicted; nothing in between leaves but by its own end.
        match idle.back() == Some(&id) {
            true => drop(idle.pop_back()),
            false => drop(idle.iter().position(|it| *it == id).and_then(|at| idle.remove(at))),
        }
    }

    fn unlist_idle(&mut self, id: SlotId) {
        let links = std::mem::replace(&mut self.slot_mut(id).links, Links::NONE);
        self.idle.remove(links, &mut self.slots);
    }

    /// Closes idle connections beyond the limit, the longest idle first.
    fn trim(&mut self, cx: &mut Transition<K, C, W>) {
        while self.idle.len() > self.limits.idle {
            let Some(oldest) = self.longest_idle() else { return };
            self.evict(oldest, CloseReason::Evicted, cx);
        }
    }

    /// An exclusive connection's request is over: `None` if its slot has ended meanwhile.
    pub(super) fn check_in(&mut self, id: SlotId, cx: &mut Transition<K, C, W>) -> Option<KeyId> {
        let is_away = |state: &SlotState<C>| {
            matches!(state, SlotState::Out | SlotState::Returning)
                || matches!(state, SlotState::Finishing { .. } | SlotState::Unfinished)
        };
        let slot = self.slots.get(id).filter(|slot| is_away(&slot.state))?;
        let key_id = slot.key_id;
        let was = self.change(id, |slot| std::mem::replace(&mut slot.state, SlotState::Out));
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

    /// Changes a slot, and counts it as what it is now.
    pub(super) fn change<T>(&mut self, id: SlotId, change: impl FnOnce(&mut Slot<C>) -> T) -> T {
        let slot = self.slot_mut(id);
        let before = slot.role();
        let changed = change(slot);
        let (after, key_id) = (slot.role(), slot.key_id);
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
        // A key is forgotten only when it has neither slots nor waiters, and so no one who could name it.
        self.key_states.get_mut(key_id).expect("a key in use is in the state")
    }

    pub(super) fn slot_mut(&mut self, slot: SlotId) -> &mut Slot<C> {
        // Struck out of every list by `remove`, and looked up by callers before.
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
