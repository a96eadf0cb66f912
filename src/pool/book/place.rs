//! One connection's line in the book, from the leave to dial to the close of its transport.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{DeskId, Known, Turn, Use, Want, drain::Drain, tally::Role};
use crate::events::{Closing, Noted};

/// What a shared connection carries at once while its peer has not said (RFC 9113 §6.5.2 recommends no less).
const STREAMS_UNSAID: usize = 100;

pub(super) struct Place<C> {
    pub(super) desk: DeskId,
    pub(super) state: State<C>,
    pub(super) served: u64,
    /// It has been idle since it was made, so what is known about it may be out of date.
    pub(super) rested: bool,
    pub(super) opened_at: Instant,
    pub(super) known: Known,
    /// How many requests may be on it at once; `None` while it takes no new ones.
    pub(super) streams: Option<usize>,
    /// How a shared connection is listed at its desk.
    pub(super) listed: Option<Standing>,
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
    pub(super) why: Option<Closing>,
}

pub(super) enum State<C> {
    Dialing {
        /// The waiter for which nothing else was on its way.
        caused_by: Option<Turn>,
        want: Want,
    },
    /// A dial that nobody waits for any more, until it has let go of what it had begun.
    Abandoned,
    /// With a request.
    Out,
    /// The rest of a response that its caller dropped is read, until the want is dropped.
    Finishing {
        want: Want,
        /// When it is given up for a waiter of its own key, too.
        until: Instant,
    },
    /// That rest is not read to its end, and the connection is about to be discarded.
    Unfinished,
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

/// What can be had of a shared connection that is not draining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A stream is free.
    Free,
    Full,
    /// The peer allows nothing at all for now: another connection would not be allowed more.
    Forbidden,
    /// Nobody uses it, and nobody may for now.
    Useless,
}

impl<C> Place<C> {
    pub(super) fn dialing(desk: DeskId, caused_by: Option<Turn>, want: Want, now: Instant) -> Self {
        Self {
            desk,
            state: State::Dialing { caused_by, want },
            served: 0,
            rested: false,
            opened_at: now,
            known: Known::default(),
            streams: Some(STREAMS_UNSAID),
            listed: None,
            drain: None,
            failed_drains: 0,
            drain_after: None,
            transport_closed: false,
            was_open: false,
            why: None,
        }
    }

    pub(super) fn role(&self) -> Role {
        match &self.state {
            State::Dialing { .. } => Role::Dialing,
            State::Out | State::Finishing { .. } | State::Idle { .. } => Role::Serving,
            State::Returning => Role::Returning,
            State::Shared { .. } | State::Closing => match (&self.drain, &self.state) {
                (Some(drain), _) if drain.is_passed_on => Role::PassedOn,
                (Some(drain), State::Closing) if !drain.makes_room => Role::Drained,
                (_, State::Closing) => Role::Closing,
                (Some(drain), _) if drain.makes_room => Role::Yielding,
                (Some(_), _) => Role::Draining,
                (None, _) => Role::Serving,
            },
            State::Upgraded => Role::Upgraded,
            State::Abandoned | State::Unfinished => Role::Closing,
        }
    }

    pub(super) fn is_dialing(&self) -> bool {
        matches!(self.state, State::Dialing { .. })
    }

    /// Whether there is a dial, wanted or not, that has yet to report.
    pub(super) fn is_in_the_making(&self) -> bool {
        matches!(self.state, State::Dialing { .. } | State::Abandoned)
    }

    pub(super) fn caused_by(&self) -> Option<Turn> {
        match self.state {
            State::Dialing { caused_by, .. } => caused_by,
            _ => None,
        }
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
        // The waiter that it was made for is served in any case, or there would be no end of making.
        self.served > 0 && (is_old || max_requests.is_some_and(|n| self.served >= n))
    }

    /// How a shared connection stands; `None` for others and for one that is draining.
    pub(super) fn standing(&self) -> Option<Standing> {
        let (State::Shared { used, .. }, None) = (&self.state, &self.drain) else { return None };
        Some(match (self.streams, *used) {
            (Some(0), 0) => Standing::Forbidden,
            (None, 0) => Standing::Useless,
            (Some(streams), used) if used < streams => Standing::Free,
            _ => Standing::Full,
        })
    }

    /// Whether it may be asked to finish so that another key has its place.
    pub(super) fn may_be_drained(&self, now: Instant) -> bool {
        self.drain_after.is_none_or(|after| after <= now)
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

    /// Counts one more request. Says how many there were, and whether it is to be treated as used before.
    pub(super) fn serve(&mut self) -> (u64, bool) {
        self.served += 1;
        (self.served, self.served > 1 || self.rested)
    }

    /// Whether it is there for no request: none is on it, nor is it dialed for one.
    pub(super) fn is_unused(&self) -> bool {
        match &self.state {
            State::Dialing { .. } | State::Out | State::Upgraded => false,
            State::Shared { idle, .. } => idle.is_some(),
            State::Abandoned
            | State::Finishing { .. }
            | State::Unfinished
            | State::Returning
            | State::Idle { .. }
            | State::Closing => true,
        }
    }

    pub(super) fn in_use(&self) -> Use {
        match &self.state {
            State::Dialing { .. } => Use::Dialing,
            State::Out | State::Finishing { .. } | State::Upgraded => Use::Active,
            State::Idle { .. } | State::Shared { used: 0, .. } => Use::Idle,
            State::Shared { .. } => Use::Active,
            State::Abandoned | State::Unfinished | State::Returning | State::Closing => {
                Use::Closing
            }
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
            State::Out | State::Finishing { .. } | State::Upgraded => 1,
            State::Shared { used, .. } => *used,
            _ => 0,
        }
    }
}
