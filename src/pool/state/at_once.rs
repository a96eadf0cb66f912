//! The events of a usual request where nothing is to be decided: nobody waits, nothing drains, no limit is reached, no time
//! is over.
//!
//! Each does what the event of the general kind does then, and no more; else it changes nothing and says so, and the general
//! event follows. `tests/at_once.rs` holds both ways together.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::{
    Checkout, Handle, KeyId, PoolState, SlotId,
    serve::shorter,
    slot::{Idle, SlotState},
};
use crate::pool::uri_keys::UriKey;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtOnce {
    Done,
    /// The connection is idle now.
    Idle,
    /// It is for the general event to decide.
    Undecided,
}

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Whether an event changes nothing but what it is about.
    fn is_calm(&self, now: Instant) -> bool {
        !self.closed
            && self.waiting == 0
            && self.draining.is_empty()
            && self.surplus.is_empty()
            // Where idle connections count they may fill a budget.
            && !self.limits.is_counted_by_users
            && self.overdue(now).is_none()
    }

    /// Remembers that requests with this URI have this key.
    pub(crate) fn remember_uri(&mut self, uri: &UriKey<'_>, key: KeyId) {
        self.uri_keys.insert(uri, key, self.keys.len());
    }

    /// An idle or a shared connection for a request with this URI.
    pub(crate) fn checkout_by_uri(
        &mut self,
        uri: &UriKey<'_>,
        now: Instant,
    ) -> Option<Checkout<C>> {
        let key = self.uri_keys.get(uri)?;
        self.checkout_at_once(key, now)
    }

    pub(super) fn checkout_at_once(&mut self, key: KeyId, now: Instant) -> Option<Checkout<C>> {
        if !self.is_calm(now) {
            return None;
        }
        let shared = self.key_states.get(key)?.shared.free.first().copied();
        match shared {
            Some(id) => self.join_at_once(id, now),
            None => self.reuse_at_once(key, now),
        }
    }

    fn join_at_once(&mut self, id: SlotId, now: Instant) -> Option<Checkout<C>> {
        let slot = self.slots.get(id)?;
        if slot.is_retired(now, self.limits.requests) || slot.is_over(now) {
            return None;
        }
        self.join(id)
    }

    fn reuse_at_once(&mut self, key: KeyId, now: Instant) -> Option<Checkout<C>> {
        let idle = &mut self.key_states.get_mut(key)?.idle;
        let id = *idle.back()?;
        let slot = self.slots.get_mut(id)?;
        // Looked at before it is taken: what is not idle keeps its state.
        if slot.is_over(now) || !matches!(slot.state, SlotState::Idle { .. }) {
            return None;
        }
        let SlotState::Idle { connection, .. } = std::mem::replace(&mut slot.state, SlotState::Out)
        else {
            return None;
        };
        let ((served, reused), links) = (slot.serve(), slot.links);
        idle.pop_back();
        self.idle.remove(links, &mut self.slots);
        let (handle, seq) = (Handle::Exclusive(connection), self.next_seq());
        Some(Checkout { slot: id, key, handle, served, reused, seq })
    }

    /// An exclusive connection is idle again, or comes back to be [given back](Self::give_back).
    pub(crate) fn give_back_at_once(
        &mut self,
        id: SlotId,
        connection: Box<C>,
        keep_alive: Option<Duration>,
        now: Instant,
    ) -> Result<(), Box<C>> {
        let Some(idle) = self.may_idle(id, keep_alive, now) else { return Err(connection) };
        let Some(slot) = self.slots.get_mut(id) else { return Err(connection) };
        if !matches!(slot.state, SlotState::Out) {
            return Err(connection);
        }
        let Some(key) = self.key_states.get_mut(slot.key_id) else { return Err(connection) };
        slot.rested = true;
        slot.state = SlotState::Idle { connection, idle };
        key.idle.push_back(id);
        self.idle.push(id, &mut self.slots);
        Ok(())
    }

    /// A request on a shared connection is over.
    pub(crate) fn release_at_once(&mut self, id: SlotId, now: Instant) -> AtOnce {
        let used = match self.slots.get(id).map(|slot| (&slot.state, &slot.drain)) {
            Some((SlotState::Shared { used, .. }, None)) if *used > 0 => *used,
            _ => return AtOnce::Undecided,
        };
        if used > 1 {
            if !self.is_calm(now) {
                return AtOnce::Undecided;
            }
            self.leave_shared(id, None);
            return AtOnce::Done;
        }
        match self.may_idle(id, None, now) {
            Some(idle) => self.leave_shared(id, Some(idle)),
            None => return AtOnce::Undecided,
        }
        self.idle.push(id, &mut self.slots);
        AtOnce::Idle
    }

    fn leave_shared(&mut self, id: SlotId, rest: Option<Idle>) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let SlotState::Shared { used, idle, .. } = &mut slot.state {
            *used -= 1;
            slot.rested |= rest.is_some();
            *idle = rest;
        }
        self.refile_shared(id);
    }

    /// Since when and until when a connection is idle, if it may be and the reaper comes in time without being called.
    fn may_idle(&self, id: SlotId, keep_alive: Option<Duration>, now: Instant) -> Option<Idle> {
        if !self.is_calm(now) || self.idle.len() >= self.limits.idle {
            return None;
        }
        let slot = self.slots.get(id)?;
        if slot.is_retired(now, self.limits.requests) {
            return None;
        }
        let idle = slot.rest(shorter(self.limits.idle_timeout, keep_alive), now);
        match idle.until {
            Some(until) if until <= now || self.reap_at.is_none_or(|at| until < at) => None,
            _ => Some(idle),
        }
    }
}
