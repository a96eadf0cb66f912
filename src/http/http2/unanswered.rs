//! Streams without a response head, and the number of possible 1xx heads of each.
//!
//! h2 stores every 1xx until its request is polled, and HEADERS have no flow control: a peer could fill the memory of a
//! caller that polls rarely. So the driver counts the heads as it reads the frames, and resets a stream that has too many.
//! For that it shares the sending half of each stream until the response begins.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::shared::ConnShared;
use crate::lock;

/// The limit on 1xx heads of one response: no honest server sends more.
pub(super) const MAX_INFORMATIONAL: u8 = 64;

/// The error of a stream above the limit.
pub(super) const TOO_MANY: &str = "more than 64 answers of 1xx";

#[derive(Default)]
pub(super) struct Unanswered {
    streams: Mutex<UnansweredEntries>,
    /// Possible 1xx heads, of all streams together.
    heads: AtomicU64,
}

/// Each request knows the index of its entry. Lookups by id search: only unusual heads need them.
#[derive(Default)]
struct UnansweredEntries {
    entries: Vec<UnansweredEntry>,
    free: Vec<usize>,
}

struct UnansweredEntry {
    /// Zero in a free entry: no request has stream 0, the connection itself.
    id: u32,
    /// Possible 1xx heads.
    heads: u8,
    /// `None` while an upload is polled, and once the stream was reset.
    stream: Option<SendStream<Bytes>>,
    is_flooded: bool,
    /// The end of its request has been written. Unknown of one without a body.
    is_sent: bool,
}

/// The sending half of a stream until its response begins, shared with the driver, which may reset it. Dropping it drops
/// the sending half.
pub(super) struct SendHandle {
    conn: Arc<ConnShared>,
    id: u32,
    /// Index of its entry, until the response begins.
    index: Option<usize>,
}

impl Unanswered {
    /// Counts a head that may be a 1xx: it does not end its stream, and its status is unknown. Trailers are not counted,
    /// because they end the stream.
    pub(super) fn count_head(&self, id: u32) {
        // While h2 reads, so before h2 can pass the head to its stream.
        self.heads.fetch_add(1, Ordering::AcqRel);
        let mut streams = self.lock();
        let Some(entry) = streams.entries.iter_mut().find(|entry| entry.id == id) else { return };
        entry.heads = entry.heads.saturating_add(1);
        // One more than allowed, because the final head may be among the counted ones.
        if entry.heads <= MAX_INFORMATIONAL + 1 {
            return;
        }
        entry.is_flooded = true;
        let stream = entry.stream.take();
        // h2 takes its own lock: not under ours.
        drop(streams);
        reset(stream, Reason::PROTOCOL_ERROR);
    }

    /// The end of the body of a request was written.
    pub(super) fn sent(&self, id: u32) {
        if let Some(entry) = self.lock().entries.iter_mut().find(|entry| entry.id == id) {
            entry.is_sent = true;
        }
    }

    /// Possible 1xx heads so far. While the number is unchanged, no stream has a 1xx.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Acquire)
    }

    fn insert(&self, id: u32, stream: SendStream<Bytes>) -> usize {
        let entry = UnansweredEntry {
            id,
            heads: 0,
            stream: Some(stream),
            is_flooded: false,
            is_sent: false,
        };
        let UnansweredEntries { entries, free } = &mut *self.lock();
        match free.pop() {
            Some(index) => {
                entries[index] = entry;
                index
            }
            None => {
                entries.push(entry);
                entries.len() - 1
            }
        }
    }

    fn take(&self, index: usize) -> Option<SendStream<Bytes>> {
        self.lock().entries[index].stream.take()
    }

    /// Returns the stream if it was flooded meanwhile.
    fn put_back(&self, index: usize, stream: SendStream<Bytes>) -> Option<SendStream<Bytes>> {
        match &mut self.lock().entries[index] {
            entry if !entry.is_flooded => entry.stream.replace(stream),
            _ => Some(stream),
        }
    }

    fn remove(&self, index: usize) -> Option<SendStream<Bytes>> {
        let UnansweredEntries { entries, free } = &mut *self.lock();
        let entry = &mut entries[index];
        entry.id = 0;
        free.push(index);
        entry.stream.take()
    }

    fn lock(&self) -> MutexGuard<'_, UnansweredEntries> {
        lock::lock(&self.streams)
    }
}

impl SendHandle {
    pub(super) fn new(conn: Arc<ConnShared>, stream: SendStream<Bytes>) -> Self {
        let id = stream.stream_id().as_u32();
        let index = Some(conn.state().unanswered().insert(id, stream));
        Self { conn, id, index }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Uses the stream outside of any lock; `None` if it was reset.
    pub(super) fn with<T>(&self, using: impl FnOnce(&mut SendStream<Bytes>) -> T) -> Option<T> {
        // Taken out during the use: a flood meanwhile sets only the flag, and `put_back` returns the stream for the reset.
        let mut stream = self.streams().take(self.index?)?;
        let used = using(&mut stream);
        reset(self.streams().put_back(self.index?, stream), Reason::PROTOCOL_ERROR);
        Some(used)
    }

    pub(super) fn reset(&self, reason: Reason) {
        let stream = self.index.and_then(|index| self.streams().take(index));
        reset(stream, reason);
    }

    /// Whether the stream was reset because of too many 1xx.
    pub(super) fn is_flooded(&self) -> bool {
        self.index.is_some_and(|index| self.streams().lock().entries[index].is_flooded)
    }

    /// Whether the head has been written, which is all of a request without a body.
    pub(super) fn is_head_written(&self) -> bool {
        self.conn.state().is_head_written(self.id)
    }

    /// Whether the end of a request with a body has been written.
    pub(super) fn is_sent(&self) -> bool {
        self.index.is_some_and(|index| self.streams().lock().entries[index].is_sent)
    }

    /// The response begins: the driver resets the stream no longer. `None` if it was reset.
    pub(super) fn release(&mut self) -> Option<SendStream<Bytes>> {
        let index = self.index.take()?;
        self.streams().remove(index)
    }

    fn streams(&self) -> &Unanswered {
        self.conn.state().unanswered()
    }
}

fn reset(stream: Option<SendStream<Bytes>>, reason: Reason) {
    if let Some(mut stream) = stream {
        stream.send_reset(reason);
    }
}

impl Drop for SendHandle {
    fn drop(&mut self) {
        drop(self.release());
    }
}

impl fmt::Debug for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unanswered").field("streams", &self.lock().entries.len()).finish()
    }
}
