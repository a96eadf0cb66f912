//! The streams whose answer has not begun, and how many heads of 1xx came for each.
//!
//! h2 keeps every 1xx until its request is polled, and HEADERS have no flow control: a peer could fill the memory of a
//! caller that polls seldom. So the task that reads the frames counts heads, whoever polls, and resets a stream that has
//! too many. For that it has the sending half of each stream until the answer begins.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use h2::{Reason, SendStream};

use super::shared::ConnShared;

/// So many 1xx are passed over before one answer: nobody honest sends more.
pub(super) const MAX_INFORMATIONAL: u8 = 64;

/// Why a stream with more of them fails.
pub(super) const TOO_MANY: &str = "more than 64 answers of 1xx";

/// The streams of a connection whose answer has not begun, by their ids.
#[derive(Default)]
pub(super) struct Unanswered {
    streams: Mutex<HashMap<u32, Entry, RandomState>>,
}

#[derive(Default)]
struct Entry {
    /// HEADERS that did not end the stream.
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
    is_released: bool,
}

impl Unanswered {
    /// A head came that does not end its stream: an answer, or one before it. What follows an answer is its trailers,
    /// and those end the stream.
    pub(super) fn count_head(&self, id: u32) {
        let mut streams = self.lock();
        let Some(entry) = streams.get_mut(&id) else { return };
        entry.heads = entry.heads.saturating_add(1);
        if entry.heads <= MAX_INFORMATIONAL + 1 {
            return;
        }
        entry.is_flooded = true;
        let stream = entry.stream.take();
        drop(streams);
        reset(stream, Reason::PROTOCOL_ERROR);
    }

    fn insert(&self, id: u32, stream: SendStream<Bytes>) {
        let entry = Entry { stream: Some(stream), ..Entry::default() };
        self.lock().insert(id, entry);
    }

    fn take(&self, id: u32) -> Option<SendStream<Bytes>> {
        self.lock().get_mut(&id)?.stream.take()
    }

    /// Gives it back, if it was flooded meanwhile.
    fn put_back(&self, id: u32, stream: SendStream<Bytes>) -> Option<SendStream<Bytes>> {
        let mut streams = self.lock();
        match streams.get_mut(&id) {
            Some(entry) if !entry.is_flooded => entry.stream.replace(stream),
            _ => Some(stream),
        }
    }

    fn remove(&self, id: u32) -> Option<SendStream<Bytes>> {
        self.lock().remove(&id)?.stream
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Entry, RandomState>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendHandle {
    pub(super) fn new(conn: Arc<ConnShared>, stream: SendStream<Bytes>) -> Self {
        let id = stream.stream_id().as_u32();
        conn.state().unanswered().insert(id, stream);
        Self { conn, id, is_released: false }
    }

    /// Uses the stream, outside of any lock; `None` if it was reset.
    pub(super) fn with<T>(&self, using: impl FnOnce(&mut SendStream<Bytes>) -> T) -> Option<T> {
        let mut stream = self.streams().take(self.id)?;
        let used = using(&mut stream);
        reset(self.streams().put_back(self.id, stream), Reason::PROTOCOL_ERROR);
        Some(used)
    }

    pub(super) fn reset(&self, reason: Reason) {
        reset(self.streams().take(self.id), reason);
    }

    /// Whether the stream was reset because of too many 1xx.
    pub(super) fn is_flooded(&self) -> bool {
        self.streams().lock().get(&self.id).is_some_and(|entry| entry.is_flooded)
    }

    /// The answer begins: the stream is the caller's alone. `None` if it was reset.
    pub(super) fn release(&mut self) -> Option<SendStream<Bytes>> {
        self.is_released = true;
        self.streams().remove(self.id)
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
        if !self.is_released {
            drop(self.streams().remove(self.id));
        }
    }
}

impl fmt::Debug for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unanswered").field("streams", &self.lock().len()).finish()
    }
}
