//! One connection limit for several pools: the pool of requests, and the pools of proxy connections that carry it.
//!
//! A connection through an HTTP proxy has a slot in the pool of requests, and runs inside a proxy connection of another
//! pool. A proxy connection that carries something is counted by what it carries; otherwise it counts itself. When it
//! becomes idle it is counted before its last tunnel is uncounted, and at the start the other way round, so that the
//! sum is never less than what is open. In between, on its way to a request that has waited for it, it is counted as
//! well: that request may be dropped before it arrives.
//!
//! No pool asks the others before it dials, because it cannot know whether the dial opens a socket: a tunnel may run
//! inside a proxy connection that is idle now and must not be evicted for it. A connector that holds a slot already waits
//! for [`room`](Budget::room), which closes idle connections of any member. It waits before it opens a socket; a tunnel
//! inside an open connection waits afterwards, when that connection is no longer idle.

use std::{
    cmp::Ordering,
    sync::{Arc, Weak},
};

use tokio::sync::Notify;

use crate::lock::{
    self, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::{
    Limits,
    member::Member,
    state::{ConnCounts, IdleKind},
};

/// The limit on what several pools have open together.
pub(crate) struct Budget {
    limit: usize,
    max_idle: usize,
    /// Sums over all pools. Each pool updates them under its own lock, in the order of its events.
    counted: AtomicUsize,
    idle: AtomicUsize,
    leaving: AtomicUsize,
    /// Tasks that wait for a change.
    waiting: AtomicUsize,
    changed: Notify,
    pools: Mutex<Vec<Weak<dyn Member>>>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            limit: limits.connections,
            max_idle: limits.idle,
            counted: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
            pools: Mutex::default(),
        })
    }

    pub(super) fn join(&self, pool: Weak<dyn Member>) {
        let mut pools = self.lock();
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(pool);
    }

    /// All member pools except this one.
    pub(super) fn others(&self, number: u32) -> Vec<Arc<dyn Member>> {
        let mut pools = self.pools();
        pools.retain(|pool| pool.number() != number);
        pools
    }

    /// Waits until there is room for one more connection, whose slot is already counted.
    ///
    /// # Cancellation
    ///
    /// Connections closed for it stay closed.
    pub(crate) async fn room(&self) {
        self.until(|| self.make_room_if_full()).await;
    }

    /// Waits until all of these pools are closed.
    pub(super) async fn closed(&self, pools: &[Arc<dyn Member>]) {
        self.until(|| pools.iter().all(|pool| pool.is_closed())).await;
    }

    /// Adds the change of a pool's counts. Called under that pool's lock.
    pub(super) fn record(&self, before: &ConnCounts, after: &ConnCounts) {
        let sums = [&self.counted, &self.idle, &self.leaving];
        let counts = |of: &ConnCounts| [of.counted, of.idle, of.leaving];
        for ((sum, before), after) in sums.into_iter().zip(counts(before)).zip(counts(after)) {
            match after >= before {
                true if after == before => 0,
                true => sum.fetch_add(after - before, SeqCst),
                false => sum.fetch_sub(before - after, SeqCst),
            };
        }
    }

    /// Like `record`, for a pool where only the number of idle connections changed, all of which count.
    pub(super) fn record_idle(&self, before: usize, after: usize) {
        match after.cmp(&before) {
            Ordering::Equal => 0,
            Ordering::Greater => self.idle.fetch_add(after - before, SeqCst),
            Ordering::Less => self.idle.fetch_sub(before - after, SeqCst),
        };
    }

    /// Counts connections that were given to waiting requests, until they have arrived. Called like `record`, and before
    /// it.
    pub(super) fn hand_over(self: &Arc<Self>, connections: usize) -> HandOver {
        // As leaving first: nothing is evicted for what is counted twice.
        self.leaving.fetch_add(connections, SeqCst);
        self.counted.fetch_add(connections, SeqCst);
        HandOver { budget: self.clone(), connections }
    }

    /// Wakes the waiting tasks. Call it after `record`: a task that checks earlier would miss the change.
    pub(super) fn wake(&self) {
        // A task adds itself to `waiting`, then reads the counts; a pool changes the counts, then
        // reads `waiting`: one of them sees the other.
        if self.waiting.load(SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Closes idle connections beyond the common limit; each pool enforces its own already.
    pub(super) fn trim(&self) {
        while self.idle.load(SeqCst) > self.max_idle && self.evict_longest_idle(IdleKind::Needless)
        {
        }
    }

    /// Whether there is room. If not, closes idle connections, unless enough are closing already.
    pub(crate) fn make_room_if_full(&self) -> bool {
        // The sums are read one after the other: at worst idle connections are evicted needlessly.
        let excess = || self.counted.load(SeqCst).saturating_sub(self.limit);
        // Closing connections count until they are closed, so they are subtracted from what has to be evicted.
        while excess() > self.leaving.load(SeqCst) && self.evict_longest_idle(IdleKind::Any) {}
        excess() == 0
    }

    fn evict_longest_idle(&self, which: IdleKind) -> bool {
        // A copy: no pool is locked under the lock of the list. Until its turn a pool may have
        // reused that connection: it evicts another one then, or none.
        let pools = self.pools().into_iter();
        let idle = pools.filter_map(|pool| Some((pool.idle_since(which)?, pool)));
        let longest = idle.min_by_key(|(since, _)| *since);
        longest.inspect(|(_, pool)| pool.evict_longest_idle(which)).is_some()
    }

    async fn until(&self, mut is_so: impl FnMut() -> bool) {
        let _waiting = WaitingTask::new(&self.waiting);
        loop {
            // Created before the check: it receives each notification from then on.
            let changed = self.changed.notified();
            if is_so() {
                return;
            }
            changed.await;
        }
    }

    fn pools(&self) -> Vec<Arc<dyn Member>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Member>>> {
        lock::lock(&self.pools)
    }
}

/// Counts connections while they are on their way to requests.
pub(super) struct HandOver {
    budget: Arc<Budget>,
    connections: usize,
}

impl Drop for HandOver {
    fn drop(&mut self) {
        // `leaving` last, so that in between nothing is evicted for these.
        self.budget.counted.fetch_sub(self.connections, SeqCst);
        self.budget.leaving.fetch_sub(self.connections, SeqCst);
        self.budget.wake();
    }
}

/// Counts a waiting task while it lives.
struct WaitingTask<'a>(&'a AtomicUsize);

impl<'a> WaitingTask<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for WaitingTask<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests;
