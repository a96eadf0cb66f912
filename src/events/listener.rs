//! Who is told: one listener or several, none of which can take the transport down.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Event, Note};
use crate::error::Error;

/// Is told what a transport is doing. Every method does nothing by default.
///
/// They are called in the tasks of the transport, so they have to be quick, and may be called from several threads at
/// once. A panic in one ends that call and nothing else.
pub trait EventListener: Send + Sync + 'static {
    /// Whether it wants to be told of the request that is about to be made, and of what that causes. By default always.
    ///
    /// If nobody does, the request costs no more than without listeners.
    fn is_interested(&self) -> bool {
        true
    }

    /// Something began. One of the next three follows, once.
    fn started(&self, event: &Event) {
        let _ = event;
    }

    /// It was done.
    fn completed(&self, event: &Event) {
        let _ = event;
    }

    /// It could not be done.
    fn failed(&self, event: &Event, error: &Error) {
        let _ = (event, error);
    }

    /// It was given up: the request was dropped, the time ran out, or another attempt was quicker.
    fn canceled(&self, event: &Event) {
        let _ = event;
    }

    /// Something happened that has no duration.
    fn noted(&self, note: &Note) {
        let _ = note;
    }
}

impl<L: EventListener + ?Sized> EventListener for Arc<L> {
    fn is_interested(&self) -> bool {
        (**self).is_interested()
    }

    fn started(&self, event: &Event) {
        (**self).started(event);
    }

    fn completed(&self, event: &Event) {
        (**self).completed(event);
    }

    fn failed(&self, event: &Event, error: &Error) {
        (**self).failed(event, error);
    }

    fn canceled(&self, event: &Event) {
        (**self).canceled(event);
    }

    fn noted(&self, note: &Note) {
        (**self).noted(note);
    }
}

/// One [`EventListener`] or several: what a setter takes, and as an extension of a request, who is told of that one.
///
/// ```
/// # use tower_transport::{RequestExt, Transport, events::EventListener, options::Listener};
/// # async fn example(ours: impl EventListener, theirs: impl EventListener) {
/// let listener = Listener::new(ours).and(theirs);
/// let response = Transport::new().request("GET", "https://example.com/").extension(listener).await;
/// # }
/// ```
#[derive(Clone)]
pub struct Listener {
    all: Arc<[Arc<dyn EventListener>]>,
}

impl Listener {
    /// This one alone.
    pub fn new(listener: impl EventListener) -> Self {
        let one: Arc<dyn EventListener> = Arc::new(listener);
        Self { all: Arc::new([one]) }
    }

    /// This one and then another. Who is in both is told once.
    pub fn and(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        let is_new = |one: &&Arc<dyn EventListener>| !self.all.iter().any(|it| is_same(it, one));
        let more = other.all.iter().filter(is_new);
        Self { all: self.all.iter().chain(more).cloned().collect() }
    }

    /// Those who want to be told now, if there are any.
    pub(super) fn interested(self) -> Option<Self> {
        let wants = |one: &Arc<dyn EventListener>| guarded(|| one.is_interested()) == Some(true);
        if self.all.iter().all(wants) {
            return Some(self);
        }
        let all: Arc<[_]> = self.all.iter().filter(|one| wants(one)).cloned().collect();
        (!all.is_empty()).then_some(Self { all })
    }

    /// Tells each of them.
    pub(super) fn tell(&self, tell: impl Fn(&dyn EventListener)) {
        for one in self.all.iter() {
            guarded(|| tell(&**one));
        }
    }
}

impl<L: EventListener> From<L> for Listener {
    fn from(listener: L) -> Self {
        Self::new(listener)
    }
}

/// A listener is not ours: its panic ends the call, and the panic hook has told of it.
fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok()
}

fn is_same(one: &Arc<dyn EventListener>, other: &Arc<dyn EventListener>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("listeners", &self.all.len()).finish()
    }
}
