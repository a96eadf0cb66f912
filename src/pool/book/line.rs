//! The waiters of one key, first come first served, and the first of them that nothing is on its way for.

use std::{collections::BTreeMap, time::Instant};

use super::{Turn, Wish};

/// One request that waits.
pub(super) struct Waiter<W> {
    pub(super) waiter: W,
    pub(super) wish: Wish,
    pub(super) since: Instant,
}

/// Waiters in order. The first few are *covered*: a dial or a returning connection is on its way for each.
///
/// The border between covered and uncovered waiters is kept, and moves by a step for each event. To count from the
/// front each time would make a crowd of requests for one key cost the square of its number.
pub(super) struct Line<W> {
    waiters: BTreeMap<Turn, Waiter<W>>,
    /// Waiters before this turn are covered.
    border: Turn,
    covered: usize,
}

impl<W> Line<W> {
    pub(super) fn new() -> Self {
        Self { waiters: BTreeMap::new(), border: 0, covered: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn first(&self) -> Option<Turn> {
        self.waiters.first_key_value().map(|(&turn, _)| turn)
    }

    pub(super) fn get(&self, turn: Turn) -> Option<&Waiter<W>> {
        self.waiters.get(&turn)
    }

    pub(super) fn turns(&self) -> impl Iterator<Item = Turn> {
        self.waiters.keys().copied()
    }

    pub(super) fn insert(&mut self, turn: Turn, waiter: Waiter<W>) {
        self.waiters.insert(turn, waiter);
        self.covered += usize::from(turn < self.border);
    }

    pub(super) fn remove(&mut self, turn: Turn) -> Option<Waiter<W>> {
        let waiter = self.waiters.remove(&turn)?;
        self.covered -= usize::from(turn < self.border);
        Some(waiter)
    }

    /// Moves the border so that this many waiters are covered, or all.
    pub(super) fn cover(&mut self, count: usize) {
        let count = count.min(self.waiters.len());
        while self.covered > count {
            let Some((&last, _)) = self.waiters.range(..self.border).next_back() else { return };
            self.border = last;
            self.covered -= 1;
        }
        while self.covered < count {
            let Some((&next, _)) = self.waiters.range(self.border..).next() else { return };
            self.border = next + 1;
            self.covered += 1;
        }
    }

    /// The first waiter that nothing is on its way for.
    pub(super) fn first_uncovered(&self) -> Option<Turn> {
        self.waiters.range(self.border..).next().map(|(&turn, _)| turn)
    }

    pub(super) fn is_uncovered(&self, turn: Turn) -> bool {
        turn >= self.border && self.waiters.contains_key(&turn)
    }

    pub(super) fn into_waiters(self) -> impl Iterator<Item = Waiter<W>> {
        self.waiters.into_values()
    }

    pub(super) fn uncovered_turns(&self) -> impl Iterator<Item = Turn> {
        self.waiters.range(self.border..).map(|(&turn, _)| turn)
    }

    pub(super) fn uncovered(&self) -> usize {
        self.waiters.len() - self.covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_follows_whatever_comes_and_goes() {
        let now = crate::rt::Runtime::default().now();
        let waiter = || Waiter { waiter: (), wish: Wish::default(), since: now };
        let mut line = Line::new();
        (1..=5).for_each(|turn| line.insert(turn, waiter()));
        line.cover(2);
        assert_eq!((line.first_uncovered(), line.uncovered()), (Some(3), 3));
        line.remove(1);
        assert_eq!((line.first_uncovered(), line.uncovered()), (Some(3), 3));
        line.cover(2);
        assert_eq!((line.first_uncovered(), line.uncovered()), (Some(4), 2));
        line.insert(1, waiter());
        line.cover(2);
        assert_eq!((line.first_uncovered(), line.uncovered()), (Some(3), 3));
        line.cover(9);
        assert_eq!((line.first_uncovered(), line.uncovered()), (None, 0));
        line.cover(0);
        assert_eq!((line.first_uncovered(), line.uncovered()), (Some(1), 5));
    }
}
