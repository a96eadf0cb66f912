//! The kit of bytes without a runtime: a stream that plays a script, and tasks that run only when the test polls them. There is
//! no clock, and the order is the same every time.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};

// The type of this crate, or the same where a fuzz target includes this file.
use super::Task;

/// The peer: the pieces it sends, and the bytes it has received. It sends nothing before a complete request.
#[derive(Clone, Default)]
pub(crate) struct Script {
    pub(super) state: Arc<Mutex<ScriptState>>,
}

#[derive(Default)]
pub(super) struct ScriptState {
    pub(super) says: VecDeque<Bytes>,
    /// It closes after the last piece.
    pub(super) ends: bool,
    /// How a request has to end before it sends anything.
    after: Option<&'static [u8]>,
    /// The same for what follows the first piece.
    after_first: Option<&'static [u8]>,
    heard: Vec<u8>,
    /// The most bytes it takes.
    pub(super) room: Option<usize>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    pub(super) has_paused: bool,
    pub(super) holds_flushes: bool,
}

impl Script {
    /// Sends these pieces, each in a read of its own, after a request that ends so.
    #[allow(dead_code, reason = "only some that include this file use it")]
    pub(crate) fn new(after: &'static [u8], pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        let script = Self::default();
        let mut state = script.state.lock().unwrap();
        state.says =
            pieces.into_iter().map(|piece| Bytes::copy_from_slice(piece.as_ref())).collect();
        state.after = Some(after);
        drop(state);
        script
    }

    /// Sends what follows the first piece only after a request that ends so.
    #[allow(dead_code, reason = "only some that include this file use it")]
    pub(crate) fn that_waits_again(self, after: &'static [u8]) -> Self {
        self.change(|state| state.after_first = Some(after));
        self
    }

    #[allow(dead_code, reason = "only some that include this file use it")]
    pub(crate) fn hang_up(&self) {
        self.change(|state| state.ends = true);
    }

    #[allow(dead_code, reason = "only some that include this file use it")]
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.state.lock().unwrap().heard.clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut ScriptState)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Read for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        let state = &mut *state;
        let has_heard = state.after.is_none_or(|end| state.heard.ends_with(end));
        // Pending between two pieces, so that each is a turn of its own.
        if has_heard && !state.says.is_empty() && !std::mem::replace(&mut state.has_paused, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match state.says.front_mut() {
            Some(piece) if has_heard => {
                let length = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece.split_to(length));
                if piece.is_empty() {
                    state.says.pop_front();
                    (state.has_paused, state.after) = (false, state.after_first.take());
                }
                Poll::Ready(Ok(()))
            }
            None if has_heard && state.ends => Poll::Ready(Ok(())),
            _ => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Write for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap();
        let taken = state.room.unwrap_or(usize::MAX).min(bytes.len());
        if taken == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(room) = &mut state.room {
            *room -= taken;
        }
        state.heard.extend_from_slice(&bytes[..taken]);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.lock().unwrap();
        if state.holds_flushes {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Tasks that the test polls.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tasks: Arc<Mutex<Vec<Task>>>,
}

impl Tasks {
    /// Polls each task once.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.retain_mut(|task| Pin::new(task).poll(cx).is_pending());
        self.tasks.lock().unwrap().extend(tasks);
    }

    /// Drops all tasks, as a runtime that ends does.
    pub(crate) fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        drop(tasks);
    }

    /// Number of running tasks.
    #[allow(dead_code, reason = "only some that include this file use it")]
    pub(crate) fn left(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }
}

impl Executor<Task> for Tasks {
    fn execute(&self, task: Task) {
        self.tasks.lock().unwrap().push(task);
    }
}

/// A clock that stands still.
pub(crate) struct NoTimer;

impl Timer for NoTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }
}

struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls while woken. `None` if it waits for something that never comes.
pub(crate) fn run<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    // A loop that wakes itself for ever is a fault as well.
    for _ in 0..1_000_000 {
        if let Poll::Ready(ready) = poll(&mut Context::from_waker(&waker)) {
            return Some(ready);
        }
        if !flag.0.swap(false, Ordering::SeqCst) {
            return None;
        }
    }
    panic!("it is woken for ever");
}
