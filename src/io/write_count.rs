//! Counts the bytes that a stream takes, so that a sent request is never reported unsent.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

use super::RecheckState;

/// The count of a stream that its owner has unwrapped, so that its writes are no longer counted.
const ABANDONED: u64 = u64::MAX;

/// Bytes that a stream has taken, counted by the stream.
///
/// A stream that puts one into a [`ConnectInfo`](crate::connect::ConnectInfo) guarantees that a failed write that did not
/// move the count has taken nothing, and that nothing is written after it. Without a count, a failed write may have taken
/// anything: TLS, for one, writes several records per call, and an error of the second hides that the first was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct WriteCount {
    shared: Arc<RecheckState>,
}

impl WriteCount {
    /// Shares its allocation with a recheck of the same stream.
    pub(super) fn of(shared: Arc<RecheckState>) -> Self {
        Self { shared }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.shared.written.load(Ordering::Acquire)
    }

    /// Ends the guarantees: from now on, a failed write may have taken anything.
    pub(crate) fn abandon(&self) {
        self.shared.written.store(ABANDONED, Ordering::Release);
    }

    /// Whether a write that failed has taken nothing since the count was `before`.
    fn has_stayed_at(&self, before: u64) -> bool {
        let bytes = self.bytes();
        bytes == before && bytes != ABANDONED
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.shared.written.fetch_add(bytes as u64, Ordering::AcqRel);
    }
}

/// Judges how many bytes each write may have taken, by the stream's own count if it has one.
#[derive(Debug)]
pub(crate) struct WriteJudge {
    below: Below,
    /// The count before the current write, which may need several calls.
    before: u64,
    is_pending: bool,
}

/// What is known about the stream's writes.
#[derive(Debug)]
enum Below {
    Unknown,
    Counted(WriteCount),
    /// A failed write has taken nothing.
    Exact,
}

impl WriteJudge {
    pub(crate) fn new(below: Option<&WriteCount>) -> Self {
        Self::over(below.cloned().map_or(Below::Unknown, Below::Counted))
    }

    fn over(below: Below) -> Self {
        Self { below, before: 0, is_pending: false }
    }

    /// Call before each write.
    pub(crate) fn begin(&mut self) {
        if let Below::Counted(below) = &self.below
            && !self.is_pending
        {
            self.before = below.bytes();
        }
    }

    /// Call after each write of `length` bytes. Returns how many of them may have been sent.
    pub(crate) fn taken(&mut self, outcome: &Poll<io::Result<usize>>, length: usize) -> usize {
        self.is_pending = outcome.is_pending();
        match (outcome, &self.below) {
            (Poll::Pending, _) => 0,
            (Poll::Ready(Ok(taken)), _) => *taken,
            (Poll::Ready(Err(_)), Below::Exact) => 0,
            (Poll::Ready(Err(_)), Below::Counted(below)) if below.has_stayed_at(self.before) => 0,
            (Poll::Ready(Err(_)), Below::Counted(_) | Below::Unknown) => length,
        }
    }
}

/// Implements the guarantees of a [`WriteCount`]: counts, and fails every write after a failed one.
#[derive(Debug)]
pub(crate) struct CountedWrites {
    judge: WriteJudge,
    count: WriteCount,
    has_failed: bool,
}

impl CountedWrites {
    /// For a stream whose failed writes take nothing, such as a socket.
    pub(crate) fn exact(count: WriteCount) -> Self {
        Self::judged_by(WriteJudge::over(Below::Exact), count)
    }

    /// For a stream over another one with this count, if it has one.
    #[cfg(any(test, feature = "_rustls"))]
    pub(crate) fn over(below: Option<&WriteCount>) -> Self {
        Self::judged_by(WriteJudge::new(below), WriteCount::default())
    }

    fn judged_by(judge: WriteJudge, count: WriteCount) -> Self {
        Self { judge, count, has_failed: false }
    }

    pub(crate) fn count(&self) -> &WriteCount {
        &self.count
    }

    /// Runs one write of `length` bytes.
    pub(crate) fn write(
        &mut self,
        length: usize,
        write: impl FnOnce() -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.has_failed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.judge.begin();
        let outcome = write();
        self.has_failed = matches!(outcome, Poll::Ready(Err(_)));
        self.count.add(self.judge.taken(&outcome, length));
        outcome
    }
}

/// The total length of slices.
pub(crate) fn length_of(slices: &[io::IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }

    #[test]
    fn a_failed_write_took_what_the_stream_below_counted_or_anything() {
        let below = WriteCount::default();
        // What is below, what it takes during the write → what the write may have taken
        let table = [(None, 0, 9), (Some(&below), 0, 0), (Some(&below), 3, 9)];
        for (known, takes, taken) in table {
            let mut writes = CountedWrites::over(known);
            let outcome = writes.write(9, || {
                below.add(takes);
                failed()
            });
            assert!(outcome.is_ready());
            assert_eq!(writes.count().bytes(), taken, "{known:?}");
        }
    }

    #[test]
    fn a_failed_write_of_a_stream_that_was_unwrapped_may_have_taken_anything() {
        // Whether it was unwrapped between two polls of one write, or before all
        for between in [true, false] {
            let below = WriteCount::default();
            let mut writes = CountedWrites::over(Some(&below));
            if between {
                let _ = writes.write(9, || Poll::Pending);
            }
            below.abandon();
            let _ = writes.write(9, failed);
            assert_eq!(writes.count().bytes(), 9);
        }
    }

    #[test]
    fn what_was_taken_while_a_write_was_pending_counts() {
        let below = WriteCount::default();
        let mut writes = CountedWrites::over(Some(&below));
        let _ = writes.write(9, || {
            below.add(1);
            Poll::Pending
        });
        assert_eq!(writes.count().bytes(), 0);
        let _ = writes.write(9, failed);
        assert_eq!(writes.count().bytes(), 9);
    }

    #[test]
    fn a_socket_takes_nothing_with_a_write_that_fails_and_nothing_after_it() {
        let mut writes = CountedWrites::exact(WriteCount::default());
        let _ = writes.write(9, || Poll::Ready(Ok(4)));
        let _ = writes.write(5, failed);
        assert_eq!(writes.count().bytes(), 4);
        let after = writes.write(5, || Poll::Ready(Ok(5)));
        assert!(matches!(after, Poll::Ready(Err(_))));
        assert_eq!(writes.count().bytes(), 4);
    }
}
