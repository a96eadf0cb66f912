//! What a book says of itself, and what it gives up for other pools that share its budget.

use std::{hash::Hash, time::Instant};

use super::{Book, Counts, Row, Todo};
use crate::events::Closing;

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// How many connections there are, and how many of them count.
    pub(crate) fn counts(&self) -> Counts {
        let (idle, leaving) = (self.idle.len(), self.tally.leaving());
        let counted = match self.limits.is_counted_by_users {
            true => idle + leaving + self.tally.returning + self.finishing.len(),
            false => self.counted(),
        };
        Counts { counted, idle, leaving, open: self.places.len() }
    }

    /// Since when the connection has been idle that has been so for longest.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let longest = self.idle.values().next()?;
        Some(self.places.get(longest)?.idle()?.since)
    }

    /// Closes the connection that has been idle for longest, because another pool needs its place.
    pub(crate) fn evict_longest_idle(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(&longest) = self.idle.values().next() else { return };
        let desk = self.place(longest).desk;
        self.evict(longest, Closing::Evicted, todo);
        self.settle(desk, now, todo);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether nothing is open any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many connections were opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A row for every place that counts.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<K>> {
        let all = !self.limits.is_counted_by_users;
        let counted = self.places.iter().filter(move |(_, place)| all || place.is_unused());
        counted.map(|(&id, place)| Row {
            place: id,
            key: self.desks[&place.desk].key.clone(),
            state: place.in_use(),
            requests: place.requests(),
            served: place.served,
            opened_at: place.opened_at,
            idle_since: place.idle().map(|idle| idle.since),
            protocol: place.known.protocol,
        })
    }
}
