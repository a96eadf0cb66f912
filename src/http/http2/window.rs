//! The peer's window for all streams together (RFC 9113 §6.9), tracked by the frames.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

/// The initial window of every connection (RFC 9113 §6.9.2).
const INITIAL: i64 = 65_535;

/// A peer that fills its frames may wait for room for a whole one.
const FRAME: i64 = 16 << 10;

/// The window of a connection, as the peer knows it.
pub(super) struct Window {
    // Signed: a peer may exceed the window before h2 reports that.
    open: AtomicI64,
    /// Below this the peer may not be able to send.
    least: i64,
}

impl Window {
    /// `target` is the configured window, restored as data is consumed.
    pub(super) fn new(target: u32) -> Self {
        // h2 sends WINDOW_UPDATE when half the window is consumed, so half of a small window may be withheld.
        let least = FRAME.min(i64::from(target) / 2).max(1);
        Self { open: AtomicI64::new(INITIAL), least }
    }

    /// DATA was received.
    pub(super) fn shrink(&self, bytes: u64) {
        self.open.fetch_sub(bytes.cast_signed(), Ordering::AcqRel);
    }

    /// A WINDOW_UPDATE was sent.
    pub(super) fn grow(&self, bytes: u32) {
        self.open.fetch_add(i64::from(bytes), Ordering::AcqRel);
    }

    /// Whether the peer can send no body, because unread responses fill the window.
    pub(super) fn is_exhausted(&self) -> bool {
        self.open.load(Ordering::Acquire) < self.least
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("open", &self.open).finish_non_exhaustive()
    }
}
