//! Counts the bytes of a stream, for protocols that do not report how far a failed request came.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    closed,
    greeting::{Greeting, Spoken},
    write_count::{WriteCount, WriteJudge, length_of},
};
use crate::{error::Error, lock};

/// A stream that counts what a protocol reads and writes, on its [`Meter`].
///
/// If a write fails, reading continues: what the peer sent before it stopped reading is still its response, and the
/// reading side then finds the end. A write reports the failure only after that end.
pub(crate) struct Metered<I> {
    io: I,
    meter: Arc<Meter>,
    judge: WriteJudge,
    /// A write failed, but data that the peer sent before may still be readable.
    write_failed: bool,
    /// Reading has ended.
    read_to_end: bool,
    discards: bool,
    greeting: Greeting,
    /// Last, so that it is dropped after the stream.
    _held_guard: HeldGuardRelease,
}

/// Facts about the bytes of one connection.
pub(crate) struct Meter {
    read: AtomicU64,
    written: AtomicU64,
    /// A write is running, not yet included in `written`.
    is_writing: AtomicBool,
    /// Writing has ended, because a request was reported unsent.
    is_stopped: AtomicBool,
    /// The last write found no room.
    is_full: AtomicBool,
    /// The peer's protocol: a [`Spoken`].
    spoken: AtomicU8,
    ending: OnceLock<Ending>,
    /// Lives as long as the stream, wherever that moves.
    held: Mutex<HeldGuard>,
}

/// How reading ended. Stored, because protocols report it by their own errors, or not at all.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The peer closed the connection, properly or not.
    Closed(io::ErrorKind),
    /// The layer below, TLS or a tunnel, has its own error.
    Below(Error),
}

enum HeldGuard {
    Open(Option<Box<dyn Send>>),
    /// The stream is dropped, and so is what was held for it.
    Closed,
}

impl<I> Metered<I> {
    /// Wraps a stream; `below` is its own count, if it has one.
    pub(crate) fn new(io: I, below: Option<&WriteCount>) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter {
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            spoken: AtomicU8::new(Spoken::Unknown as u8),
            ending: OnceLock::new(),
            held: Mutex::new(HeldGuard::Open(None)),
        });
        let metered = Self {
            io,
            meter: meter.clone(),
            judge: WriteJudge::new(below),
            write_failed: false,
            read_to_end: false,
            discards: false,
            greeting: Greeting::default(),
            _held_guard: HeldGuardRelease(meter.clone()),
        };
        (metered, meter)
    }

    fn reports_write_errors(&self) -> bool {
        self.read_to_end
    }

    /// Discards writes after the peer has stopped reading, for a protocol that does not read while it cannot write. They
    /// do not count as written.
    #[cfg(feature = "http2")]
    pub(crate) fn discarding(mut self) -> Self {
        self.discards = true;
        self
    }

    /// The result of a write after the peer has stopped reading. If pending, the reading side wakes the task.
    fn write_after_failure<T>(&self, bytes: T) -> Poll<io::Result<T>> {
        match (self.discards, self.reports_write_errors()) {
            (true, _) => Poll::Ready(Ok(bytes)),
            (false, true) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            (false, false) => Poll::Pending,
        }
    }

    /// Records whether the last write or flush found room.
    fn note_room<T>(&self, outcome: &Poll<T>) {
        let is_full = outcome.is_pending();
        if self.meter.is_full() != is_full {
            self.meter.is_full.store(is_full, Ordering::Release);
        }
    }

    fn note_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        self.note_room(&written);
        match &written {
            Poll::Ready(Err(error)) if self.is_write_failure(error) => {
                self.write_failed = true;
                return self.write_after_failure(length);
            }
            _ => {}
        }
        written
    }

    /// Whether a write failed only because the peer has stopped reading. Records an own error of the layer below.
    fn is_write_failure(&self, error: &io::Error) -> bool {
        if Error::inside(error).is_some() {
            self.meter.ends(error);
            return false;
        }
        closed::is_reset(error.kind()) && !self.reports_write_errors()
    }
}

impl<I: AsyncWrite + Unpin> Metered<I> {
    /// Writes `length` bytes, unless the peer or this side has stopped.
    fn write(
        &mut self,
        length: usize,
        write: impl FnOnce(Pin<&mut I>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return self.write_after_failure(length);
        }
        if !self.meter.begins_writing() {
            return match self.discards {
                true => Poll::Ready(Ok(length)),
                false => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        self.judge.begin();
        let outcome = write(Pin::new(&mut self.io));
        let taken = self.judge.taken(&outcome, length);
        self.meter.ends_writing(taken);
        self.note_written(outcome, length)
    }
}

impl Meter {
    /// The peer's protocol, as far as known.
    pub(crate) fn spoken(&self) -> Spoken {
        self.spoken.load(Ordering::Acquire).into()
    }

    /// How reading ended, if it has.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    fn ends(&self, error: &io::Error) {
        let below = Error::inside(error).cloned();
        // The first end is the cause of later ones.
        let _ = self.ending.set(below.map_or(Ending::Closed(error.kind()), Ending::Below));
    }

    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Bytes written so far. Includes all bytes of a failed write, unless it certainly took none.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// Whether nothing was written since the count `written`. If so, stops all further writes.
    ///
    /// A protocol keeps writing its part of a failed request until its task notices the failure, or writes a goodbye. A
    /// request that is reported unsent must not go out then.
    pub(crate) fn stops_unwritten(&self, written: u64) -> bool {
        if self.written() != written {
            return false;
        }
        // The writer announces a write, then reads the stop flag; this sets the flag, then reads the announcement. In a
        // total order (SeqCst) at least one of them sees the other.
        self.is_stopped.store(true, Ordering::SeqCst);
        !self.is_writing.load(Ordering::SeqCst) && self.written() == written
    }

    fn begins_writing(&self) -> bool {
        self.is_writing.store(true, Ordering::SeqCst);
        let may_write = !self.is_stopped.load(Ordering::SeqCst);
        if !may_write {
            self.is_writing.store(false, Ordering::SeqCst);
        }
        may_write
    }

    fn ends_writing(&self, taken: usize) {
        self.written.fetch_add(taken as u64, Ordering::AcqRel);
        self.is_writing.store(false, Ordering::SeqCst);
    }

    /// Whether bytes wait to be written.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// Holds `guard` until the stream is dropped; drops it at once if that has happened.
    pub(crate) fn hold(&self, guard: impl Send + 'static) {
        let mut guard: Option<Box<dyn Send>> = Some(Box::new(guard));
        if let HeldGuard::Open(held) = &mut *self.lock() {
            std::mem::swap(held, &mut guard);
        }
        drop(guard);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HeldGuard> {
        lock::lock(&self.held)
    }
}

/// Drops what is held for a stream. Declared after the stream, so dropped after it: a pool's slot must not be free while
/// its socket is open.
struct HeldGuardRelease(Arc<Meter>);

impl Drop for HeldGuardRelease {
    fn drop(&mut self) {
        let held = std::mem::replace(&mut *self.0.lock(), HeldGuard::Closed);
        drop(held);
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Metered<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.io).poll_read(cx, buffer));
        let read = buffer.filled().len() - before;
        self.read_to_end = outcome.is_err() || (read == 0 && buffer.remaining() > 0);
        if self.read_to_end {
            let end = io::Error::from(io::ErrorKind::UnexpectedEof);
            self.meter.ends(outcome.as_ref().err().unwrap_or(&end));
        }
        outcome?;
        if self.greeting.is_open() {
            let spoken = self.greeting.take(&buffer.filled()[before..]);
            self.meter.spoken.store(spoken as u8, Ordering::Release);
        }
        self.meter.read.fetch_add(read as u64, Ordering::AcqRel);
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Metered<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(bytes.len(), |io| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(length_of(slices), |io| io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return self.write_after_failure(());
        }
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.note_room(&flushed);
        match &flushed {
            Poll::Ready(Err(error)) if self.is_write_failure(error) => {
                self.write_failed = true;
                self.write_after_failure(())
            }
            _ => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_request_that_is_called_unsent_is_not_written_afterwards() {
        let (near, far) = tokio::io::duplex(8);
        let (mut metered, meter) = Metered::new(near, None);
        metered.write_all(b"before").await.unwrap();
        assert!(!meter.stops_unwritten(0));
        metered.write_all(b".").await.unwrap();
        assert!(meter.stops_unwritten(7));
        assert!(metered.write_all(b"after").await.is_err());
        assert_eq!(meter.written(), 7);
        drop(far);
    }

    #[tokio::test]
    async fn a_request_whose_write_waits_for_room_was_not_written() {
        let (near, _far) = tokio::io::duplex(1);
        let (mut metered, meter) = Metered::new(near, None);
        metered.write_all(b"0").await.unwrap();
        let write = poll_fn(|cx| Poll::Ready(Pin::new(&mut metered).poll_write(cx, b"1")));
        assert!(write.await.is_pending());
        assert!(meter.stops_unwritten(1));
    }

    /// Fails each write and each flush with an error, and ends when it is read.
    struct Failing(fn() -> io::Error);

    impl AsyncRead for Failing {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Failing {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err((self.0)()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err((self.0)()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The outcomes of a write, or else of a flush.
    fn written(metered: &mut Metered<Failing>, flushes: bool) -> Poll<io::Result<()>> {
        let (io, mut cx) = (Pin::new(metered), Context::from_waker(std::task::Waker::noop()));
        match flushes {
            true => io.poll_flush(&mut cx),
            false => io.poll_write(&mut cx, b"bytes").map_ok(drop),
        }
    }

    #[tokio::test]
    async fn a_write_or_flush_after_a_reset_fails_only_when_all_is_read() {
        use tokio::io::AsyncReadExt;
        for first_flushes in [true, false] {
            let (mut metered, meter) =
                Metered::new(Failing(|| io::ErrorKind::ConnectionReset.into()), None);
            assert!(written(&mut metered, first_flushes).is_pending());
            for flushes in [true, false] {
                assert!(written(&mut metered, flushes).is_pending());
            }
            assert!(meter.ending().is_none());
            assert_eq!(metered.read(&mut [0]).await.unwrap(), 0);
            for flushes in [true, false] {
                let failed = written(&mut metered, flushes);
                let Poll::Ready(Err(error)) = failed else { panic!("{failed:?}") };
                assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            }
        }
    }

    #[test]
    fn an_error_of_the_layer_below_fails_a_write_or_flush_at_once_and_is_the_ending() {
        let below = || io::Error::other(Error::builder("below"));
        for flushes in [true, false] {
            let (mut metered, meter) = Metered::new(Failing(below), None);
            assert!(matches!(written(&mut metered, flushes), Poll::Ready(Err(_))));
            let Some(Ending::Below(error)) = meter.ending() else { panic!("{meter:?}") };
            assert_eq!(error.to_string(), "below");
        }
    }

    #[cfg(feature = "http2")]
    #[test]
    fn a_stream_that_discards_takes_what_it_does_not_write() {
        let reset = || io::ErrorKind::ConnectionReset.into();
        let (metered, meter) = Metered::new(Failing(reset), None);
        let mut metered = metered.discarding();
        assert!(meter.stops_unwritten(0));
        assert!(matches!(written(&mut metered, false), Poll::Ready(Ok(()))));
        assert_eq!(meter.written(), 0);
        let mut metered = Metered::new(Failing(reset), None).0.discarding();
        for flushes in [true, false, true] {
            assert!(matches!(written(&mut metered, flushes), Poll::Ready(Ok(()))));
        }
    }
}
