//! The stream of a connection and its two buffers: fills, writes and flushes by polling.

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::copies::Copies;
use crate::{
    error::Error,
    io::{
        closed,
        direct::DirectIo,
        greeting::{Greeting, Spoken},
        write_count::{WriteCount, WriteJudge, length_of},
    },
};

/// A connection's stream and buffers.
///
/// If a write fails because the peer has stopped reading, reading continues: a response sent before is still the response,
/// and the reading side then finds the end.
pub(super) struct Wire {
    /// `None` once the connection is closed or upgraded.
    io: Option<DirectIo>,
    input: BytesMut,
    copies: Copies,
    /// Consumed bytes at the start of `input`.
    used: usize,
    output: Vec<u8>,
    /// Written bytes at the start of `output`.
    sent: usize,
    write_judge: WriteJudge,
    pub(super) counts: ByteCounts,
    /// The last write or flush found no room.
    pub(super) is_full: bool,
    is_flushed: bool,
    write_failed: bool,
    greeting: Greeting,
    pub(super) spoken: Spoken,
    pub(super) end: Option<ReadEnd>,
    /// The size of the next read.
    stride: usize,
    /// The input buffer has grown beyond what an idle connection may hold.
    is_large: bool,
}

/// Bytes read and written so far, above TCP or TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteCounts {
    pub(super) read: u64,
    /// Includes all bytes of a failed write, unless it certainly took none.
    pub(super) written: u64,
}

/// How reading ended.
#[derive(Debug)]
pub(super) enum ReadEnd {
    /// The peer closed the connection, properly or not.
    Closed(io::ErrorKind),
    /// The layer below, TLS or a tunnel, has its own error.
    Below(Error),
}

/// The initial size of a read.
const READ: usize = 4 * 1024;
/// The largest size of a read.
const MAX_READ: usize = 256 * 1024;
/// The largest buffer of an idle connection.
const MAX_IDLE_ROOM: usize = 16 * 1024;
/// Slices of a body in one write, after the head.
pub(super) const SLICES: usize = 16;
/// A piece of a body up to this size is copied, so that the buffer can be reused at once.
const COPIED: usize = 2 * 1024;

impl Wire {
    /// Wraps a stream. `count` is the stream's own count of taken bytes, if it has one.
    pub(super) fn new(io: DirectIo, count: Option<&WriteCount>) -> Self {
        Self {
            io: Some(io),
            input: BytesMut::new(),
            copies: Copies::default(),
            used: 0,
            output: Vec::new(),
            sent: 0,
            write_judge: WriteJudge::new(count),
            counts: ByteCounts::default(),
            is_full: false,
            is_flushed: true,
            write_failed: false,
            greeting: Greeting::default(),
            spoken: Spoken::Unknown,
            end: None,
            stride: READ,
            is_large: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.io.is_some()
    }

    /// Whether a write failed because the peer has stopped reading.
    pub(super) fn write_failed(&self) -> bool {
        self.write_failed
    }

    /// Takes the stream. Drop it outside of the lock.
    pub(super) fn take_io(&mut self) -> Option<DirectIo> {
        self.io.take()
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Some(io) => Pin::new(io).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Received bytes that are not consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.input[self.used..]
    }

    /// The [unread](Self::unread) bytes, and the buffer for copies of them.
    pub(super) fn unread_to_copy(&mut self) -> (&[u8], &mut Copies) {
        (&self.input[self.used..], &mut self.copies)
    }

    /// Consumes bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.used += bytes;
        if self.used == self.input.len() {
            self.input.clear();
            self.used = 0;
        }
    }

    /// Consumes and returns bytes: copied if they are few, else as a slice of the buffer.
    pub(super) fn take(&mut self, bytes: usize) -> Bytes {
        if bytes <= COPIED {
            let copy = Bytes::copy_from_slice(&self.unread()[..bytes]);
            self.consume(bytes);
            return copy;
        }
        self.input.advance(std::mem::take(&mut self.used));
        self.input.split_to(bytes).freeze()
    }

    /// Consumes and returns all received bytes.
    pub(super) fn take_unread(&mut self) -> BytesMut {
        let mut input = std::mem::take(&mut self.input);
        input.advance(std::mem::take(&mut self.used));
        input
    }

    /// Reads more, up to about `room` bytes; 0 is the end of the stream.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, room: u64) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        self.input.advance(std::mem::take(&mut self.used));
        // `stride` is never below `READ`, so `clamp` cannot panic.
        let wanted = usize::try_from(room).unwrap_or(MAX_READ).clamp(READ, self.stride);
        // Reuses a half-empty buffer rather than growing for each read.
        if self.input.capacity() - self.input.len() < wanted / 2 {
            self.is_large |= self.input.len() + wanted > MAX_IDLE_ROOM;
            self.input.reserve(wanted);
        }
        let (before, free) = (self.input.len(), self.input.capacity() - self.input.len());
        let read = pin!(io.read_buf(&mut self.input));
        match ready!(read.poll(cx)) {
            Ok(read) => {
                self.note_read(before, read, free);
                Poll::Ready(Ok(read))
            }
            Err(error) => {
                self.set_end(&error);
                Poll::Ready(Err(error))
            }
        }
    }

    /// Ready if anything unread was received, including the end. Registers the waker otherwise.
    pub(super) fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.unread().is_empty() || self.end.is_some() {
            return Poll::Ready(());
        }
        self.poll_fill(cx, READ as u64).map(drop)
    }

    fn note_read(&mut self, before: usize, read: usize, free: usize) {
        if read == 0 {
            self.set_end(&io::ErrorKind::UnexpectedEof.into());
        }
        self.counts.read += read as u64;
        if self.greeting.is_open() {
            self.spoken = self.greeting.take(&self.input[before..]);
        }
        // Adapts to the peer: a fast peer is read in large pieces, a slow one takes no more room than it fills. A fixed
        // size costs a large download more than twice the CPU.
        if read == free {
            self.stride = (self.stride * 2).min(MAX_READ);
        } else if read < self.stride / 4 {
            self.stride = (self.stride / 2).max(READ);
        }
    }

    /// Records the end. The first is the cause of later ones.
    fn set_end(&mut self, error: &io::Error) {
        let below = Error::inside(error).cloned();
        let end = || below.map_or(ReadEnd::Closed(error.kind()), ReadEnd::Below);
        self.end.get_or_insert_with(end);
    }

    /// The buffer for heads and framing.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Unwritten bytes of the output buffer.
    pub(super) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Whether all that was written has left, as far as known here.
    pub(super) fn is_flushed(&self) -> bool {
        self.unsent() == 0 && self.is_flushed
    }

    /// Drops the unwritten output.
    pub(super) fn discard_output(&mut self) {
        self.output.clear();
        self.sent = 0;
    }

    /// Frees the room that a large message took, because there may be many idle connections.
    pub(super) fn shrink(&mut self) {
        if self.is_large && self.unread().is_empty() {
            (self.input, self.used, self.is_large) = (BytesMut::new(), 0, false);
        }
        if self.output.capacity() > MAX_IDLE_ROOM && self.unsent() == 0 {
            self.output = Vec::new();
        }
    }

    /// Bytes of its buffers.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.input.capacity() + self.output.capacity()
    }

    /// Writes the output buffer, then `body`. Ready with the written bytes of `body`; pending for good once the peer has
    /// stopped reading, because the reading side then ends the exchange.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        body: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if self.write_failed {
            return Poll::Pending;
        }
        let head = &self.output[self.sent..];
        let length = head.len() + length_of(body);
        self.write_judge.begin();
        let outcome = match body {
            [] => Pin::new(io).poll_write(cx, head),
            [one] if head.is_empty() => Pin::new(io).poll_write(cx, one),
            _ => {
                let mut slices = [IoSlice::new(&[]); SLICES + 1];
                slices[0] = IoSlice::new(head);
                let count = body.len().min(SLICES);
                slices[1..=count].copy_from_slice(&body[..count]);
                let first = usize::from(head.is_empty());
                Pin::new(io).poll_write_vectored(cx, &slices[first..=count])
            }
        };
        // Counted before the outcome is examined: a failed write may have sent something.
        self.counts.written += self.write_judge.taken(&outcome, length) as u64;
        self.is_full = outcome.is_pending();
        match ready!(outcome) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(written) => Poll::Ready(Ok(self.note_written(written))),
            Err(error) => self.fail_write(error),
        }
    }

    fn note_written(&mut self, written: usize) -> usize {
        self.is_flushed = false;
        let of_output = written.min(self.unsent());
        self.sent += of_output;
        if self.sent == self.output.len() {
            self.discard_output();
        }
        written - of_output
    }

    /// Records the layer's own error. A peer that only stopped reading may still have answered: the write stays pending.
    fn fail_write<T>(&mut self, error: io::Error) -> Poll<io::Result<T>> {
        if Error::inside(&error).is_some() {
            self.set_end(&error);
            return Poll::Ready(Err(error));
        }
        if closed::is_reset(error.kind()) {
            self.write_failed = true;
            return Poll::Pending;
        }
        Poll::Ready(Err(error))
    }

    /// Writes the output buffer and flushes, as TLS needs it.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent() > 0 {
            ready!(self.poll_write(cx, &[]))?;
        }
        // After a failed write the reading side ends the exchange: a flush adds nothing.
        if self.is_flushed || self.write_failed {
            return Poll::Ready(Ok(()));
        }
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(())) };
        match Pin::new(io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                // Not full any more: from here on the response is awaited, not room.
                (self.is_flushed, self.is_full) = (true, false);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => self.fail_write(error),
            Poll::Pending => {
                self.is_full = true;
                Poll::Pending
            }
        }
    }
}
