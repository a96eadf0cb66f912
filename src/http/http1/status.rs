//! The status of a connection, as past exchanges have left it.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

/// Whether a connection takes requests, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ConnStatus {
    Open,
    /// Open, but the peer speaks HTTP/1.0 and knows no chunks.
    Http10,
    /// It takes no request after the last response.
    Finished,
    /// Its stream belongs to another protocol and its new owner.
    Upgraded,
    /// Closed by this side or the peer.
    Closed,
}

/// The status, readable without a lock.
#[derive(Debug)]
pub(super) struct StatusCell {
    status: AtomicU8,
    /// Seconds of `Keep-Alive: timeout`; [`UNKNOWN`] if the peer sent none.
    keep_alive: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl StatusCell {
    pub(super) fn new() -> Self {
        Self { status: AtomicU8::new(ConnStatus::Open as u8), keep_alive: AtomicU64::new(UNKNOWN) }
    }

    pub(super) fn get(&self) -> ConnStatus {
        // All else is behind the lock of the connection: the status orders no other memory.
        match self.status.load(Ordering::Acquire) {
            0 => ConnStatus::Open,
            1 => ConnStatus::Http10,
            2 => ConnStatus::Finished,
            3 => ConnStatus::Upgraded,
            _ => ConnStatus::Closed,
        }
    }

    pub(super) fn takes_requests(&self) -> bool {
        matches!(self.get(), ConnStatus::Open | ConnStatus::Http10)
    }

    /// The peer speaks HTTP/1.0 at most.
    pub(super) fn mark_http10(&self) {
        self.replace(ConnStatus::Open, ConnStatus::Http10);
    }

    /// Takes no more requests, unless it already takes none for a stronger reason.
    pub(super) fn finish(&self) {
        self.replace(ConnStatus::Open, ConnStatus::Finished);
        // Two attempts, because the status may become `Http10` in between.
        self.replace(ConnStatus::Http10, ConnStatus::Finished);
    }

    /// Closes it; `false` if it was upgraded.
    pub(super) fn close(&self) -> bool {
        let close =
            |status| (status != ConnStatus::Upgraded as u8).then_some(ConnStatus::Closed as u8);
        self.status.fetch_update(Ordering::AcqRel, Ordering::Acquire, close).is_ok()
    }

    /// Marks the upgrade; `false` if it was closed meanwhile.
    pub(super) fn upgrade(&self) -> bool {
        let upgrade =
            |status| (status != ConnStatus::Closed as u8).then_some(ConnStatus::Upgraded as u8);
        self.status.fetch_update(Ordering::AcqRel, Ordering::Acquire, upgrade).is_ok()
    }

    pub(super) fn keep_alive(&self) -> Option<Duration> {
        match self.keep_alive.load(Ordering::Acquire) {
            UNKNOWN => None,
            seconds => Some(Duration::from_secs(seconds)),
        }
    }

    pub(super) fn set_keep_alive(&self, seconds: u64) {
        self.keep_alive.store(seconds, Ordering::Release);
    }

    fn replace(&self, from: ConnStatus, to: ConnStatus) {
        let (from, to) = (from as u8, to as u8);
        // `Err` means that the status was another one.
        let _ = self.status.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire);
    }
}
