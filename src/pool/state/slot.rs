//! One connection's queue in the state, from the leave to dial to the close of its transport.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{CancelGuard, ConnFacts, KeyId, Seq, Use, drain::Drain, idle_list::Links, tally::Role};
use crate::events::{CloseReason, NoteKind};

/// What a shared connection carries at once while its peer has not said (RFC 9113 §6.5.2 recommends no less).
const STREAMS_UNSAID: usize = 100;

pub(super) struct Slot<C> {
    pub(super) key_id: KeyId,
    pub(super) state: SlotState<C>,
    pub(super) served: u64,
    /// Its neighbours among the idle.
    pub(super) links: Links,
    /// It has been idle since it was made, so what is known about it may be out of date.
    pub(super) rested: bool,
    pub(super) opened_at: Instant,
    pub(super) known: ConnFacts,
    /// How many requests may be on it at once; `None` while it takes no new ones.
    pub(super) streams: Option<usize>,
    /// How a shared connection is listed at its key.
    pub(super) listed: Option<Availability>,
    /// A shared connection that takes no more requests, but has some to finish.
    pub(super) drain: Option<Drain>,
    /// How often it was drained to make room, and did not come to an end in time.
    pub(super) failed_drains: u32,
    /// It is not drained to make room again before this.
    pub(super) drain_after: Option<Instant>,
    /// Its transport was closed before its dial had reported.
    pub(super) transport_closed: bool,
    /// Its dial has brought a connection.
    pub(super) was_open: bool,
    /// Why it was closed, if it was not the peer.
    pub(super) reason: Option<CloseReason>,
}

pub(super) enum SlotState<C> {
    Dialing {
        /// The waiter for which nothing else was on its way.
        caused_by: Option<Seq>,
        guard: CancelGuard,
    },
    /// A dial that nobody waits for any more, until it has let go of what it had begun.
    Abandoned,
    /// With a request.
    Out,
    /// The rest of a response that its caller dropped is read, until it is canceled.
    Finishing {
        guard: CancelGuard,
        /// When it is given up for a waiter of its own key, too.
        until: Instant,
    },
    /// That rest is not read to its end, and the connection is about to be discarded.
    Unfinished,
    /// Its request is over, its protocol not yet ready again.
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

pub(super) struct Idle {
    pub(super) since: Instant,
    pub(super) until: Option<Instant>,
}

/// What can be had of a shared connection that is not draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// A stream is free.
    Free,
    Full,
    /// The peer allows nothing at all for now: another connection would not be allowed more.
    Forbidden,
    /// Nobody uses it, and nobody may for now.
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
            state: SlotState::Dialing { caused_by, guard },
            served: 0,
            links: Links::NONE,
            rested: false,
            opened_at: now,
            known: ConnFacts::default(),
            streams: Some(STREAMS_UNSAID),
            listed: None,
            drain: None,
            failed_drains: 0,
            drain_after: None,
            transport_closed: false,
            was_open: false,
            reason: None,
        }
    }

    pub(super) fn role(&self) -> Role {
        match &self.state {
            SlotState::Dialing { .. } => Role::Dialing,
            SlotState::Out | SlotState::Finishing { .. } | SlotState::Idle { .. } => Role::Serving,
            SlotState::Returning => Role::Returning,
            SlotState::Shared { .. } | SlotState::Closing => match (&self.drain, &self.state) {
                (Some(drain), _) if drain.is_passed_on => Role::PassedOn,
                (Some(drain), SlotState::Closing) if !drain.makes_room => Role::Drained,
                (_, SlotState::Closing) => Role::Closing,
                (Some(drain), _) if drain.makes_room => Role::Yielding,
                (Some(_), _) => Role::Draining,
                (None, _) => Role::Serving,
            },
            SlotState::Upgraded => Role::Upgraded,
            SlotState::Abandoned | SlotState::Unfinished => Role::Closing,
        }
    }

    pub(super) fn is_dialing(&self) -> bool {
        matches!(self.state, SlotState::Dialing { .. })
    }

    /// Whether there is a dial, wanted or not, that has yet to report.
    pub(super) fn is_in_the_making(&self) -> bool {
        matches!(self.state, SlotState::Dialing { .. } | SlotState::Abandoned)
    }

    pub(super) fn caused_by(&self) -> Option<Seq> {
        match self.state {
            SlotState::Dialing { caused_by, .. } => caused_by,
            _ => None,
        }
    }

    /// Whether it can take a request as soon as it is connected.
    pub(super) fn is_fit(&self) -> bool {
        self.streams.is_some() && !self.transport_closed
    }

    pub(super) fn idle(&self) -> Option<&Idle> {
        match &self.state {
            SlotState::Idle { idle, .. } => Some(idle),
            SlotState::Shared { idle, .. } => idle.as_ref(),
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
        // The waiter that it was made for is served in any case, or there would be no end of making.
        self.served > 0 && (is_old || max_requests.is_some_and(|n| self.served >= n))
    }

    /// How a shared connection stands; `None` for others and for one that is draining.
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

    /// Whether it may be asked to finish so that another key has its slot.
    pub(super) fn may_be_drained(&self, now: Instant) -> bool {
        self.drain_after.is_none_or(|after| after <= now)
    }

    /// How long it may rest: as we like and as the peer said, whichever is shorter, and not beyond its age.
    pub(super) fn rest(&self, limit: Option<Duration>, now: Instant) -> Idle {
        let until = limit.and_then(|limit| now.checked_add(limit));
        let until = match (until, self.known.retire_at) {
            (Some(until), Some(retire)) => Some(until.min(retire)),
            (until, retire) => until.or(retire),
        };
        Idle { since: now, until }
    }

    /// Counts one more request. Says how many there were, and whether it is to be treated as used before.
    pub(super) fn serve(&mut self) -> (u64, bool) {
        self.served += 1;
        (self.served, self.served > 1 || self.rested)
    }

    /// Whether it is there for no request: none is on it, nor is it dialed for one.
    pub(super) fn is_unused(&self) -> bool {
        match &self.state {
            SlotState::Dialing { .. } | SlotState::Out | SlotState::Upgraded => false,
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
            SlotState::Out | SlotState::Finishing { .. } | SlotState::Upgraded => Use::Active,
            SlotState::Idle { .. } | SlotState::Shared { used: 0, .. } => Use::Idle,
            SlotState::Shared { .. } => Use::Active,
            SlotState::Abandoned
            | SlotState::Unfinished
            | SlotState::Returning
            | SlotState::Closing => Use::Closing,
        }
    }

    /// What is said of it when its transport is gone.
    pub(super) fn close_event(&self, now: Instant) -> Option<NoteKind> {
        let open_for = now.saturating_duration_since(self.opened_at);
        let reason = self.reason.unwrap_or(CloseReason::ByPeer);
        self.was_open.then_some(NoteKind::Close { reason, open_for })
    }

    /// Requests on it now.
    pub(super) fn requests(&self) -> usize {
        match &self.state {
            SlotState::Out | SlotState::Finishing { .. } | SlotState::Upgraded => 1,
            SlotState::Shared { used, .. } => *used,
            _ => 0,
        }
    }
}
