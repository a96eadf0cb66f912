//! What the peer may still send on all streams together (RFC 9113 §6.9), as the frames say.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

/// Every connection begins with so much (RFC 9113 §6.9.2).
const INITIAL: i64 = 65_535;

/// A peer that fills its frames may wait for room for a whole one.
const FRAME: i64 = 16 << 10;

/// The window of a connection, as the peer knows it.
pub(super) struct Window {
    open: AtomicI64,
    /// With less than this the peer cannot be expected to send.
    least: i64,
}

impl Window {
    /// One that is kept open as far as `target`, while all that comes is taken.
    pub(super) fn new(target: u32) -> Self {
        let least = FRAME.min(i64::from(target) / 2).max(1);
        Self { open: AtomicI64::new(INITIAL), least }
    }

    /// So much DATA came.
    pub(super) fn shrink(&self, bytes: u64) {
        self.open.fetch_sub(bytes.cast_signed(), Ordering::AcqRel);
    }

    /// A WINDOW_UPDATE went out.
    pub(super) fn grow(&self, bytes: u32) {
        self.open.fetch_add(i64::from(bytes), Ordering::AcqRel);
    }

    /// Whether the peer cannot go on with any body: answers that nobody reads fill the window.
    pub(super) fn is_withheld(&self) -> bool {
        self.open.load(Ordering::Acquire) < self.least
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("open", &self.open).finish_non_exhaustive()
    }
}
