//! The fast path of a usual request's events: without waiters, drains, reached limits or expired times.
//!
//! Each does exactly what the general event would do then; otherwise it changes nothing and says so, and the general event
//! follows. `state/tests/fast_path.rs` compares both ways.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::{
    CheckedOut, Handle, KeyId, PoolState, SlotId,
    serve::shorter,
    slot::{Idle, SlotState},
};
use crate::pool::uri_keys::UriKey;

/// The outcome of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReleaseOutcome {
    Done,
    /// The connection is idle now.
    Idle,
    /// Nothing was changed: the general event has to decide.
    Undecided,
}

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Whether an event affects nothing beyond its own slot.
    fn is_quiescent(&self, now: Instant) -> bool {
        !self.closed
            && self.waiting == 0
            && self.draining.is_empty()
            && self.surplus.is_empty()
            // Idle connections that are counted may fill a common budget.
            && !self.limits.is_counted_by_users
            && self.overdue(now).is_none()
    }

    /// Remembers the key of requests with this URI.
    pub(crate) fn remember_uri(&mut self, uri: &UriKey<'_>, key: KeyId) {
        self.uri_keys.insert(uri, key, self.keys.len());
    }

    /// An idle or shared connection for a request with this URI.
    pub(crate) fn checkout_by_uri(
        &mut self,
        uri: &UriKey<'_>,
        now: Instant,
    ) -> Option<CheckedOut<C>> {
        let key = self.uri_keys.get(uri)?;
        self.checkout_fast(key, now)
    }

    pub(super) fn checkout_fast(&mut self, key: KeyId, now: Instant) -> Option<CheckedOut<C>> {
        if !self.is_quiescent(now) {
            return None;
        }
        let shared = self.key_states.get(key)?.shared.free.first().copied();
        match shared {
            Some(id) => self.join_fast(id, now),
            None => self.reuse_fast(key, now),
        }
    }

    fn join_fast(&mut self, id: SlotId, now: Instant) -> Option<CheckedOut<C>> {
        let slot = self.slots.get(id)?;
        if slot.is_retired(now, self.limits.requests) || slot.is_expired(now) {
            return None;
        }
        self.join(id)
    }

    fn reuse_fast(&mut self, key: KeyId, now: Instant) -> Option<CheckedOut<C>> {
        let idle = &mut self.key_states.get_mut(key)?.idle;
        let id = *idle.back()?;
        let slot = self.slots.get_mut(id)?;
        // Checked before the state is replaced: a slot that is not idle keeps its state.
        if slot.is_expired(now) || !matches!(slot.state, SlotState::Idle { .. }) {
            return None;
        }
        let SlotState::Idle { connection, .. } =
            std::mem::replace(&mut slot.state, SlotState::Leased)
        else {
            return None;
        };
        // Copied out, because the list below borrows all slots.
        let ((served, reused), links) = (slot.serve(), slot.links);
        idle.pop_back();
        self.idle.remove(links, &mut self.slots);
        let (handle, seq) = (Handle::Exclusive(connection), self.next_seq());
        Some(CheckedOut { slot: id, key, handle, served, reused, seq })
    }

    /// Makes an exclusive connection idle, or returns it for [`give_back`](Self::give_back).
    pub(crate) fn give_back_fast(
        &mut self,
        id: SlotId,
        connection: Box<C>,
        keep_alive: Option<Duration>,
        now: Instant,
    ) -> Result<(), Box<C>> {
        let Some(idle) = self.idle_span_if_quiescent(id, keep_alive, now) else {
            return Err(connection);
        };
        let Some(slot) = self.slots.get_mut(id) else { return Err(connection) };
        if !matches!(slot.state, SlotState::Leased) {
            return Err(connection);
        }
        let Some(key) = self.key_states.get_mut(slot.key_id) else { return Err(connection) };
        slot.was_idle = true;
        slot.state = SlotState::Idle { connection, idle };
        key.idle.push_back(id);
        self.idle.push(id, &mut self.slots);
        Ok(())
    }

    /// A request on a shared connection has ended.
    pub(crate) fn release_fast(&mut self, id: SlotId, now: Instant) -> ReleaseOutcome {
        let used = match self.slots.get(id).map(|slot| (&slot.state, &slot.drain)) {
            Some((SlotState::Shared { used, .. }, None)) if *used > 0 => *used,
            _ => return ReleaseOutcome::Undecided,
        };
        if used > 1 {
            if !self.is_quiescent(now) {
                return ReleaseOutcome::Undecided;
            }
            self.leave_shared(id, None);
            return ReleaseOutcome::Done;
        }
        match self.idle_span_if_quiescent(id, None, now) {
            Some(idle) => self.leave_shared(id, Some(idle)),
            None => return ReleaseOutcome::Undecided,
        }
        self.idle.push(id, &mut self.slots);
        ReleaseOutcome::Idle
    }

    fn leave_shared(&mut self, id: SlotId, idle_span: Option<Idle>) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let SlotState::Shared { used, idle, .. } = &mut slot.state {
            // Above zero: `release_fast` has checked that.
            *used -= 1;
            slot.was_idle |= idle_span.is_some();
            *idle = idle_span;
        }
        self.reindex_shared(id);
    }

    /// The idle span, if the connection may become idle and no earlier reap has to be scheduled for it.
    fn idle_span_if_quiescent(
        &self,
        id: SlotId,
        keep_alive: Option<Duration>,
        now: Instant,
    ) -> Option<Idle> {
        if !self.is_quiescent(now) || self.idle.len() >= self.limits.idle {
            return None;
        }
        let slot = self.slots.get(id)?;
        if slot.is_retired(now, self.limits.requests) {
            return None;
        }
        let idle = slot.idle_span(shorter(self.limits.idle_timeout, keep_alive), now);
        match idle.until {
            // The general event closes it at once, or schedules the earlier reap.
            Some(until)
                if until <= now || self.reap.as_ref().is_none_or(|reap| until < reap.at) =>
            {
                None
            }
            _ => Some(idle),
        }
    }
}
