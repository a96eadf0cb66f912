//! One timer for many waits: starting a wait adds a list entry instead of a runtime timer.
//!
//! A connection with a hundred requests would otherwise start and stop a hundred timers that hardly ever fire. Here a
//! task, the keeper, sleeps until the earliest entry and wakes its task.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use super::{DynRuntime, Reactor, RuntimeHandle, RuntimeId, Sleep, Task};
use crate::lock::{self, Mutex, MutexGuard};

/// A runtime whose timers share one.
pub(super) struct SharedTimer {
    alarms: Arc<Alarms>,
}

struct Alarms {
    inner: Arc<dyn DynRuntime>,
    /// The runtime of the keeper.
    home: RuntimeHandle,
    board: Mutex<AlarmBoard>,
}

#[derive(Default)]
struct AlarmBoard {
    entries: Vec<AlarmEntry>,
    /// Indices of free entries.
    free: Vec<usize>,
    /// When the keeper fires next; `None` if there is no keeper.
    next: Option<Instant>,
    /// Wakes the keeper for an earlier time. `None` while it is about to be polled, which looks at the time.
    keeper: Option<Waker>,
}

enum AlarmEntry {
    Free,
    Set { at: Instant, waker: Waker },
    Fired,
}

/// A timer of a [`SharedTimer`].
pub(super) struct Alarm {
    alarms: Arc<Alarms>,
    at: Instant,
    entry: Option<usize>,
    /// A runtime timer, where the keeper may not be driven.
    own: Option<Box<Sleep>>,
}

/// The task that fires alarms. Dropped early, it fires all of them: they continue with timers of their own.
struct AlarmKeeper {
    alarms: Weak<Alarms>,
    /// Until when it sleeps.
    sleep: Option<(Instant, Sleep)>,
    has_ended: bool,
}

impl SharedTimer {
    pub(super) fn new(inner: Arc<dyn DynRuntime>) -> Self {
        let home = inner.current();
        Self { alarms: Arc::new(Alarms { inner, home, board: Mutex::default() }) }
    }
}

impl AlarmBoard {
    /// `None` if the registered waker is another one.
    fn poll_known(&self, entry: usize, cx: &Context<'_>) -> Option<Poll<()>> {
        match &self.entries[entry] {
            AlarmEntry::Set { waker, .. } if waker.will_wake(cx.waker()) => Some(Poll::Pending),
            AlarmEntry::Set { .. } => None,
            AlarmEntry::Fired | AlarmEntry::Free => Some(Poll::Ready(())),
        }
    }
}

impl DynRuntime for SharedTimer {
    fn reactor(&self) -> Reactor {
        self.alarms.inner.reactor()
    }

    fn current(&self) -> RuntimeHandle {
        self.alarms.inner.current()
    }

    fn current_id(&self) -> Option<RuntimeId> {
        self.alarms.inner.current_id()
    }

    fn spawn(&self, task: Task) {
        self.alarms.inner.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        match self.now().checked_add(duration) {
            Some(at) if !duration.is_zero() => {
                let alarms = self.alarms.clone();
                Sleep::shared(Alarm { alarms, at, entry: None, own: None })
            }
            _ => self.alarms.inner.sleep(duration),
        }
    }

    fn now(&self) -> Instant {
        self.alarms.inner.now()
    }
}

impl Alarms {
    /// Adds an entry that wakes this task at that time.
    fn set(self: &Arc<Self>, at: Instant, waker: Waker) -> usize {
        let mut board = self.lock();
        let set = AlarmEntry::Set { at, waker };
        let entry = match board.free.pop() {
            Some(entry) => {
                board.entries[entry] = set;
                entry
            }
            None => {
                board.entries.push(set);
                board.entries.len() - 1
            }
        };
        let before = board.next;
        if before.is_some_and(|next| next <= at) {
            return entry;
        }
        board.next = Some(at);
        let keeper = board.keeper.take();
        drop(board);
        match before {
            None => self.keep(),
            Some(_) => keeper.map(Waker::wake).unwrap_or_default(),
        }
        entry
    }

    fn keep(self: &Arc<Self>) {
        let keeper = AlarmKeeper { alarms: Arc::downgrade(self), sleep: None, has_ended: false };
        if let Err(keeper) = self.home.spawn(Task::new(keeper)) {
            self.inner.spawn(keeper);
        }
    }

    /// Until when the keeper sleeps, unless it is woken for an earlier time.
    fn next(&self, keeper: Waker) -> Option<Instant> {
        let mut board = self.lock();
        let (before, next) = (board.keeper.replace(keeper), board.next);
        drop(board);
        drop(before);
        next
    }

    /// Marks due alarms as fired, or all without `now`. Returns the next time, and what is to be woken.
    fn fire(&self, now: Option<Instant>) -> (Option<Instant>, Vec<AlarmEntry>) {
        let mut fired = Vec::new();
        let mut next: Option<Instant> = None;
        let mut board = self.lock();
        for entry in &mut board.entries {
            let AlarmEntry::Set { at, .. } = *entry else { continue };
            if now.is_none_or(|now| at <= now) {
                fired.push(mem::replace(entry, AlarmEntry::Fired));
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        board.next = next;
        // Without a next time the keeper ends.
        let keeper = if next.is_none() { board.keeper.take() } else { None };
        drop(board);
        drop(keeper);
        (next, fired)
    }

    /// Ready if the entry was fired; registers the waker otherwise.
    fn poll(&self, entry: usize, cx: &Context<'_>) -> Poll<()> {
        if let Some(ready) = self.lock().poll_known(entry, cx) {
            return ready;
        }
        // Wakers are foreign code: cloned and dropped outside of the lock.
        let mut waker = cx.waker().clone();
        match &mut self.lock().entries[entry] {
            AlarmEntry::Set { waker: old, .. } => mem::swap(old, &mut waker),
            AlarmEntry::Fired | AlarmEntry::Free => return Poll::Ready(()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, AlarmBoard> {
        lock::lock(&self.board)
    }
}

impl AlarmEntry {
    fn wake(self) {
        if let Self::Set { waker, .. } = self {
            waker.wake();
        }
    }
}

/// Its keeper ends with it, not only at its time: connections may come and go faster.
impl Drop for Alarms {
    fn drop(&mut self) {
        let keeper = self.lock().keeper.take();
        keeper.map(Waker::wake).unwrap_or_default();
    }
}

impl Alarm {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarms = &self.alarms;
        // In another runtime the keeper may not be driven while this waits.
        if self.own.is_some() || !alarms.home.is_driven_here() {
            return self.poll_own(cx);
        }
        let Some(entry) = self.entry else {
            self.entry = Some(alarms.set(self.at, cx.waker().clone()));
            return Poll::Pending;
        };
        if alarms.inner.now() >= self.at {
            return Poll::Ready(());
        }
        // Fired before its time: the keeper was dropped.
        match alarms.poll(entry, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => self.poll_own(cx),
        }
    }

    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (inner, at) = (&self.alarms.inner, self.at);
        let own = self.own.get_or_insert_with(|| {
            Box::new(inner.sleep(at.saturating_duration_since(inner.now())))
        });
        Pin::new(&mut **own).poll(cx)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(entry) = self.entry else { return };
        let mut board = self.alarms.lock();
        let freed = mem::replace(&mut board.entries[entry], AlarmEntry::Free);
        board.free.push(entry);
        drop(board);
        drop(freed);
    }
}

impl Future for AlarmKeeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while !this.has_ended {
            let Some(alarms) = this.alarms.upgrade() else { break };
            let Some(next) = alarms.next(cx.waker().clone()) else { break };
            let (_, sleep) = match &mut this.sleep {
                Some(known) if known.0 == next => known,
                other => {
                    let left = next.saturating_duration_since(alarms.inner.now());
                    other.insert((next, alarms.inner.sleep(left)))
                }
            };
            ready!(Pin::new(sleep).poll(cx));
            this.sleep = None;
            let (next, fired) = alarms.fire(Some(alarms.inner.now()));
            // Before the wakes: once there is no next time, another wait starts another keeper.
            this.has_ended = next.is_none();
            fired.into_iter().for_each(AlarmEntry::wake);
        }
        this.has_ended = true;
        Poll::Ready(())
    }
}

impl Drop for AlarmKeeper {
    fn drop(&mut self) {
        if !self.has_ended
            && let Some(alarms) = self.alarms.upgrade()
        {
            let (_, fired) = alarms.fire(None);
            fired.into_iter().for_each(AlarmEntry::wake);
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "tokio"))]
mod tests;
