//! The state of a whole connection.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::{signals::Signals, unanswered::Unanswered, window::Window};
use crate::{
    connection::PoolSlot,
    error::{BoxError, Kind},
    io::metered::Meter,
    rt::TaskDropped,
};

/// Streams allowed before the peer's SETTINGS, and without a limit in them.
pub(super) const ASSUMED_STREAMS: usize = 100;

/// The number that h2 starts with: a different one, so that SETTINGS with 100 are noticed.
pub(super) const PRE_SETTINGS_STREAMS: usize = ASSUMED_STREAMS + 1;

/// In microseconds: a usual response may well take that long.
const SHORTEST_LONG_SILENCE: u64 = 1_000_000;

/// Written by the driver, read by handles, requests and bodies.
pub(super) struct ConnState {
    meter: Arc<Meter>,
    status: AtomicU8,
    /// The peer's limit on streams, whatever the status.
    allowed: AtomicUsize,
    /// Streams in use.
    active: AtomicUsize,
    /// A request was queued that the driver has not written.
    has_queued: AtomicBool,
    signals: Signals,
    unanswered: Unanswered,
    window: Window,
    made_at: Instant,
    /// When the driver last read something, in nanoseconds since the connection was made.
    read_at: AtomicU64,
    /// The peer has acknowledged our SETTINGS.
    is_acknowledged: AtomicBool,
    /// Whether the peer has sent SETTINGS of its own.
    has_settings: AtomicBool,
    /// HEADERS or DATA have come since this was last taken.
    has_answer: AtomicBool,
    /// The last stream whose head was written. Heads are written in the order of their streams (RFC 9113 §5.1.1).
    last_head: AtomicU32,
    /// Silence in microseconds that makes the connection suspect without a PING.
    long_silence: AtomicU64,
    /// The meter owns the slot; it is dropped with the socket.
    slot: OnceLock<Weak<PoolSlot>>,
    close_cause: OnceLock<CloseCause>,
}

/// Whether a connection can be used. Only `Suspect` can improve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum ConnStatus {
    Open,
    /// A stream was cancelled without a byte from the peer, and none has come since.
    Suspect,
    /// The peer sent GOAWAY, stream ids are used up, or no PING may clear a suspicion: active streams finish.
    Draining,
    Closed,
}

/// Why this side closed a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum CloseCause {
    /// A PING was unanswered for this time.
    Silent(Duration),
    /// The runtime dropped the driver.
    Abandoned,
    /// The pool aborted the connection.
    Aborted,
}

impl ConnState {
    pub(super) fn new(meter: Arc<Meter>, window: Window, now: Instant) -> Self {
        Self {
            meter,
            status: AtomicU8::new(ConnStatus::Open as u8),
            allowed: AtomicUsize::new(ASSUMED_STREAMS),
            active: AtomicUsize::new(0),
            has_queued: AtomicBool::new(false),
            signals: Signals::default(),
            unanswered: Unanswered::default(),
            window,
            made_at: now,
            read_at: AtomicU64::new(0),
            is_acknowledged: AtomicBool::new(false),
            has_settings: AtomicBool::new(false),
            has_answer: AtomicBool::new(false),
            last_head: AtomicU32::new(0),
            long_silence: AtomicU64::new(SHORTEST_LONG_SILENCE),
            slot: OnceLock::new(),
            close_cause: OnceLock::new(),
        }
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The driver has read all that there was.
    pub(super) fn note_read(&self, now: Instant) {
        self.read_at.store(self.age(now), Ordering::Release);
    }

    /// Whether the driver has read something within this time.
    pub(super) fn was_read_within(&self, nanoseconds: u64, now: Instant) -> bool {
        self.time_since_read(now) < Duration::from_nanos(nanoseconds)
    }

    /// For how long the driver has read nothing.
    pub(super) fn time_since_read(&self, now: Instant) -> Duration {
        let read_at = self.read_at.load(Ordering::Acquire);
        Duration::from_nanos(self.age(now).saturating_sub(read_at))
    }

    /// In nanoseconds; 64 bits hold 584 years, so the arithmetic cannot wrap in practice.
    fn age(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.made_at);
        age.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(age.subsec_nanos()))
    }

    /// Streams without a response head.
    pub(super) fn unanswered(&self) -> &Unanswered {
        &self.unanswered
    }

    /// What the peer may send on all streams together.
    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn settings_acknowledged(&self) {
        self.is_acknowledged.store(true, Ordering::Release);
    }

    pub(super) fn settings_received(&self) {
        self.has_settings.store(true, Ordering::Release);
    }

    pub(super) fn has_settings(&self) -> bool {
        self.has_settings.load(Ordering::Acquire)
    }

    pub(super) fn is_acknowledged(&self) -> bool {
        self.is_acknowledged.load(Ordering::Acquire)
    }

    /// HEADERS were written, with the end of a request or not.
    pub(super) fn headers_written(&self, stream: u32, is_end: bool) {
        // Only the driver writes.
        if stream > self.last_head.load(Ordering::Relaxed) {
            self.last_head.store(stream, Ordering::Release);
        } else if is_end {
            // Trailers.
            self.unanswered().sent(stream);
        }
    }

    /// Whether the head of a request was written.
    pub(super) fn is_head_written(&self, stream: u32) -> bool {
        stream <= self.last_head.load(Ordering::Acquire)
    }

    /// HEADERS or DATA have come, on any stream.
    pub(super) fn answer_received(&self) {
        self.has_answer.store(true, Ordering::Release);
    }

    /// Whether HEADERS or DATA have come since the last call.
    pub(super) fn take_answer(&self) -> bool {
        self.has_answer.swap(false, Ordering::AcqRel)
    }

    /// Sets the silence after which a PING counts as unanswered.
    pub(super) fn note_unusual_silence(&self, silence: Duration) {
        let silence = u64::try_from(silence.as_micros()).unwrap_or(u64::MAX);
        self.long_silence.store(silence.max(SHORTEST_LONG_SILENCE), Ordering::Release);
    }

    /// Whether a wait without a byte makes the peer suspect without a PING.
    pub(super) fn is_long(&self, silence: Duration) -> bool {
        silence.as_micros() >= u128::from(self.long_silence.load(Ordering::Acquire))
    }

    pub(super) fn status(&self) -> ConnStatus {
        match self.status.load(Ordering::Acquire) {
            0 => ConnStatus::Open,
            1 => ConnStatus::Suspect,
            2 => ConnStatus::Draining,
            _ => ConnStatus::Closed,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.status() == ConnStatus::Open
    }

    /// Whether a new request is sent. A suspect connection is avoided, but works.
    pub(super) fn takes_requests(&self) -> bool {
        self.status() < ConnStatus::Draining
    }

    /// The current limit on streams; `None` while no new ones are wanted.
    fn streams(&self) -> Option<usize> {
        self.is_open().then(|| self.allowed.load(Ordering::Acquire))
    }

    /// Whether the peer allows one more stream now.
    pub(super) fn has_free_stream(&self) -> bool {
        // An estimate, as both may change: h2 itself holds back a stream beyond the limit.
        self.active() < self.allowed.load(Ordering::Acquire)
    }

    pub(super) fn allow(&self, streams: usize) {
        if self.allowed.swap(streams, Ordering::AcqRel) != streams {
            self.report();
        }
    }

    pub(super) fn suspect(&self) -> bool {
        self.change(ConnStatus::Open, ConnStatus::Suspect)
    }

    pub(super) fn clear_suspicion(&self) {
        if self.change(ConnStatus::Suspect, ConnStatus::Open) {
            self.report();
        }
    }

    /// Moves to `Draining` or `Closed`; never back.
    pub(super) fn retire(&self, to: ConnStatus) {
        // Statuses are ordered, so concurrent changes cannot move back; only the first change reports.
        if self.status.fetch_max(to as u8, Ordering::AcqRel) < to as u8 {
            self.report();
        }
    }

    pub(super) fn close(&self, close_cause: CloseCause) {
        // The first cause stands. Set before the status, so that whoever sees `Closed` finds it.
        let _ = self.close_cause.set(close_cause);
        self.retire(ConnStatus::Closed);
    }

    pub(super) fn close_cause(&self) -> Option<CloseCause> {
        self.close_cause.get().copied()
    }

    /// Holds the slot until the socket is closed, and reports the number of streams.
    pub(super) fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        let slot = Arc::new(slot);
        if self.slot.set(Arc::downgrade(&slot)).is_err() {
            return Arc::into_inner(slot);
        }
        // The meter drops it after the socket, or at once if the socket is gone.
        self.meter.hold(slot);
        self.report();
        None
    }

    /// Reports to the slot. Two threads may report at once: re-reports if the value changed meanwhile.
    pub(super) fn report(&self) {
        let Some(slot) = self.slot.get().and_then(Weak::upgrade) else { return };
        loop {
            let (takes_requests, streams) = (self.takes_requests(), self.streams());
            match streams {
                _ if !takes_requests => slot.retire(),
                Some(streams) => slot.streams(streams),
                None => slot.suspend(),
            }
            if (self.takes_requests(), self.streams()) == (takes_requests, streams) {
                return;
            }
        }
    }

    pub(super) fn stream_opens(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
        // Second: a driver that sees the flag (Acquire) also sees the count.
        self.has_queued.store(true, Ordering::Release);
    }

    pub(super) fn stream_ends(&self) {
        self.active.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// Whether a request was queued since the last call.
    pub(super) fn take_queued(&self) -> bool {
        // A load first: most turns find nothing, and a swap costs more.
        self.has_queued.load(Ordering::Acquire) && self.has_queued.swap(false, Ordering::AcqRel)
    }

    fn change(&self, from: ConnStatus, to: ConnStatus) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.status.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl CloseCause {
    /// The source of an error.
    pub(super) fn into_cause(self) -> BoxError {
        match self {
            Self::Abandoned => Box::new(TaskDropped),
            Self::Silent(_) | Self::Aborted => Box::new(self),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Silent(_) => Kind::Io,
            Self::Abandoned => Kind::Canceled,
            Self::Aborted => Kind::Closed,
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(time) => write!(f, "the peer is silent: no answer to a PING in {time:?}"),
            Self::Abandoned => TaskDropped.fmt(f),
            Self::Aborted => f.write_str("the connection was closed before its requests were over"),
        }
    }
}

impl std::error::Error for CloseCause {}

impl fmt::Debug for ConnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnState")
            .field("status", &self.status())
            .field("allowed", &self.allowed)
            .field("active", &self.active)
            .field("meter", &self.meter)
            .finish()
    }
}
