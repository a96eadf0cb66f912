//! Bytes: what a connection is made of before it speaks HTTP.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes in both directions: an alias for hyper's [`Read`] and [`Write`], never implemented by hand.
pub trait Io: Read + Write + Unpin + Send + 'static {}

impl<T: Read + Write + Unpin + Send + 'static> Io for T {}

/// Implements hyper's [`Read`] for a type by the stream inside it, which each of the patterns binds to the name.
macro_rules! delegate_read {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Read for $type {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buffer: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_read(cx, buffer)),+
                }
            }
        }
    };
}

/// As [`delegate_read`], but [`Write`]; what can write slices together still does.
macro_rules! delegate_write {
    ([$($bounds:tt)*] $type:ty, $io:ident in $($pattern:pat),+) => {
        impl<$($bounds)*> hyper::rt::Write for $type {
            fn poll_write(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_write(cx, bytes)),+
                }
            }

            fn poll_flush(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_flush(cx)),+
                }
            }

            fn poll_shutdown(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_shutdown(cx)),+
                }
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $($pattern => $io.is_write_vectored()),+
                }
            }

            fn poll_write_vectored(
                mut self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                slices: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                match &mut *self {
                    $($pattern => std::pin::Pin::new($io).poll_write_vectored(cx, slices)),+
                }
            }
        }
    };
}

pub(crate) use {delegate_read, delegate_write};

/// Asks a socket to look at what the kernel has, not at what the runtime last heard of it.
///
/// A runtime reports a socket readable only after its reactor has turned. Between the end of one response and the
/// next request on the same connection a busy task may not let it, and then an answer nobody asked for, or the end of
/// the stream, is not seen. A connector that can read past the runtime's memory shares a `Recheck` between its stream
/// and its [`ConnectInfo`](crate::connect::ConnectInfo): an HTTP/1.1 or HTTP/2 connection that is about to be used
/// again calls [`request`](Self::request), and the stream's next `poll_read`, if [`take`](Self::take) says so, asks
/// the kernel first.
#[derive(Clone, Debug, Default)]
pub struct Recheck {
    wanted: Arc<Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    by_the_next_read: AtomicBool,
    before_a_write: AtomicBool,
}

impl Recheck {
    /// A recheck that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a look at the kernel with the next read.
    pub fn request(&self) {
        self.wanted.by_the_next_read.store(true, Ordering::Release);
    }

    /// Asks for it, and that nothing is written before, where what comes unasked is nobody's: for HTTP/1.1. The task that
    /// reads and writes may, on another thread, be past its read already.
    pub fn request_before_writing(&self) {
        self.wanted.before_a_write.store(true, Ordering::Release);
        self.request();
    }

    /// Whether a look was asked for since the last time; for a read.
    pub fn take(&self) -> bool {
        if !take(&self.wanted.by_the_next_read) {
            return false;
        }
        take(&self.wanted.before_a_write);
        true
    }

    /// Whether a look was asked for that no read has taken; for a write.
    pub fn take_before_writing(&self) -> bool {
        take(&self.wanted.before_a_write)
    }
}

fn take(wanted: &AtomicBool) -> bool {
    wanted.load(Ordering::Acquire) && wanted.swap(false, Ordering::AcqRel)
}

/// A stream that is counted: what a protocol reads and writes is seen on its [`Meter`].
///
/// Protocols do not say how far a failed request came. The bytes do.
///
/// When writing fails, reading goes on: what the peer said before it stopped listening is still its answer, and the
/// reading side then finds the end. Only after it, or when the stream has left HTTP, is a write told that it failed.
pub(crate) struct Metered<I> {
    io: TokioIo<I>,
    meter: Arc<Meter>,
    /// Writing failed, but what the peer sent before may still be worth reading.
    deaf_peer: bool,
    /// Reading came to its end, so nobody waits for anything.
    read_to_end: bool,
    discards: bool,
}

/// What is known about the bytes of one connection.
pub(crate) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
    /// The reading that may not be passed: an unbounded head is stopped here.
    read_limit: AtomicU64,
    /// The stream speaks something else than HTTP now, whose writers want to know when they fail.
    tells_write_errors: AtomicBool,
    /// Lives as long as the stream, wherever that goes: into a task, or to someone who upgraded it.
    held: Mutex<Held>,
}

enum Held {
    Open(Option<Box<dyn Send>>),
    /// The stream is gone, and nothing is held for it any more.
    Closed,
}

impl<I> Metered<I> {
    pub(crate) fn new(io: I) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter {
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            read_limit: AtomicU64::new(u64::MAX),
            tells_write_errors: AtomicBool::new(false),
            held: Mutex::new(Held::Open(None)),
        });
        let io = TokioIo::new(io);
        let metered = Self {
            io,
            meter: meter.clone(),
            deaf_peer: false,
            read_to_end: false,
            discards: false,
        };
        (metered, meter)
    }

    fn tells_write_errors(&self) -> bool {
        self.read_to_end || self.meter.tells_write_errors.load(Ordering::Acquire)
    }

    /// Throws away what is written to a peer that has stopped listening, for a protocol that reads nothing while it
    /// cannot write. It does not count as written.
    #[cfg(feature = "http2")]
    pub(crate) fn discarding(mut self) -> Self {
        self.discards = true;
        self
    }

    /// What becomes of `bytes` for a peer that has stopped listening. The reading side wakes whoever waits.
    fn unheard<T>(&self, bytes: T) -> Poll<io::Result<T>> {
        match (self.discards, self.tells_write_errors()) {
            (true, _) => Poll::Ready(Ok(bytes)),
            (false, true) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            (false, false) => Poll::Pending,
        }
    }

    fn count_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match written {
            Poll::Ready(Ok(n)) => {
                self.meter.written.fetch_add(n as u64, Ordering::AcqRel);
            }
            Poll::Ready(Err(error))
                if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
                    && !self.tells_write_errors() =>
            {
                self.deaf_peer = true;
                return self.unheard(length);
            }
            _ => {}
        }
        written
    }
}

impl Meter {
    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Lets `bytes` more be read, or any number.
    #[cfg(feature = "http1")]
    pub(crate) fn limit_reading(&self, bytes: Option<u64>) {
        let limit = bytes.map_or(u64::MAX, |bytes| self.read().saturating_add(bytes));
        self.read_limit.store(limit, Ordering::Release);
    }

    /// From now on a write that fails says so: whoever writes need not be reading.
    #[cfg(feature = "http1")]
    pub(crate) fn tell_write_errors(&self) {
        self.tells_write_errors.store(true, Ordering::Release);
    }

    /// Keeps `guard` until the stream is dropped; if that has happened already, not at all.
    pub(crate) fn hold(&self, guard: impl Send + 'static) {
        let mut guard: Option<Box<dyn Send>> = Some(Box::new(guard));
        if let Held::Open(held) = &mut *self.lock() {
            std::mem::swap(held, &mut guard);
        }
        drop(guard);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Drop for Metered<I> {
    fn drop(&mut self) {
        let held = std::mem::replace(&mut *self.meter.lock(), Held::Closed);
        drop(held);
    }
}

impl<I: Io> AsyncRead for Metered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.meter.read() >= self.meter.read_limit.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, HeadTooLarge)));
        }
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        let read = buffer.filled().len() - before;
        self.read_to_end = outcome.is_err() || (read == 0 && buffer.remaining() > 0);
        outcome?;
        self.meter.read.fetch_add(read as u64, Ordering::AcqRel);
        Poll::Ready(Ok(()))
    }
}

impl<I: Io> AsyncWrite for Metered<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf_peer {
            return self.unheard(bytes.len());
        }
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count_written(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.deaf_peer {
            return self.unheard(length);
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.count_written(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf_peer {
            return self.unheard(());
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// More was sent before the end of a head than a head may be long.
#[derive(Debug)]
pub(crate) struct HeadTooLarge;

impl fmt::Display for HeadTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of the answer is longer than allowed")
    }
}

impl std::error::Error for HeadTooLarge {}

impl<I> fmt::Debug for Metered<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metered").field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, written) = (self.read(), self.written());
        f.debug_struct("Meter").field("read", &read).field("written", &written).finish()
    }
}
