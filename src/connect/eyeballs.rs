//! Schedules connection attempts by RFC 8305. Pure: no socket, no clock.
//!
//! The caller executes [`Schedule::step`] repeatedly, and reports which attempts [`failed`](Schedule::failed). The first
//! attempt that connects ends it: the caller drops the schedule.
//!
//! * The families alternate, starting with that of the first address; within a family the resolver's order holds
//!   (§4, with a First Address Family Count of 1).
//! * The next attempt starts 250 ms after the last one (§5, Connection Attempt Delay), or at once when one fails.
//! * At most six attempts run at a time, so that a name with hundreds of addresses is no flood of SYNs.
//! * The planned time is shared. While an address waits for one of the six places, a running attempt is limited to its
//!   share: the plan divided by the number of waves of addresses. So six black holes cannot use up the time of the seventh
//!   address, which RFC 8305 leaves open. Without a waiting address no attempt is given up, even after the planned time:
//!   ending everything is up to the caller.

use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// The delay before the next attempt joins, as RFC 8305 §5 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Limits the concurrent attempts, as in curl.
const MAX_CONCURRENT: usize = 6;

/// The addresses of one host, waiting and running.
#[derive(Debug)]
pub(crate) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    /// Oldest first.
    running: VecDeque<AddressAttempt>,
    next_at: Instant,
    share: Duration,
}

#[derive(Debug)]
struct AddressAttempt {
    address: SocketAddr,
    share_ends_at: Option<Instant>,
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RaceStep {
    /// Start an attempt at this address, and ask again.
    Start(SocketAddr),
    /// Drop the attempt at this address, and ask again.
    GiveUp(SocketAddr),
    /// Wait until this time, or until an attempt ends.
    Wait(Option<Instant>),
    /// All attempts have failed.
    Failed,
}

impl Schedule {
    /// Schedules a resolver's answer; a repeated address is tried once.
    pub(crate) fn new(
        addresses: impl IntoIterator<Item = SocketAddr>,
        planned: Duration,
        now: Instant,
    ) -> Self {
        let waiting = interleaved(addresses);
        let waves =
            u32::try_from(waiting.len().div_ceil(MAX_CONCURRENT).max(1)).unwrap_or(u32::MAX);
        Self { waiting, running: VecDeque::new(), next_at: now, share: planned / waves }
    }

    /// The action for now. Call it until it returns `Wait` or `Failed`.
    pub(crate) fn step(&mut self, now: Instant) -> RaceStep {
        if self.waiting.is_empty() {
            return if self.running.is_empty() { RaceStep::Failed } else { RaceStep::Wait(None) };
        }
        if self.running.len() >= MAX_CONCURRENT { self.make_room(now) } else { self.start(now) }
    }

    /// An attempt has failed: the next one starts at once.
    pub(crate) fn failed(&mut self, address: SocketAddr, now: Instant) {
        self.running.retain(|attempt| attempt.address != address);
        self.next_at = now;
    }

    fn start(&mut self, now: Instant) -> RaceStep {
        if now < self.next_at {
            return RaceStep::Wait(Some(self.next_at));
        }
        let Some(address) = self.waiting.pop_front() else { return RaceStep::Wait(None) };
        self.next_at = now + ATTEMPT_DELAY;
        self.running
            .push_back(AddressAttempt { address, share_ends_at: now.checked_add(self.share) });
        RaceStep::Start(address)
    }

    fn make_room(&mut self, now: Instant) -> RaceStep {
        let Some(oldest) = self.running.front() else { return RaceStep::Wait(None) };
        let (address, share_ends_at) = (oldest.address, oldest.share_ends_at);
        if share_ends_at.is_none_or(|end| now < end) {
            return RaceStep::Wait(share_ends_at);
        }
        self.failed(address, now);
        RaceStep::GiveUp(address)
    }
}

/// Alternates the families, each in its own order (RFC 8305 §4).
fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut seen = HashSet::new();
    let unique: Vec<_> = addresses.into_iter().filter(|address| seen.insert(*address)).collect();
    let v6_first = unique.first().is_some_and(SocketAddr::is_ipv6);
    let mut order = VecDeque::with_capacity(unique.len());
    let (first, second): (Vec<_>, Vec<_>) =
        unique.into_iter().partition(|address| address.is_ipv6() == v6_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests;
