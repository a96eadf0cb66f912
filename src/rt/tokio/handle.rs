//! Tells tokio runtimes apart, and notices when one ends.

use std::{
    cell::Cell,
    collections::HashMap,
    fmt,
    future::pending,
    hash::{Hash, Hasher},
    sync::{
        Arc, RwLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::runtime::{Handle, Id, RuntimeFlavor};

use super::timer::TimerCache;
use crate::{
    lock,
    rt::{Task, process::ProcessMutex},
};

/// One tokio runtime while it runs. The default is none, or the only one of a given executor.
#[derive(Clone, Default)]
pub(crate) struct RuntimeHandle {
    entry: Option<Arc<RuntimeEntry>>,
}

/// Identifies a runtime without keeping anything of it alive. The default is that of the default handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RuntimeId {
    id: Option<Id>,
}

struct RuntimeEntry {
    id: Id,
    /// Its own threads drive it; no thread has to block on it.
    drives_itself: bool,
    has_ended: AtomicBool,
    /// `None` once the runtime has ended: a longer-lived handle would keep file descriptors open.
    ///
    /// Read-locked while a timer of the runtime is polled. The runtime drops its tasks, [`EndGuard`] among them, before it
    /// stops its timers, and a timer that is polled later panics. No lock is held while spawning.
    handle: RwLock<Option<Handle>>,
    timers: TimerCache,
}

/// Held by a task of the runtime, and dropped when that ends.
struct EndGuard {
    entry: Arc<RuntimeEntry>,
}

/// All runtimes that were seen and still run.
static SEEN: ProcessMutex<HashMap<Id, Weak<RuntimeEntry>>> = ProcessMutex::new();

thread_local! {
    /// The last runtime of this thread, a cache.
    static LAST: Cell<Option<Arc<RuntimeEntry>>> = const { Cell::new(None) };
}

impl RuntimeHandle {
    /// The runtime in which this is called.
    pub(super) fn here() -> Option<Self> {
        let handle = Handle::try_current().ok()?;
        let last = LAST.try_with(Cell::take).ok().flatten();
        let entry = match last.filter(|last| last.id == handle.id()) {
            Some(last) => last,
            None => RuntimeEntry::of(handle),
        };
        // `Err` means that the thread is ending.
        let _ = LAST.try_with(|last| last.set(Some(entry.clone())));
        Some(Self { entry: Some(entry) })
    }

    pub(crate) fn id(&self) -> RuntimeId {
        RuntimeId { id: self.entry.as_ref().map(|entry| entry.id) }
    }

    /// Spawns a task on it, or returns the task if this is the default.
    pub(in crate::rt) fn spawn(&self, task: Task) -> Result<(), Task> {
        let Some(entry) = &self.entry else { return Err(task) };
        match entry.handle() {
            Some(handle) => drop(handle.spawn(task)),
            None => drop(task),
        }
        Ok(())
    }

    /// Uses the handle while the runtime runs; `None` if it has ended.
    pub(super) fn while_running<T>(&self, act: impl FnOnce(&Handle) -> T) -> Option<T> {
        let entry = self.entry.as_ref()?;
        let handle = lock::read(&entry.handle);
        handle.as_ref().map(act)
    }

    /// Whether this is called in it.
    pub(super) fn is_here(&self) -> bool {
        let is_it = |here: Handle| self.entry.as_ref().is_some_and(|entry| entry.id == here.id());
        Handle::try_current().is_ok_and(is_it)
    }

    /// Timers for reuse.
    pub(super) fn timer_cache(&self) -> Option<&TimerCache> {
        self.entry.as_ref().map(|entry| &entry.timers)
    }

    /// Whether its tasks may wait for a thread to drive it: it is not the current one and does not drive itself.
    pub(crate) fn is_foreign(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| !entry.drives_itself)
            && Self::here().as_ref() != Some(self)
    }

    /// Whether its tasks run while something is awaited here: it drives itself, or is the current one.
    pub(in crate::rt) fn is_driven_here(&self) -> bool {
        let Some(entry) = &self.entry else { return true };
        !entry.has_ended.load(Ordering::Acquire) && (entry.drives_itself || self.is_here())
    }

    pub(in crate::rt) fn drives_itself(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.drives_itself)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| entry.has_ended.load(Ordering::Acquire))
    }

    pub(super) fn is_none(&self) -> bool {
        self.entry.is_none()
    }
}

impl RuntimeId {
    /// The runtime in which this is called.
    pub(super) fn here() -> Option<Self> {
        Handle::try_current().ok().map(|handle| Self { id: Some(handle.id()) })
    }
}

impl RuntimeEntry {
    /// The only entry of a runtime.
    fn of(handle: Handle) -> Arc<Self> {
        let mut locked = SEEN.lock();
        let seen = locked.get_or_insert_default();
        let known = seen.get(&handle.id()).and_then(Weak::upgrade);
        if let Some(known) = known {
            return known;
        }
        let entry = Arc::new(Self {
            id: handle.id(),
            drives_itself: handle.runtime_flavor() != RuntimeFlavor::CurrentThread,
            has_ended: AtomicBool::new(false),
            handle: RwLock::new(Some(handle.clone())),
            timers: TimerCache::default(),
        });
        seen.insert(entry.id, Arc::downgrade(&entry));
        drop(locked);
        let guard = EndGuard { entry: entry.clone() };
        // A runtime that has ended drops the task, and so the guard, at once.
        drop(handle.spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        entry
    }

    fn handle(&self) -> Option<Handle> {
        lock::read(&self.handle).clone()
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        let entry = &self.entry;
        entry.has_ended.store(true, Ordering::Release);
        let handle = lock::write(&entry.handle).take();
        drop(handle);
        entry.timers.clear();
        let mut locked = SEEN.lock();
        let seen = locked.get_or_insert_default();
        if seen.get(&entry.id).is_some_and(|known| known.as_ptr() == Arc::as_ptr(entry)) {
            seen.remove(&entry.id);
        }
    }
}

impl PartialEq for RuntimeHandle {
    fn eq(&self, other: &Self) -> bool {
        match (&self.entry, &other.entry) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for RuntimeHandle {}

impl Hash for RuntimeHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entry.as_ref().map(|entry| entry.id).hash(state);
    }
}

impl fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.entry.as_ref().map(|entry| entry.id);
        f.debug_tuple("RuntimeHandle").field(&id).finish()
    }
}
