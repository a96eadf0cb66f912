//! State of the process that a child does not share with its parent.

use std::{
    process,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::lock;

/// Deeper chains of forks than programs have; deeper ones share the last slot.
const GENERATIONS: usize = 16;

/// One mutex per process, empty at first.
///
/// A process that is forked while another thread holds a lock never sees that lock free, because the thread is not in it. So a
/// child leaves the locks of its ancestors alone.
pub(crate) struct ProcessMutex<T> {
    slots: [ProcessSlot<T>; GENERATIONS],
}

struct ProcessSlot<T> {
    /// The process that has taken the slot; none has the id 0.
    pid: AtomicU32,
    value: Mutex<Option<T>>,
}

impl<T> ProcessMutex<T> {
    pub(crate) const fn new() -> Self {
        let slots = [const { ProcessSlot { pid: AtomicU32::new(0), value: Mutex::new(None) } };
            GENERATIONS];
        Self { slots }
    }

    /// Locks the mutex of this process.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.lock_of(process::id())
    }

    fn lock_of(&self, pid: u32) -> MutexGuard<'_, Option<T>> {
        let its = self.slots.iter().find(|slot| slot.is_of(pid));
        lock::lock(&its.unwrap_or(&self.slots[GENERATIONS - 1]).value)
    }
}

impl<T> ProcessSlot<T> {
    /// Whether it belongs to this process. A free one is taken.
    fn is_of(&self, pid: u32) -> bool {
        match self.pid.compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(owner) => owner == pid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_waits_for_no_lock_of_its_parent() {
        let mutex = ProcessMutex::new();
        *mutex.lock_of(1) = Some("parent");
        let held = mutex.lock_of(1);
        assert_eq!(*mutex.lock_of(2), None);
        *mutex.lock_of(2) = Some("child");
        let held_too = mutex.lock_of(2);
        assert_eq!(*mutex.lock_of(3), None);
        drop((held, held_too));
        assert_eq!(*mutex.lock_of(1), Some("parent"));
        assert_eq!(*mutex.lock_of(2), Some("child"));
    }

    #[test]
    fn forks_of_forks_have_a_lock_each_and_the_deepest_share_one() {
        let mutex = ProcessMutex::new();
        let deepest = GENERATIONS as u32;
        for pid in 1..deepest + 3 {
            assert_eq!(mutex.lock_of(pid).is_some(), pid > deepest);
            *mutex.lock_of(pid) = Some(pid);
        }
        assert_eq!(*mutex.lock_of(1), Some(1));
        assert_eq!(*mutex.lock_of(deepest), Some(deepest + 2));
    }
}
