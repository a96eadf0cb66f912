//! A server that says what it was given, and a runtime without time, for fuzz targets.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::rt::{Executor, Read, ReadBufCursor, Sleep, Timer, Write};
use tower_transport::rt::Task;

/// What the server says, once it has heard a request.
#[derive(Default)]
pub struct Script {
    says: VecDeque<Bytes>,
    ends: bool,
    has_heard: bool,
    has_paused: bool,
    reader: Option<Waker>,
    heard: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Script {
    /// The server hears all, and says nothing.
    #[allow(dead_code, reason = "most targets have a server that speaks")]
    pub fn silent(heard: Arc<Mutex<Vec<u8>>>) -> Self {
        Self { heard: Some(heard), ..Self::default() }
    }

    /// The server says all of it once it has heard the head of a request.
    #[allow(dead_code, reason = "not each target waits for one")]
    pub fn after_a_head(says: VecDeque<Bytes>, ends: bool) -> Self {
        Self { says, ends, ..Self::default() }
    }

    /// The server speaks first.
    #[allow(dead_code, reason = "not each target has such a server")]
    pub fn at_once(says: VecDeque<Bytes>, ends: bool) -> Self {
        Self { says, ends, has_heard: true, ..Self::default() }
    }
}

impl Read for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.says.front_mut() {
            Some(_) if this.has_heard && !this.has_paused => {
                this.has_paused = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(piece) if this.has_heard => {
                let length = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece.split_to(length));
                if piece.is_empty() {
                    this.says.pop_front();
                    this.has_paused = false;
                }
                Poll::Ready(Ok(()))
            }
            None if this.has_heard && this.ends => Poll::Ready(Ok(())),
            _ => {
                this.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Write for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.has_heard |= bytes.ends_with(b"\r\n\r\n");
        if let Some(heard) = &self.heard {
            heard.lock().unwrap().extend_from_slice(bytes);
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Tasks, polled whenever the client is.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Mutex<Vec<Task>>>);

impl Tasks {
    pub fn poll(&self, cx: &mut Context<'_>) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap());
        tasks.retain_mut(|task| pin!(task).poll(cx).is_pending());
        self.0.lock().unwrap().extend(tasks);
    }
}

impl Executor<Task> for Tasks {
    fn execute(&self, task: Task) {
        self.0.lock().unwrap().push(task);
    }
}

/// No limit ever ends.
pub struct NoTimer;

struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Never {}

impl Timer for NoTimer {
    fn sleep(&self, _duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Never)
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls while it is woken. `None` says that it waits for something that never comes.
pub fn run<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let flag = Arc::new(Flag::default());
    let waker = Waker::from(flag.clone());
    for _ in 0..100_000 {
        if let Poll::Ready(ready) = poll(&mut Context::from_waker(&waker)) {
            return Some(ready);
        }
        if !flag.0.swap(false, Ordering::SeqCst) {
            return None;
        }
    }
    panic!("it is woken for ever");
}
