//! One limit for several pools: that of requests, and those that keep the connections which carry its own.
//!
//! A connection through an HTTP proxy has a slot in the pool of requests, and runs inside a connection to the proxy, which
//! another pool keeps. While that one carries something, it is counted by what it carries; while it carries nothing, it
//! counts by itself. One that becomes idle is counted before what it has carried is not any more, and the other way round
//! at the start. So the pools never count less than is open.
//!
//! No pool asks the others before it dials, because it cannot know whether a dial opens anything: a tunnel may run inside
//! a connection that is idle now, and must not be evicted for it. Whoever connects, and has a slot for it already, waits
//! for [`room`](Budget::room): what is idle is closed for it, whichever pool keeps it. That is waited for before anything
//! is opened; a tunnel inside what is open already waits for it afterwards, so what it runs in is not idle any more.

use std::{
    cmp::Ordering,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use super::{Limits, member::Member, state::Counts};
use crate::lock;

/// What pools may have open together.
pub(crate) struct Budget {
    limit: usize,
    max_idle: usize,
    /// Sums over all pools. Each pool changes them under its own lock, in the order of its events.
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

    /// All pools that share it, but for one.
    pub(super) fn others(&self, number: u32) -> Vec<Arc<dyn Member>> {
        let mut pools = self.pools();
        pools.retain(|pool| pool.number() != number);
        pools
    }

    /// Waits until there is room for one more connection, whose slot is counted already.
    ///
    /// # Cancellation
    ///
    /// What was closed for it stays closed.
    pub(crate) async fn room(&self) {
        self.until(|| self.makes_room()).await;
    }

    /// Waits until all of these pools are closed.
    pub(super) async fn closed(&self, pools: &[Arc<dyn Member>]) {
        self.until(|| pools.iter().all(|pool| pool.is_closed())).await;
    }

    /// A pool says, under its lock, what has become of its counts.
    pub(super) fn record(&self, before: &Counts, after: &Counts) {
        let sums = [&self.counted, &self.idle, &self.leaving];
        let counts = |of: &Counts| [of.counted, of.idle, of.leaving];
        for ((sum, before), after) in sums.into_iter().zip(counts(before)).zip(counts(after)) {
            match after >= before {
                true if after == before => 0,
                true => sum.fetch_add(after - before, SeqCst),
                false => sum.fetch_sub(before - after, SeqCst),
            };
        }
    }

    /// The same of a pool of which nothing but the number of its idle connections has changed, all of which count.
    pub(super) fn record_idle(&self, before: usize, after: usize) {
        match after.cmp(&before) {
            Ordering::Equal => 0,
            Ordering::Greater => self.idle.fetch_add(after - before, SeqCst),
            Ordering::Less => self.idle.fetch_sub(before - after, SeqCst),
        };
    }

    /// Wakes those who wait for a change, after it was recorded.
    pub(super) fn wake(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// Closes idle connections beyond their limit, which each pool by itself keeps to already.
    pub(super) fn trim(&self) {
        while self.idle.load(SeqCst) > self.max_idle && self.evict_longest_idle() {}
    }

    /// Whether there is room; closes what is idle where there is not, unless enough is being closed already.
    pub(crate) fn makes_room(&self) -> bool {
        let excess = || self.counted.load(SeqCst).saturating_sub(self.limit);
        while excess() > self.leaving.load(SeqCst) && self.evict_longest_idle() {}
        excess() == 0
    }

    fn evict_longest_idle(&self) -> bool {
        let pools = self.pools().into_iter();
        let idle = pools.filter_map(|pool| Some((pool.idle_since()?, pool)));
        let longest = idle.min_by_key(|(since, _)| *since);
        longest.inspect(|(_, pool)| pool.evict_longest_idle()).is_some()
    }

    async fn until(&self, mut is_so: impl FnMut() -> bool) {
        let _waiting = Waiting::new(&self.waiting);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
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

/// A task that waits, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
