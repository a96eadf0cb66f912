//! One connection in the state, from the permission to dial to the close of its transport.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    CancelGuard, ConnFacts, KeyId, Seq, Use, drain::Drain, idle_list::IdleLinks, tally::Role,
};
use crate::events::{CloseReason, NoteKind};

/// Streams of a shared connection before its peer's SETTINGS (RFC 9113 §6.5.2 recommends no less).
const STREAMS_UNSAID: usize = 100;

pub(super) struct Slot<C> {
    pub(super) key_id: KeyId,
    pub(super) state: SlotState<C>,
    pub(super) served: u64,
    /// Its neighbours in the idle list.
    pub(super) links: IdleLinks,
    /// It has been idle since its dial, so what is known about it may be out of date.
    pub(super) was_idle: bool,
    pub(super) age: Age,
    pub(super) facts: ConnFacts,
    /// How many requests it may carry at once; `None` while it takes no new ones.
    pub(super) streams: Option<usize>,
    /// The number before a request doubted the connection; `None` once the connection has reported.
    pub(super) before_doubt: Option<usize>,
    /// How its key lists a shared connection.
    pub(super) listed: Option<Availability>,
    /// A shared connection that takes no more requests, but has some to finish.
    pub(super) drain: Option<Drain>,
    /// Drains to make room that did not end in time.
    pub(super) failed_drains: u32,
    /// No further drain to make room before this.
    pub(super) drain_after: Option<Instant>,
    /// The reason of its close event; `None` if the peer closed it.
    pub(super) close_reason: Option<CloseReason>,
}

pub(super) enum SlotState<C> {
    Dialing {
        /// The waiter that needed it.
        caused_by: Option<Seq>,
        guard: CancelGuard,
        /// The connection closed before its dial reported.
        transport_closed: bool,
    },
    /// A canceled dial, until its task has ended.
    Abandoned,
    /// With a request.
    Leased,
    /// A dropped response is drained, until canceled.
    Finishing {
        guard: CancelGuard,
        /// From then on a waiter of the same key may cancel it, too.
        until: Instant,
    },
    /// The drain was canceled; the connection is about to be discarded.
    Unfinished,
    /// Its request has ended, its protocol is not ready again yet.
    Returning,
    Idle {
        connection: Box<C>,
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

/// Since when a slot is dialing or, once its dial has brought a connection, open.
#[derive(Clone, Copy)]
pub(super) enum Age {
    DialedAt(Instant),
    OpenedAt(Instant),
}

impl Age {
    pub(super) fn since(self) -> Instant {
        match self {
            Self::DialedAt(at) | Self::OpenedAt(at) => at,
        }
    }
}

pub(super) struct Idle {
    pub(super) since: Instant,
    pub(super) until: Option<Instant>,
}

/// What a shared connection that does not drain can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// A stream is free.
    Free,
    Full,
    /// The peer allows no streams for now: another connection would not be allowed more.
    Forbidden,
    /// No request uses it, and none may for now.
    Useless,
}

impl<C> Slot<C> {
    pub(super) fn dialing(
        key_id: KeyId,
        caused_by: Option<Seq>,
        guard: CancelGuard,
        now: Instant,
    ) -> Self {
        Self {
            key_id,
            state: SlotState::Dialing { caused_by, guard, transport_closed: false },
            served: 0,
            links: IdleLinks::NONE,
            was_idle: false,
            age: Age::DialedAt(now),
            facts: ConnFacts::default(),
            streams: Some(STREAMS_UNSAID),
            before_doubt: None,
            listed: None,
            drain: None,
            failed_drains: 0,
            drain_after: None,
            close_reason: None,
        }
    }

    pub(super) fn role(&self) -> Role {
        match &self.state {
            SlotState::Dialing { .. } => Role::Dialing,
            SlotState::Leased | SlotState::Finishing { .. } | SlotState::Idle { .. } => {
                Role::Serving
            }
            SlotState::Returning => Role::Returning,
            SlotState::Shared { .. } => match self.drain {
                None => Role::Serving,
                Some(Drain::MakesRoom { .. }) => Role::Yielding,
                Some(Drain::Final { .. }) => Role::Draining,
                Some(Drain::PassedOn) => Role::PassedOn,
            },
            SlotState::Closing => match self.drain {
                // A drain to make room has no successor: its slot is free once it is closed.
                None | Some(Drain::MakesRoom { .. }) => Role::Closing,
                Some(Drain::Final { .. }) => Role::Drained,
                Some(Drain::PassedOn) => Role::PassedOn,
            },
            SlotState::Upgraded => Role::Upgraded,
            SlotState::Abandoned | SlotState::Unfinished => Role::Closing,
        }
    }

    pub(super) fn is_dialing(&self) -> bool {
        matches!(self.state, SlotState::Dialing { .. })
    }

    /// Whether its dial, canceled or not, has not reported yet.
    pub(super) fn is_in_the_making(&self) -> bool {
        matches!(self.state, SlotState::Dialing { .. } | SlotState::Abandoned)
    }

    /// Whether its dial has brought a connection that takes no requests and is still open.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.state, SlotState::Dialing { transport_closed: false, .. })
            && matches!(self.age, Age::OpenedAt(_))
    }

    pub(super) fn caused_by(&self) -> Option<Seq> {
        match self.state {
            SlotState::Dialing { caused_by, .. } => caused_by,
            _ => None,
        }
    }

    /// Whether it can take a request as soon as it is connected.
    pub(super) fn is_fit(&self) -> bool {
        let is_closed = matches!(self.state, SlotState::Dialing { transport_closed: true, .. });
        self.streams.is_some() && !is_closed
    }

    pub(super) fn idle(&self) -> Option<&Idle> {
        match &self.state {
            SlotState::Idle { idle, .. } => Some(idle),
            SlotState::Shared { idle, .. } => idle.as_ref(),
            _ => None,
        }
    }

    /// When it has been idle for too long.
    pub(super) fn until(&self) -> Option<Instant> {
        self.idle()?.until
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.until().is_some_and(|until| until <= now)
    }

    /// Whether it is too old, or has served too many requests, for another one.
    pub(super) fn is_retired(&self, now: Instant, max_requests: Option<u64>) -> bool {
        let is_old = self.facts.retire_at.is_some_and(|at| at <= now);
        // It serves the waiter it was dialed for in any case, or dialing would never end.
        self.served > 0 && (is_old || max_requests.is_some_and(|n| self.served >= n))
    }

    /// `None` for exclusive and draining connections.
    pub(super) fn availability(&self) -> Option<Availability> {
        let (SlotState::Shared { used, .. }, None) = (&self.state, &self.drain) else {
            return None;
        };
        Some(match (self.streams, *used) {
            (Some(0), 0) => Availability::Forbidden,
            (None, 0) => Availability::Useless,
            (Some(streams), used) if used < streams => Availability::Free,
            _ => Availability::Full,
        })
    }

    /// Whether it may be drained to make room for another key.
    pub(super) fn may_be_drained(&self, now: Instant) -> bool {
        self.drain_after.is_none_or(|after| after <= now)
    }

    /// The idle span: bounded by our limit, the peer's and its age, whichever ends first.
    pub(super) fn idle_span(&self, limit: Option<Duration>, now: Instant) -> Idle {
        let until = limit.and_then(|limit| now.checked_add(limit));
        let until = match (until, self.facts.retire_at) {
            (Some(until), Some(retire)) => Some(until.min(retire)),
            (until, retire) => until.or(retire),
        };
        Idle { since: now, until }
    }

    /// Counts one more request. Returns the count, and whether to treat the connection as used before.
    pub(super) fn serve(&mut self) -> (u64, bool) {
        self.served += 1;
        (self.served, self.served > 1 || self.was_idle)
    }

    /// Whether no request is on it and none waits for its dial.
    pub(super) fn is_unused(&self) -> bool {
        match &self.state {
            SlotState::Dialing { .. } | SlotState::Leased | SlotState::Upgraded => false,
            SlotState::Shared { idle, .. } => idle.is_some(),
            SlotState::Abandoned
            | SlotState::Finishing { .. }
            | SlotState::Unfinished
            | SlotState::Returning
            | SlotState::Idle { .. }
            | SlotState::Closing => true,
        }
    }

    pub(super) fn in_use(&self) -> Use {
        match &self.state {
            SlotState::Dialing { .. } => Use::Dialing,
            SlotState::Leased | SlotState::Finishing { .. } | SlotState::Upgraded => Use::Active,
            SlotState::Idle { .. } | SlotState::Shared { used: 0, .. } => Use::Idle,
            SlotState::Shared { .. } => Use::Active,
            SlotState::Abandoned
            | SlotState::Unfinished
            | SlotState::Returning
            | SlotState::Closing => Use::Closing,
        }
    }

    /// The event for the close of its transport; `None` if it was never open.
    pub(super) fn close_event(&self, now: Instant) -> Option<NoteKind> {
        let Age::OpenedAt(opened_at) = self.age else { return None };
        let open_for = now.saturating_duration_since(opened_at);
        Some(NoteKind::Close { reason: self.close_reason.unwrap_or(CloseReason::ByPeer), open_for })
    }

    /// Requests on it now.
    pub(super) fn requests(&self) -> usize {
        match &self.state {
            SlotState::Leased | SlotState::Finishing { .. } | SlotState::Upgraded => 1,
            SlotState::Shared { used, .. } => *used,
            _ => 0,
        }
    }
}
