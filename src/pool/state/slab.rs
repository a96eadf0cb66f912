//! Storage for slots and keys, by index.
//!
//! An index is reused after its entry is removed, a number never is. So a late id finds nothing, whatever is at its index
//! now.

use crate::connection::SlotId as Id;

pub(super) struct Slab<T> {
    entries: Vec<Option<(Id, T)>>,
    vacant: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.vacant.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry. `seq` must be unused.
    pub(super) fn insert(&mut self, seq: u64, entry: T) -> Id {
        let index = match self.vacant.pop() {
            Some(index) => index,
            None => {
                self.entries.push(None);
                // No system has 2^32 sockets, and no memory as many keys.
                u32::try_from(self.entries.len() - 1).expect("as many entries as there can be")
            }
        };
        let id = Id { seq, index };
        self.entries[index as usize] = Some((id, entry));
        id
    }

    pub(super) fn get(&self, id: Id) -> Option<&T> {
        let (here, entry) = self.entries.get(id.index as usize)?.as_ref()?;
        (*here == id).then_some(entry)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (here, entry) = self.entries.get_mut(id.index as usize)?.as_mut()?;
        (*here == id).then_some(entry)
    }

    /// The current entry at an index.
    pub(super) fn at(&self, index: u32) -> Option<(Id, &T)> {
        let (id, entry) = self.entries.get(index as usize)?.as_ref()?;
        Some((*id, entry))
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        Some(&mut self.entries.get_mut(index as usize)?.as_mut()?.1)
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let entry = self.entries.get_mut(id.index as usize)?;
        let (_, entry) = entry.take_if(|(here, _)| *here == id)?;
        self.vacant.push(id.index);
        Some(entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        self.entries.iter().flatten().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, entry)| entry)
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut().flatten().map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_id_finds_nothing_at_an_index_that_is_used_again() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert(1, "a"), slab.insert(2, "b"));
        assert_eq!((slab.remove(a), slab.len()), (Some("a"), 1));
        let c = slab.insert(3, "c");
        assert_eq!(c.index, a.index);
        assert_eq!((slab.get(a), slab.get(b), slab.get(c)), (None, Some(&"b"), Some(&"c")));
        assert_eq!(slab.get_mut(a), None);
        assert_eq!((slab.remove(a), slab.len()), (None, 2));
    }
}
