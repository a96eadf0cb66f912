//! The idle connections of all keys, in the order in which they became idle: a linked list through their slots.
//!
//! Insertion and removal take constant time, however many connections are idle.

use super::{SlotId, slab::Slab, slot::Slot};

pub(super) struct IdleList {
    longest: u32,
    newest: u32,
    len: usize,
}

/// The neighbours of an idle slot, by index.
#[derive(Clone, Copy)]
pub(super) struct IdleLinks {
    longer: u32,
    newer: u32,
}

/// No slot.
const NONE: u32 = u32::MAX;

impl IdleLinks {
    pub(super) const NONE: Self = Self { longer: NONE, newer: NONE };
}

impl IdleList {
    pub(super) fn new() -> Self {
        Self { longest: NONE, newest: NONE, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Appends a slot that is not in the list.
    pub(super) fn push<C>(&mut self, id: SlotId, slots: &mut Slab<Slot<C>>) {
        let Some(slot) = slots.get_mut(id) else { return };
        slot.links = IdleLinks { longer: self.newest, newer: NONE };
        // `NONE` is no index of the slab, so it reads as the end of the list.
        match slots.at_mut(self.newest) {
            Some(before) => before.links.newer = id.index,
            None => self.longest = id.index,
        }
        self.newest = id.index;
        self.len += 1;
    }

    /// Unlinks a slot with these neighbours.
    pub(super) fn remove<C>(&mut self, links: IdleLinks, slots: &mut Slab<Slot<C>>) {
        match slots.at_mut(links.longer) {
            Some(longer) => longer.links.newer = links.newer,
            None => self.longest = links.newer,
        }
        match slots.at_mut(links.newer) {
            Some(newer) => newer.links.longer = links.longer,
            None => self.newest = links.longer,
        }
        self.len -= 1;
    }

    /// Iterates, the longest idle first.
    pub(super) fn iter<'a, C>(
        &self,
        slots: &'a Slab<Slot<C>>,
    ) -> impl Iterator<Item = (SlotId, &'a Slot<C>)> + use<'a, C> {
        let first = slots.at(self.longest);
        std::iter::successors(first, |(_, slot)| slots.at(slot.links.newer))
    }
}
