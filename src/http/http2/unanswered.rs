//! The streams whose answer has not begun, and how many heads of 1xx came for each.
//!
//! h2 keeps every 1xx until its request is polled, and HEADERS have no flow control: a peer could fill the memory of a
//! caller that polls seldom. So the task that reads the frames counts heads, whoever polls, and resets a stream that has
//! too many. For that it has the sending half of each stream until the answer begins.

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

/// So many 1xx are passed over before one answer: nobody honest sends more.
pub(super) const MAX_INFORMATIONAL: u8 = 64;

/// Why a stream with more of them fails.
pub(super) const TOO_MANY: &str = "more than 64 answers of 1xx";

/// The streams of a connection whose answer has not begun.
#[derive(Default)]
pub(super) struct Unanswered {
    streams: Mutex<Entries>,
    /// Heads that may be 1xx, of all streams together.
    heads: AtomicU64,
}

/// Each request knows the place of its own. An id is searched for: only heads of unusual status are looked up by it.
#[derive(Default)]
struct Entries {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

struct Entry {
    /// Zero where it is free: no request has the stream of the connection itself.
    id: u32,
    /// Heads that may be 1xx.
    heads: u8,
    /// `None` while an upload is being polled, and once the stream was reset.
    stream: Option<SendStream<Bytes>>,
    is_flooded: bool,
}

/// The sending half of a stream until its answer begins: shared with the task of the connection, which may reset it.
///
/// Dropping it drops the sending half.
pub(super) struct SendHandle {
    conn: Arc<ConnShared>,
    id: u32,
    /// Of its entry, until the answer begins.
    place: Option<usize>,
}

impl Unanswered {
    /// A head came that may be one of 1xx: it does not end its stream, and its status is not known. What follows an answer
    /// is its trailers, and those end the stream.
    pub(super) fn count_head(&self, id: u32) {
        self.heads.fetch_add(1, Ordering::AcqRel);
        let mut streams = self.lock();
        let Some(entry) = streams.entries.iter_mut().find(|entry| entry.id == id) else { return };
        entry.heads = entry.heads.saturating_add(1);
        if entry.heads <= MAX_INFORMATIONAL + 1 {
            return;
        }
        entry.is_flooded = true;
        let stream = entry.stream.take();
        drop(streams);
        reset(stream, Reason::PROTOCOL_ERROR);
    }

    /// How many such heads have come on the connection: while there are no more, no stream has one of 1xx.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Ordering::Acquire)
    }

    fn insert(&self, id: u32, stream: SendStream<Bytes>) -> usize {
        let entry = Entry { id, heads: 0, stream: Some(stream), is_flooded: false };
        let Entries { entries, free } = &mut *self.lock();
        match free.pop() {
            Some(place) => {
                entries[place] = entry;
                place
            }
            None => {
                entries.push(entry);
                entries.len() - 1
            }
        }
    }

    fn take(&self, place: usize) -> Option<SendStream<Bytes>> {
        self.lock().entries[place].stream.take()
    }

    /// Gives it back, if it was flooded meanwhile.
    fn put_back(&self, place: usize, stream: SendStream<Bytes>) -> Option<SendStream<Bytes>> {
        match &mut self.lock().entries[place] {
            entry if !entry.is_flooded => entry.stream.replace(stream),
            _ => Some(stream),
        }
    }

    fn remove(&self, place: usize) -> Option<SendStream<Bytes>> {
        let Entries { entries, free } = &mut *self.lock();
        let entry = &mut entries[place];
        entry.id = 0;
        free.push(place);
        entry.stream.take()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        lock::lock(&self.streams)
    }
}

impl SendHandle {
    pub(super) fn new(conn: Arc<ConnShared>, stream: SendStream<Bytes>) -> Self {
        let id = stream.stream_id().as_u32();
        let place = Some(conn.state().unanswered().insert(id, stream));
        Self { conn, id, place }
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Uses the stream, outside of any lock; `None` if it was reset.
    pub(super) fn with<T>(&self, using: impl FnOnce(&mut SendStream<Bytes>) -> T) -> Option<T> {
        let mut stream = self.streams().take(self.place?)?;
        let used = using(&mut stream);
        reset(self.streams().put_back(self.place?, stream), Reason::PROTOCOL_ERROR);
        Some(used)
    }

    pub(super) fn reset(&self, reason: Reason) {
        let stream = self.place.and_then(|place| self.streams().take(place));
        reset(stream, reason);
    }

    /// Whether the stream was reset because of too many 1xx.
    pub(super) fn is_flooded(&self) -> bool {
        self.place.is_some_and(|place| self.streams().lock().entries[place].is_flooded)
    }

    /// The answer begins: the stream is the caller's alone. `None` if it was reset.
    pub(super) fn release(&mut self) -> Option<SendStream<Bytes>> {
        let place = self.place.take()?;
        self.streams().remove(place)
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
