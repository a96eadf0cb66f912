//! The waiters of one key, first come first served, split into covered and uncovered ones.

use std::{collections::BTreeMap, time::Instant};

use super::{DialOptions, Seq};

pub(super) struct Waiter<W> {
    pub(super) waiter: W,
    pub(super) options: DialOptions,
    pub(super) since: Instant,
    /// It keeps the number of an earlier wait, so numbers do not order it by time.
    pub(super) waits_again: bool,
}

/// Waiters in order. The first few are *covered*: a dial or a returning connection is on its way for each.
///
/// The border between covered and uncovered waiters is stored and moves step by step. Counting from the front for each
/// event would make a crowd of requests for one key quadratic.
pub(super) struct WaitQueue<W> {
    waiters: BTreeMap<Seq, Waiter<W>>,
    /// Waiters before this number are covered.
    border: Seq,
    covered: usize,
}

impl<W> WaitQueue<W> {
    pub(super) fn new() -> Self {
        Self { waiters: BTreeMap::new(), border: 0, covered: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn first(&self) -> Option<Seq> {
        self.waiters.first_key_value().map(|(&seq, _)| seq)
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&Waiter<W>> {
        self.waiters.get(&seq)
    }

    pub(super) fn seqs(&self) -> impl Iterator<Item = Seq> {
        self.waiters.keys().copied()
    }

    pub(super) fn insert(&mut self, seq: Seq, waiter: Waiter<W>) {
        self.waiters.insert(seq, waiter);
        // A waiter with an old number may enter before the border.
        self.covered += usize::from(seq < self.border);
    }

    pub(super) fn remove(&mut self, seq: Seq) -> Option<Waiter<W>> {
        let waiter = self.waiters.remove(&seq)?;
        self.covered -= usize::from(seq < self.border);
        Some(waiter)
    }

    /// Moves the border so that `count` waiters, or all, are covered.
    pub(super) fn cover(&mut self, count: usize) {
        let count = count.min(self.waiters.len());
        // Both loops move the border past one waiter per step; usually one step in all.
        while self.covered > count {
            let Some((&last, _)) = self.waiters.range(..self.border).next_back() else { return };
            self.border = last;
            self.covered -= 1;
        }
        while self.covered < count {
            let Some((&next, _)) = self.waiters.range(self.border..).next() else { return };
            // The border is exclusive: `next` is covered from here on.
            self.border = next + 1;
            self.covered += 1;
        }
    }

    /// The first waiter for which no connection is on its way.
    pub(super) fn first_uncovered(&self) -> Option<Seq> {
        self.waiters.range(self.border..).next().map(|(&seq, _)| seq)
    }

    pub(super) fn is_uncovered(&self, seq: Seq) -> bool {
        seq >= self.border && self.waiters.contains_key(&seq)
    }

    pub(super) fn into_waiters(self) -> impl Iterator<Item = Waiter<W>> {
        self.waiters.into_values()
    }

    pub(super) fn uncovered_seqs(&self) -> impl Iterator<Item = Seq> {
        self.waiters.range(self.border..).map(|(&seq, _)| seq)
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
        let waiter = || Waiter {
            waiter: (),
            options: DialOptions::default(),
            since: now,
            waits_again: false,
        };
        let mut queue = WaitQueue::new();
        (1..=5).for_each(|seq| queue.insert(seq, waiter()));
        queue.cover(2);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (Some(3), 3));
        queue.remove(1);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (Some(3), 3));
        queue.cover(2);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (Some(4), 2));
        queue.insert(1, waiter());
        queue.cover(2);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (Some(3), 3));
        queue.cover(9);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (None, 0));
        queue.cover(0);
        assert_eq!((queue.first_uncovered(), queue.uncovered()), (Some(1), 5));
    }
}
