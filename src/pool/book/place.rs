//! One connection's line in the book, from the leave to dial to the close of its transport.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DeskId, Known, Turn, Use, Want};
use crate::events::{Closing, Noted};

/// What a shared connection carries at once while its peer has not said (RFC 9113 §6.5.2 recommends no less).
const STREAMS_UNSAID: usize = 100;

pub(super) struct Place<C> {
    pub(super) desk: DeskId,
    pub(super) state: State<C>,
    pub(super) served: u64,
    pub(super) opened_at: Instant,
    pub(super) known: Known,
    /// How many requests may be on it at once; `None` while it takes no new ones.
    pub(super) streams: Option<usize>,
    /// It takes no more requests and is counted among those that will soon be free.
    pub(super) leaving: bool,
    /// Its transport was closed before its dial had reported.
    pub(super) transport_closed: bool,
    /// Its dial has brought a connection.
    pub(super) was_open: bool,
    /// Why it was closed, if it was not the peer.
    pub(super) why: Option<Closing>,
}

pub(super) enum State<C> {
    Dialing {
        /// The waiter for whom nothing else was on its way.
        caused_by: Turn,
        want: Want,
    },
    /// A dial that nobody waits for any more, until it has let go of what it had begun.
    Abandoned,
    /// With a request.
    Out,
    /// Its request is over, its protocol not yet ready again.
    Returning,
    Idle {
        connection: C,
        idle: Idle,
    },
    Shared {
        connection: Arc<C>,
        used: usize,
        idle: Option<Idle>,
    },
    Upgraded,
    Closing,
}

pub(super) struct Idle {
    pub(super) turn: Turn,
    pub(super) since: Instant,
    pub(super) until: Option<Instant>,
}

impl<C> Place<C> {
    pub(super) fn dialing(desk: DeskId, caused_by: Turn, want: Want, now: Instant) -> Self {
        Self {
            desk,
            state: State::Dialing { caused_by, want },
            served: 0,
            opened_at: now,
            known: Known::default(),
            streams: Some(STREAMS_UNSAID),
            leaving: false,
            transport_closed: false,
            was_open: false,
            why: None,
        }
    }

    pub(super) fn is_dialing(&self) -> bool {
        matches!(self.state, State::Dialing { .. })
    }

    /// Whether there is a dial, wanted or not, that has yet to report.
    pub(super) fn is_in_the_making(&self) -> bool {
        matches!(self.state, State::Dialing { .. } | State::Abandoned)
    }

    /// Whether it can take a request as soon as it is connected.
    pub(super) fn is_fit(&self) -> bool {
        self.streams.is_some() && !self.transport_closed
    }

    pub(super) fn idle(&self) -> Option<&Idle> {
        match &self.state {
            State::Idle { idle, .. } => Some(idle),
            State::Shared { idle, .. } => idle.as_ref(),
            _ => None,
        }
    }

    /// When it has rested too long.
    pub(super) fn until(&self) -> Option<Instant> {
        self.idle()?.until
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| until <= now)
    }

    /// Whether it is too old, or has served too many, for another request.
    pub(super) fn is_retired(&self, now: Instant, max_requests: Option<u64>) -> bool {
        let is_old = self.known.retire_at.is_some_and(|at| at <= now);
        // Whoever it was made for is served, or there would be no end of making.
        self.served > 0 && (is_old || max_requests.is_some_and(|n| self.served >= n))
    }

    pub(super) fn has_free_stream(&self) -> bool {
        match (&self.state, self.streams) {
            (State::Shared { used, .. }, Some(streams)) => !self.leaving && *used < streams,
            _ => false,
        }
    }

    /// Whether the peer allows nothing at all for now: another connection would not be allowed more.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.state, State::Shared { used: 0, .. }) && self.streams == Some(0)
    }

    /// Whether nobody uses it, and nobody may for now.
    pub(super) fn is_useless(&self) -> bool {
        matches!(self.state, State::Shared { used: 0, .. }) && self.streams.is_none()
    }

    /// How long it may rest: as we like and as the peer said, whichever is shorter, and not beyond its age.
    pub(super) fn rest(&self, turn: Turn, limit: Option<Duration>, now: Instant) -> Idle {
        let until = limit.and_then(|limit| now.checked_add(limit));
        let until = match (until, self.known.retire_at) {
            (Some(until), Some(retire)) => Some(until.min(retire)),
            (until, retire) => until.or(retire),
        };
        Idle { turn, since: now, until }
    }

    pub(super) fn in_use(&self) -> Use {
        match &self.state {
            State::Dialing { .. } => Use::Dialing,
            State::Out | State::Upgraded => Use::Active,
            State::Idle { .. } | State::Shared { used: 0, .. } => Use::Idle,
            State::Shared { .. } => Use::Active,
            State::Abandoned | State::Returning | State::Closing => Use::Closing,
        }
    }

    /// What is said of it when its transport is gone.
    pub(super) fn obituary(&self, now: Instant) -> Option<Noted> {
        let open_for = now.saturating_duration_since(self.opened_at);
        let why = self.why.unwrap_or(Closing::ByPeer);
        self.was_open.then_some(Noted::Close { why, open_for })
    }

    /// Requests on it now.
    pub(super) fn requests(&self) -> usize {
        match &self.state {
            State::Out | State::Upgraded => 1,
            State::Shared { used, .. } => *used,
            _ => 0,
        }
    }
}
