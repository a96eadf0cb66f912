//! Decides which address is tried when: the schedule of RFC 8305, without a socket or a clock.
//!
//! The caller asks [`Schedule::step`] what to do, does it, and asks again; it says which attempts
//! [`failed`](Schedule::failed). The first attempt that connects ends it all: the caller drops the schedule.
//!
//! * The families take turns, beginning with that of the first address; within a family the resolver's order holds
//!   (§4, with a First Address Family Count of 1).
//! * The next attempt starts 250 ms after the last one (§5, Connection Attempt Delay), or at once when one fails.
//! * At most six attempts run at a time, so that a name with hundreds of addresses is no flood of SYNs.
//! * The time planned for all is shared. While an address waits for one of six places, an attempt keeps its place only
//!   for its share: the plan over the number of waves that the addresses make. So six black holes cannot use up the time
//!   of the seventh address, which RFC 8305 leaves open. An attempt for whose place nobody waits is never given up, also
//!   when the planned time is over: to end it all is the caller's affair.

use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long an attempt is alone before the next one joins it: what RFC 8305 §5 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How many attempts run at a time, as in curl.
const PLACES: usize = 6;

/// The addresses of one host, and how far trying them has come.
#[derive(Debug)]
pub(crate) struct Schedule {
    waiting: VecDeque<SocketAddr>,
    /// The oldest first.
    running: VecDeque<Attempt>,
    next_at: Instant,
    share: Duration,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    share_ends_at: Option<Instant>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Begin to connect to this address, and ask again.
    Start(SocketAddr),
    /// Drop the attempt at this address, and ask again.
    GiveUp(SocketAddr),
    /// Nothing before this moment, or before an attempt has ended.
    Wait(Option<Instant>),
    /// Every address was tried, and none is left.
    Failed,
}

impl Schedule {
    /// A schedule for what a resolver answered; an address that comes twice is tried once.
    pub(crate) fn new(
        addresses: impl IntoIterator<Item = SocketAddr>,
        planned: Duration,
        now: Instant,
    ) -> Self {
        let waiting = interleaved(addresses);
        let waves = u32::try_from(waiting.len().div_ceil(PLACES).max(1)).unwrap_or(u32::MAX);
        Self { waiting, running: VecDeque::new(), next_at: now, share: planned / waves }
    }

    /// What to do at this moment. To be asked until it says to wait, or that all failed.
    pub(crate) fn step(&mut self, now: Instant) -> Step {
        if self.waiting.is_empty() {
            return if self.running.is_empty() { Step::Failed } else { Step::Wait(None) };
        }
        if self.running.len() >= PLACES { self.make_room(now) } else { self.start(now) }
    }

    /// An attempt has failed, so the next one need not wait for its moment.
    pub(crate) fn failed(&mut self, address: SocketAddr, now: Instant) {
        self.running.retain(|attempt| attempt.address != address);
        self.next_at = now;
    }

    fn start(&mut self, now: Instant) -> Step {
        if now < self.next_at {
            return Step::Wait(Some(self.next_at));
        }
        let Some(address) = self.waiting.pop_front() else { return Step::Wait(None) };
        self.next_at = now + ATTEMPT_DELAY;
        self.running.push_back(Attempt { address, share_ends_at: now.checked_add(self.share) });
        Step::Start(address)
    }

    fn make_room(&mut self, now: Instant) -> Step {
        let Some(oldest) = self.running.front() else { return Step::Wait(None) };
        let (address, share_ends_at) = (oldest.address, oldest.share_ends_at);
        if share_ends_at.is_none_or(|end| now < end) {
            return Step::Wait(share_ends_at);
        }
        self.failed(address, now);
        Step::GiveUp(address)
    }
}

/// The families in turn, each in its own order (RFC 8305 §4).
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
