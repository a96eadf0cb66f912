//! What is known about a connection as a whole, by everyone who has to do with it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
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

/// How many streams are opened before the peer has said how many it allows, and if it says nothing.
pub(super) const ASSUMED_STREAMS: usize = 100;

/// What h2 is told to count with until then: another number, so that a peer that says a hundred has said something.
pub(super) const UNTOLD_STREAMS: usize = ASSUMED_STREAMS + 1;

/// In microseconds: a server may well take so long for an answer.
const SHORTEST_LONG_SILENCE: u64 = 1_000_000;

/// The state of a connection: written by its driver, read by handles, requests and bodies.
pub(super) struct ConnState {
    meter: Arc<Meter>,
    status: AtomicU8,
    /// As many streams as the peer allows, whatever the status.
    allowed: AtomicUsize,
    /// Streams that someone is waiting on.
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
    /// Microseconds without a byte, after which one who gives up has waited for longer than is usual.
    long_silence: AtomicU64,
    /// The meter holds the place; it goes when the bytes go.
    place: OnceLock<Weak<PoolSlot>>,
    close_cause: OnceLock<CloseCause>,
}

/// Whether a connection can be used. It gets better only from `Suspect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum ConnStatus {
    Open,
    /// The peer left a stream without a word until it was given up, and has said nothing since.
    Suspect,
    /// The peer said GOAWAY, or stream ids are used up: what is under way is finished.
    Draining,
    Closed,
}

/// Why a connection was closed from this side.
#[derive(Clone, Copy, Debug)]
pub(super) enum CloseCause {
    /// The peer answered no PING for so long.
    Silent(Duration),
    /// The runtime dropped the driver.
    Abandoned,
    /// Whoever keeps the connection wants it closed at once.
    Cut,
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
            long_silence: AtomicU64::new(SHORTEST_LONG_SILENCE),
            place: OnceLock::new(),
            close_cause: OnceLock::new(),
        }
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What its users tell the driver.
    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The driver has read something, and then found no more.
    pub(super) fn note_read(&self, now: Instant) {
        self.read_at.store(self.age(now), Ordering::Release);
    }

    /// Whether it has read something within this time.
    pub(super) fn has_read_within(&self, nanoseconds: u64, now: Instant) -> bool {
        self.age(now).saturating_sub(self.read_at.load(Ordering::Acquire)) < nanoseconds
    }

    /// In nanoseconds, of which 64 bits are 584 years.
    fn age(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.made_at);
        age.as_secs().wrapping_mul(1_000_000_000).wrapping_add(u64::from(age.subsec_nanos()))
    }

    /// The streams whose answer has not begun.
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

    pub(super) fn is_acknowledged(&self) -> bool {
        self.is_acknowledged.load(Ordering::Acquire)
    }

    /// No answer to a PING comes later than that.
    pub(super) fn note_unusual_silence(&self, silence: Duration) {
        let silence = u64::try_from(silence.as_micros()).unwrap_or(u64::MAX);
        self.long_silence.store(silence.max(SHORTEST_LONG_SILENCE), Ordering::Release);
    }

    /// Whether a wait without a byte was so long that the peer is in doubt without being asked first.
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

    /// Whether a request that comes now is sent. A suspect connection is one to avoid, not one that failed.
    pub(super) fn takes_requests(&self) -> bool {
        self.status() < ConnStatus::Draining
    }

    /// How many streams there may be at once; `None` while there are to be no new ones.
    fn streams(&self) -> Option<usize> {
        self.is_open().then(|| self.allowed.load(Ordering::Acquire))
    }

    /// Whether the peer allows one more stream than there are.
    pub(super) fn has_free_stream(&self) -> bool {
        self.active() < self.allowed.load(Ordering::Acquire)
    }

    pub(super) fn allow(&self, streams: usize) {
        if self.allowed.swap(streams, Ordering::AcqRel) != streams {
            self.report();
        }
    }

    pub(super) fn doubt(&self) -> bool {
        self.change(ConnStatus::Open, ConnStatus::Suspect)
    }

    pub(super) fn trust(&self) {
        if self.change(ConnStatus::Suspect, ConnStatus::Open) {
            self.report();
        }
    }

    /// Lets what is under way finish, or ends everything.
    pub(super) fn retire(&self, to: ConnStatus) {
        if self.status.fetch_max(to as u8, Ordering::AcqRel) < to as u8 {
            self.report();
        }
    }

    pub(super) fn close(&self, close_cause: CloseCause) {
        let _ = self.close_cause.set(close_cause);
        self.retire(ConnStatus::Closed);
    }

    pub(super) fn close_cause(&self) -> Option<CloseCause> {
        self.close_cause.get().copied()
    }

    /// Keeps the place until the bytes are closed, and says how many streams there are now.
    pub(super) fn hold(&self, place: PoolSlot) -> Option<PoolSlot> {
        let place = Arc::new(place);
        if self.place.set(Arc::downgrade(&place)).is_err() {
            return Arc::into_inner(place);
        }
        self.meter.hold(place);
        self.report();
        None
    }

    /// Two may report at once: who finds that his word was overtaken says it again.
    pub(super) fn report(&self) {
        let Some(place) = self.place.get().and_then(Weak::upgrade) else { return };
        loop {
            let (takes_requests, streams) = (self.takes_requests(), self.streams());
            match streams {
                _ if !takes_requests => place.retire(),
                Some(streams) => place.streams(streams),
                None => place.suspend(),
            }
            if (self.takes_requests(), self.streams()) == (takes_requests, streams) {
                return;
            }
        }
    }

    pub(super) fn stream_opens(&self) {
        self.active.fetch_add(1, Ordering::AcqRel);
        self.has_queued.store(true, Ordering::Release);
    }

    pub(super) fn stream_ends(&self) {
        self.active.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }

    /// Whether a request was queued since the last time.
    pub(super) fn take_queued(&self) -> bool {
        self.has_queued.load(Ordering::Acquire) && self.has_queued.swap(false, Ordering::AcqRel)
    }

    fn change(&self, from: ConnStatus, to: ConnStatus) -> bool {
        let (from, to) = (from as u8, to as u8);
        self.status.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl CloseCause {
    /// As the source of an error.
    pub(super) fn into_cause(self) -> BoxError {
        match self {
            Self::Abandoned => Box::new(TaskDropped),
            Self::Silent(_) | Self::Cut => Box::new(self),
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Silent(_) => Kind::Io,
            Self::Abandoned => Kind::Canceled,
            Self::Cut => Kind::Closed,
        }
    }
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(time) => write!(f, "the peer is silent: no answer to a PING in {time:?}"),
            Self::Abandoned => TaskDropped.fmt(f),
            Self::Cut => f.write_str("the connection was closed before its requests were over"),
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
