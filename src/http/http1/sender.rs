//! What gives requests to a connection's task, and ends with it.
//!
//! hyper queues a request for the task. One that is queued on another thread just as the task ends may be left in the
//! queue, neither sent nor given back, until the last who could queue another is gone (hyperium/hyper#4122). That would be
//! whoever waits for its answer: for ever. So here it is the task, with its end.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::client::conn::http1::SendRequest;
use pin_project_lite::pin_project;

use super::watched::Watched;

/// The one who sends requests on a connection.
pub(super) struct Sender<B> {
    slot: Arc<Slot<B>>,
}

/// Held by the connection's task: the sender goes with it.
pub(super) struct TaskEnd<B> {
    slot: Arc<Slot<B>>,
    is_over: bool,
    /// Set if the task is dropped before the connection is over.
    is_dropped: Arc<AtomicBool>,
}

pin_project! {
    /// The connection's task. At its end the sender goes first: whoever learns of the end by an answer that never comes
    /// knows then what it was.
    pub(super) struct Driven<F, B> {
        end: TaskEnd<B>,
        #[pin]
        connection: F,
    }
}

struct Slot<B> {
    state: Mutex<State<B>>,
}

enum State<B> {
    Here(SendRequest<Watched<B>>),
    /// Taken out for a moment, because it wakes others, and not under the lock.
    InUse,
    Ended,
}

impl<B> Sender<B> {
    pub(super) fn new(
        sender: SendRequest<Watched<B>>,
        is_dropped: Arc<AtomicBool>,
    ) -> (Self, TaskEnd<B>) {
        let slot = Arc::new(Slot { state: Mutex::new(State::Here(sender)) });
        (Self { slot: slot.clone() }, TaskEnd { slot, is_over: false, is_dropped })
    }

    /// Has hyper's sender do something with `what`, which is given back if the task has ended.
    pub(super) fn lend<T, U>(
        &mut self,
        what: T,
        using: impl FnOnce(&mut SendRequest<Watched<B>>, T) -> U,
    ) -> Result<U, T> {
        let Some(mut sender) = self.slot.take() else { return Err(what) };
        let used = using(&mut sender, what);
        let ended = self.slot.put_back(sender);
        drop(ended);
        Ok(used)
    }

    /// Whether it may be asked to send now.
    pub(super) fn is_ready(&self) -> bool {
        matches!(&*self.slot.lock(), State::Here(sender) if sender.is_ready())
    }

    /// Whether the connection has ended, or takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        !matches!(&*self.slot.lock(), State::Here(sender) if !sender.is_closed())
    }
}

impl<B> TaskEnd<B> {
    /// Runs the connection to its end.
    pub(super) fn of<F: Future>(self, connection: F) -> Driven<F, B> {
        Driven { end: self, connection }
    }
}

impl<F: Future, B> Future for Driven<F, B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ready!(this.connection.poll(cx));
        this.end.is_over = true;
        Poll::Ready(())
    }
}

impl<B> Drop for Sender<B> {
    fn drop(&mut self) {
        self.slot.end();
    }
}

impl<B> Drop for TaskEnd<B> {
    fn drop(&mut self) {
        self.is_dropped.store(!self.is_over, Ordering::Release);
        self.slot.end();
    }
}

impl<B> Slot<B> {
    fn end(&self) {
        let ended = std::mem::replace(&mut *self.lock(), State::Ended);
        drop(ended);
    }

    fn take(&self) -> Option<SendRequest<Watched<B>>> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::InUse) {
            State::Here(sender) => Some(sender),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The sender again, if the task has ended meanwhile: whatever is left in the queue goes with it.
    fn put_back(&self, sender: SendRequest<Watched<B>>) -> Option<SendRequest<Watched<B>>> {
        match &mut *self.lock() {
            State::Ended => Some(sender),
            state => {
                *state = State::Here(sender);
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
