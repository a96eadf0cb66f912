//! Event listeners: one or several, whose panics do not reach the transport.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{Event, Note};
use crate::error::Error;

/// Receives the events of a transport. Every method does nothing by default.
///
/// Methods are called in the tasks of the transport, so they must be quick, and possibly from several threads at
/// once. A panic ends that call only.
pub trait EventListener: Send + Sync + 'static {
    /// Whether to receive the events of the request about to start, and of what it causes. Always, by default.
    ///
    /// If no listener is interested, the request costs no more than without listeners.
    fn is_interested(&self) -> bool {
        true
    }

    /// A step started. One of the next three follows, once.
    fn started(&self, event: &Event) {
        let _ = event;
    }

    /// The step succeeded.
    fn completed(&self, event: &Event) {
        let _ = event;
    }

    /// The step failed.
    fn failed(&self, event: &Event, error: &Error) {
        let _ = (event, error);
    }

    /// The step was given up: the request was dropped, the time ran out, or another attempt was quicker.
    fn canceled(&self, event: &Event) {
        let _ = event;
    }

    /// An event without duration occurred.
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

/// One [`EventListener`] or several: the argument of setters, and the extension of a request that is observed by
/// itself.
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
    /// Wraps one listener.
    pub fn new(listener: impl EventListener) -> Self {
        let one: Arc<dyn EventListener> = Arc::new(listener);
        Self { all: Arc::new([one]) }
    }

    /// Adds other listeners after this one. A listener that is in both is called once.
    pub fn and(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        let is_new = |one: &&Arc<dyn EventListener>| !self.all.iter().any(|it| is_same(it, one));
        let more = other.all.iter().filter(is_new);
        Self { all: self.all.iter().chain(more).cloned().collect() }
    }

    /// The interested listeners, if any.
    pub(super) fn interested(self) -> Option<Self> {
        let wants = |one: &Arc<dyn EventListener>| guarded(|| one.is_interested()) == Some(true);
        // Each is asked once: a sampler answers differently each time.
        let Some(first) = self.all.iter().position(|one| !wants(one)) else { return Some(self) };
        let after = self.all[first + 1..].iter().filter(|one| wants(one));
        let all: Arc<[_]> = self.all[..first].iter().chain(after).cloned().collect();
        (!all.is_empty()).then_some(Self { all })
    }

    /// Calls each listener.
    pub(super) fn notify(&self, notify: impl Fn(&dyn EventListener)) {
        for one in self.all.iter() {
            guarded(|| notify(&**one));
        }
    }
}

impl<L: EventListener> From<L> for Listener {
    fn from(listener: L) -> Self {
        Self::new(listener)
    }
}

/// A panic of a listener ends only this call; the panic hook has reported it.
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
