//! Counts and rows, and evictions for other pools of the budget.

use std::{hash::Hash, time::Instant};

use super::{ConnCounts, IdleKind, PoolState, Row, Transition};
use crate::events::CloseReason;

impl<K: Clone + Eq + Hash, C, W> PoolState<K, C, W> {
    /// Counts of connections.
    pub(crate) fn counts(&self) -> ConnCounts {
        let (idle, leaving) = (self.idle.len(), self.tally.leaving());
        let counted = match self.limits.is_counted_by_users {
            // Those without a request: the pool of the requests counts the others.
            true => idle + leaving + self.tally.returning + self.finishing.len(),
            false => self.counted(),
        };
        ConnCounts { counted, idle, leaving, open: self.slots.len() }
    }

    /// Idle connections.
    pub(crate) fn idle_len(&self) -> usize {
        self.idle.len()
    }

    /// Since when the connection of this kind that is idle for longest has been idle.
    pub(crate) fn idle_since(&self, which: IdleKind) -> Option<Instant> {
        let longest = self.slots.get(self.longest_idle(which)?)?;
        Some(longest.idle()?.since)
    }

    /// Closes the connection of this kind that is idle for longest, because of a limit that several pools share.
    pub(crate) fn evict_longest_idle(&mut self, which: IdleKind, cx: &mut Transition<K, C, W>) {
        let Some(longest) = self.longest_idle(which) else { return };
        let key_id = self.slot_mut(longest).key_id;
        self.evict(longest, CloseReason::Evicted, cx);
        self.rebalance(key_id, cx);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Connections opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A row for every counted slot.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<K>> {
        let all = !self.limits.is_counted_by_users;
        let counted = self.slots.iter().filter(move |(_, slot)| all || slot.is_unused());
        counted.map(|(id, slot)| Row {
            slot: id,
            key: self.key_states.get(slot.key_id).expect("a slot has a key").key.clone(),
            state: slot.in_use(),
            requests: slot.requests(),
            served: slot.served,
            opened_at: slot.age.since(),
            idle_since: slot.idle().map(|idle| idle.since),
            protocol: slot.facts.protocol,
        })
    }
}
