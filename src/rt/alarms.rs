//! One timer for many waits: to begin one is an entry in a list, not a timer of the runtime.
//!
//! A connection with a hundred requests would otherwise start and stop as many timers that hardly ever ring. Here a task,
//! the keeper, sleeps until the earliest of the entries and wakes whoever set it.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use super::{Ground, RuntimeHandle, Sleep, Task};
use crate::lock;

/// A runtime whose timers share one.
pub(super) struct SharedTimer {
    alarms: Arc<Alarms>,
}

struct Alarms {
    ground: Arc<dyn Ground>,
    /// Where the keeper runs.
    home: RuntimeHandle,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    entries: Vec<Entry>,
    /// The entries that are free.
    free: Vec<usize>,
    /// When the keeper rings next, if there is one.
    next: Option<Instant>,
}

enum Entry {
    Free,
    Set { at: Instant, waker: Waker },
    Rung,
}

/// A timer of a [`SharedTimer`].
pub(super) struct Alarm {
    alarms: Arc<Alarms>,
    at: Instant,
    entry: Option<usize>,
    /// A timer of its own, where the keeper cannot be relied on.
    own: Option<Box<Sleep>>,
}

/// The task that rings. One that is dropped before rings for all: they go on without it.
struct Keeper {
    alarms: Weak<Alarms>,
    at: Instant,
    sleep: Sleep,
    has_ended: bool,
}

impl SharedTimer {
    pub(super) fn new(ground: Arc<dyn Ground>) -> Self {
        let home = ground.current();
        Self { alarms: Arc::new(Alarms { ground, home, board: Mutex::default() }) }
    }
}

impl Board {
    /// `None` if another task than this would be woken.
    fn poll_known(&self, entry: usize, cx: &Context<'_>) -> Option<Poll<()>> {
        match &self.entries[entry] {
            Entry::Set { waker, .. } if waker.will_wake(cx.waker()) => Some(Poll::Pending),
            Entry::Set { .. } => None,
            Entry::Rung | Entry::Free => Some(Poll::Ready(())),
        }
    }
}

impl Ground for SharedTimer {
    fn current(&self) -> RuntimeHandle {
        self.alarms.ground.current()
    }

    fn spawn(&self, task: Task) {
        self.alarms.ground.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        match self.now().checked_add(duration) {
            Some(at) if !duration.is_zero() => {
                let alarms = self.alarms.clone();
                Sleep::shared(Alarm { alarms, at, entry: None, own: None })
            }
            _ => self.alarms.ground.sleep(duration),
        }
    }

    fn now(&self) -> Instant {
        self.alarms.ground.now()
    }
}

impl Alarms {
    /// Wakes this task at that time.
    fn set(self: &Arc<Self>, at: Instant, waker: Waker) -> usize {
        let mut board = self.lock();
        let set = Entry::Set { at, waker };
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
        let is_next = board.next.is_none_or(|next| at < next);
        if is_next {
            board.next = Some(at);
        }
        drop(board);
        if is_next {
            self.keep(at);
        }
        entry
    }

    fn keep(self: &Arc<Self>, at: Instant) {
        let sleep = self.ground.sleep(at.saturating_duration_since(self.ground.now()));
        let keeper = Keeper { alarms: Arc::downgrade(self), at, sleep, has_ended: false };
        if let Err(keeper) = self.home.spawn(Task::new(keeper)) {
            self.ground.spawn(keeper);
        }
    }

    /// Rings for those whose time has come, or for all, and says when it is to ring next. A keeper that was overtaken by
    /// an earlier one has nothing to do any more.
    fn ring(&self, at: Instant, now: Option<Instant>) -> Option<Instant> {
        let mut rung = Vec::new();
        let mut board = self.lock();
        if board.next != Some(at) {
            return None;
        }
        let mut next: Option<Instant> = None;
        for entry in &mut board.entries {
            let Entry::Set { at, .. } = *entry else { continue };
            if now.is_none_or(|now| at <= now) {
                rung.push(mem::replace(entry, Entry::Rung));
            } else {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        board.next = next;
        drop(board);
        for entry in rung {
            if let Entry::Set { waker, .. } = entry {
                waker.wake();
            }
        }
        next
    }

    /// Whether an entry was rung; if not, this task is woken from now on.
    fn poll(&self, entry: usize, cx: &Context<'_>) -> Poll<()> {
        if let Some(ready) = self.lock().poll_known(entry, cx) {
            return ready;
        }
        // Wakers are cloned and dropped outside of the lock.
        let mut waker = cx.waker().clone();
        match &mut self.lock().entries[entry] {
            Entry::Set { waker: old, .. } => mem::swap(old, &mut waker),
            Entry::Rung | Entry::Free => return Poll::Ready(()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        lock::lock(&self.board)
    }
}

impl Alarm {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let alarms = &self.alarms;
        // Elsewhere, nobody may drive the keeper while this waits.
        if self.own.is_some() || !alarms.home.is_driven_here() {
            return self.poll_own(cx);
        }
        let Some(entry) = self.entry else {
            self.entry = Some(alarms.set(self.at, cx.waker().clone()));
            return Poll::Pending;
        };
        if alarms.ground.now() >= self.at {
            return Poll::Ready(());
        }
        // An entry that rang too early has lost its keeper.
        match alarms.poll(entry, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => self.poll_own(cx),
        }
    }

    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (ground, at) = (&self.alarms.ground, self.at);
        let own = self.own.get_or_insert_with(|| {
            Box::new(ground.sleep(at.saturating_duration_since(ground.now())))
        });
        Pin::new(&mut **own).poll(cx)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(entry) = self.entry else { return };
        let mut board = self.alarms.lock();
        let freed = mem::replace(&mut board.entries[entry], Entry::Free);
        board.free.push(entry);
        drop(board);
        drop(freed);
    }
}

impl Future for Keeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            ready!(Pin::new(&mut this.sleep).poll(cx));
            let Some(alarms) = this.alarms.upgrade() else { break };
            let now = alarms.ground.now();
            let Some(next) = alarms.ring(this.at, Some(now)) else { break };
            this.at = next;
            this.sleep = alarms.ground.sleep(next.saturating_duration_since(now));
        }
        this.has_ended = true;
        Poll::Ready(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !self.has_ended
            && let Some(alarms) = self.alarms.upgrade()
        {
            alarms.ring(self.at, None);
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
