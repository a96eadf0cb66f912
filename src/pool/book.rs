//! The book of a pool, pure: who is idle, who is out, who waits and who may connect.
//!
//! It knows no I/O, no clock and no task. Every event is a call, and what has to be done because of it is written into
//! a [`Todo`], which the caller carries out after the lock is released. A connection `C` is only ever moved, never
//! called and never dropped in here.
//!
//! One book holds reuse, admission and waiting together, because two queues that cannot wake each other starve their
//! callers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;

use super::{
    Limits,
    want::{Want, Wanted},
};
use crate::{
    connection::Cut,
    events::{Closing, Noted},
};

mod desk;
mod place;
mod room;
mod serve;
#[cfg(test)]
mod tests;
mod words;

use desk::{Desk, Sharing};
pub(crate) use words::{Checkout, Dial, Handle, Known, NoWait, Row, Ticket, Todo, Told, Use, Wish};

use place::{Place, State};

/// How many keys without a connection are remembered for the protocol they spoke.
const REMEMBERED: usize = 1000;

/// So much later than its time an appointment is still kept by whoever it was made with.
const LATE: Duration = Duration::from_secs(1);

/// Keys, places and those who wait for one, in the order of their coming.
pub(crate) struct Book<K, C, W> {
    limits: Limits,
    keys: HashMap<K, DeskId, RandomState>,
    desks: HashMap<DeskId, Desk<K, W>, RandomState>,
    places: HashMap<PlaceId, Place<C>, RandomState>,
    /// Who is idle, the longest first.
    idle: BTreeMap<Turn, PlaceId>,
    /// Desks that lack a connection, by their first waiter on whom no dial counts.
    hungry: BTreeSet<(Turn, DeskId)>,
    /// Desks without anyone, the longest forgotten first.
    empty: BTreeMap<Turn, DeskId>,
    /// Places that will soon be free: their transport closes, or they only finish what was begun.
    leaving: usize,
    waiting: usize,
    /// Numbers everything; nothing is numbered twice, so a late event can never mean another's place.
    turn: Turn,
    opened: u64,
    reap_at: Option<Instant>,
    closed: bool,
}

/// A number in the order of events.
pub(crate) type Turn = u64;
pub(crate) type PlaceId = u64;
type DeskId = u64;

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keys: HashMap::default(),
            desks: HashMap::default(),
            places: HashMap::default(),
            idle: BTreeMap::new(),
            hungry: BTreeSet::new(),
            empty: BTreeMap::new(),
            leaving: 0,
            waiting: 0,
            turn: 0,
            opened: 0,
            reap_at: None,
            closed: false,
        }
    }

    /// Reuse or join: what can be had without waiting, if nobody waits already.
    pub(crate) fn checkout(
        &mut self,
        key: &K,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        let desk = *self.keys.get(key)?;
        let nobody_waits = self.desks.get(&desk)?.waiters.is_empty();
        (nobody_waits && !self.closed).then(|| self.take(desk, now, todo)).flatten()
    }

    /// Stands in line. Whoever comes first serves: a returned connection, a freed stream, a finished dial.
    ///
    /// Who was served in vain comes `again` under the turn of that time. At the end of the line it might be refused for
    /// ever by a server that answers only so many on each connection.
    pub(crate) fn wait(
        &mut self,
        key: &K,
        waiter: W,
        again: Option<Turn>,
        wish: impl Into<Wish>,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Result<Ticket, NoWait> {
        if self.closed {
            return Err(NoWait::Closed);
        }
        if self.waiting >= self.limits.waiters {
            return Err(NoWait::QueueFull);
        }
        let desk = self.desk_of(key);
        let turn = again.unwrap_or_else(|| self.next_turn());
        self.waiting += 1;
        self.desk(desk).waiters.insert(turn, (waiter, wish.into()));
        self.settle(desk, now, todo);
        Ok(Ticket { desk, turn })
    }

    /// Leaves the line. The dial that was begun goes on, because it belongs to the book; unless the limits have it
    /// that what nobody waits for is abandoned.
    pub(crate) fn leave(
        &mut self,
        ticket: Ticket,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<W> {
        let (waiter, _) = self.desks.get_mut(&ticket.desk)?.waiters.remove(&ticket.turn)?;
        self.waiting -= 1;
        self.settle(ticket.desk, now, todo);
        Some(waiter)
    }

    /// A dial has connected. The connection is given back if it was over before it began: to dial again for the same
    /// waiters might never end, so they had better be told.
    pub(crate) fn dialed(
        &mut self,
        place: PlaceId,
        connection: Handle<C>,
        known: Known,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Result<(), Handle<C>> {
        if let Some(entry) = self.places.get_mut(&place) {
            entry.was_open = true;
            entry.opened_at = now;
        }
        let Some(desk) = self.begin(place, now, todo) else {
            todo.forget.extend(known.cut);
            return Err(connection);
        };
        self.place(place).known = known;
        self.opened += 1;
        let lines = self.desk(desk);
        match connection {
            Handle::Exclusive(connection) => {
                lines.sharing = Sharing::Exclusive;
                self.pass_on(place, connection, None, now, todo);
            }
            Handle::Shared(connection) => {
                lines.sharing = Sharing::Shared;
                lines.shared.push(place);
                self.place(place).state = State::Shared { connection, used: 0, idle: None };
                self.serve(desk, now, todo);
                self.rest_shared(place, now, todo);
            }
        }
        self.settle(desk, now, todo);
        Ok(())
    }

    /// A dial has failed: those who are to be told are returned, the others wait for another dial. Of one that was
    /// abandoned nobody is told.
    pub(crate) fn dial_failed(
        &mut self,
        place: PlaceId,
        told: Told,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Vec<W> {
        let Some(entry) = self.places.get(&place).filter(|place| place.is_in_the_making()) else {
            return Vec::new();
        };
        let (desk, was_wanted) = (entry.desk, entry.is_dialing());
        self.remove(place, now, todo);
        let waiters = match was_wanted {
            true => self.desk(desk).give_up(told),
            false => Vec::new(),
        };
        self.waiting -= waiters.len();
        self.settle(desk, now, todo);
        waiters
    }

    /// An exclusive connection is on its way back and counts as supply.
    pub(crate) fn returning(&mut self, place: PlaceId) {
        let Some(entry) = self.places.get_mut(&place) else { return };
        if matches!(entry.state, State::Out) {
            entry.state = State::Returning;
            let desk = entry.desk;
            self.desk(desk).returning += 1;
            self.sort_hungry(desk);
        }
    }

    /// An exclusive connection is back, fit for the next request. The peer keeps it for `keep_alive`, if it said so.
    pub(crate) fn give_back(
        &mut self,
        place: PlaceId,
        connection: C,
        keep_alive: Option<Duration>,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let Some(desk) = self.come_in(place) else {
            return todo.close.push(Handle::Exclusive(connection));
        };
        self.pass_on(place, connection, keep_alive, now, todo);
        self.settle(desk, now, todo);
    }

    /// An exclusive connection will not be back. Its place ends when its transport does: soon, unless it was upgraded.
    pub(crate) fn discard(
        &mut self,
        place: PlaceId,
        why: Closing,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let Some(desk) = self.come_in(place) else { return };
        if why == Closing::Upgraded {
            self.place(place).state = State::Upgraded;
            self.blame(place, why);
        } else {
            self.mark_closing(place, why);
        }
        self.settle(desk, now, todo);
    }

    /// A request on a shared connection is over.
    pub(crate) fn release(&mut self, place: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(entry) = self.places.get_mut(&place) else { return };
        let State::Shared { used, .. } = &mut entry.state else { return };
        *used = used.saturating_sub(1);
        let desk = entry.desk;
        self.serve(desk, now, todo);
        self.rest_shared(place, now, todo);
        self.settle(desk, now, todo);
    }

    /// So many requests may be on a shared connection at once from now on; `None` while it takes no new ones at all.
    pub(crate) fn streams(
        &mut self,
        place: PlaceId,
        streams: Option<usize>,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let Some(entry) = self.places.get_mut(&place) else { return };
        entry.streams = streams;
        let desk = entry.desk;
        self.settle(desk, now, todo);
    }

    /// A shared connection takes no more requests.
    pub(crate) fn retire(&mut self, place: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(entry) = self.places.get(&place) else { return };
        let desk = entry.desk;
        if matches!(entry.state, State::Shared { .. }) {
            self.drain(place, Closing::ByPeer, todo);
        }
        self.settle(desk, now, todo);
    }

    /// The transport of a place is closed: the place is free.
    pub(crate) fn closed(&mut self, place: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(entry) = self.places.get_mut(&place) else { return };
        if entry.is_dialing() {
            entry.transport_closed = true;
            return;
        }
        let desk = entry.desk;
        self.remove(place, now, todo);
        self.settle(desk, now, todo);
    }

    /// A connection kept under this key died unseen, so the others that rested as long are not trusted either.
    pub(crate) fn distrust(&mut self, key: &K, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(&desk) = self.keys.get(key) else { return };
        for place in self.desk(desk).idle.clone() {
            self.evict(place, Closing::Distrusted, todo);
        }
        self.settle(desk, now, todo);
    }

    /// Closes what has rested too long, and says when to come again. An appointment `at` a time that is no longer the
    /// next one is void.
    pub(crate) fn reap(&mut self, at: Instant, now: Instant, todo: &mut Todo<K, C, W>) {
        if self.reap_at != Some(at) {
            return;
        }
        let over = |place: &PlaceId| self.places.get(place).is_some_and(|p| p.is_over(now));
        let over: Vec<PlaceId> = self.idle.values().filter(|&place| over(place)).copied().collect();
        for place in over {
            let desk = self.place(place).desk;
            self.evict(place, Closing::Expired, todo);
            self.settle(desk, now, todo);
        }
        let next = self.idle.values().filter_map(|place| self.places.get(place)?.until()).min();
        self.reap_at = next;
        todo.reap_at = next;
    }

    /// The appointment that was not kept, long after its time.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Instant> {
        self.reap_at.filter(|at| now.saturating_duration_since(*at) > LATE)
    }

    /// Nobody will come at this time.
    pub(crate) fn miss(&mut self, at: Instant) {
        self.reap_at = self.reap_at.filter(|appointment| *appointment != at);
    }

    /// Takes no more requests; turns away who waits, closes who is idle, abandons dials, lets the rest finish.
    pub(crate) fn close(&mut self, todo: &mut Todo<K, C, W>) {
        self.closed = true;
        for desk in self.desks.values_mut() {
            let waiters = std::mem::take(&mut desk.waiters);
            todo.turn_away.extend(waiters.into_values().map(|(waiter, _)| waiter));
        }
        self.waiting = 0;
        self.hungry.clear();
        let idle: Vec<PlaceId> = self.idle.values().copied().collect();
        idle.into_iter().for_each(|place| self.evict(place, Closing::PoolClosed, todo));
        let dialing = self.places.iter().filter(|(_, place)| place.is_dialing());
        let dialing: Vec<PlaceId> = dialing.map(|(&id, _)| id).collect();
        dialing.into_iter().for_each(|place| self.abandon(place, todo));
    }

    /// What is to be said of all that is open, if that is all over now.
    pub(crate) fn obituaries(&self, now: Instant) -> Vec<(PlaceId, Noted)> {
        let of = |(&id, place): (&PlaceId, &Place<C>)| match place.obituary(now)? {
            Noted::Close { open_for, .. } => {
                let why = place.why.unwrap_or(Closing::PoolClosed);
                Some((id, Noted::Close { why, open_for }))
            }
            other => Some((id, other)),
        };
        self.places.iter().filter_map(of).collect()
    }

    /// The switches by which what is still open can be ended.
    pub(crate) fn cuts(&self) -> Vec<Cut> {
        self.places.values().filter_map(|place| place.known.cut.clone()).collect()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether nothing is open any more.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How many connections were opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A row for every place.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<K>> {
        self.places.iter().map(|(&id, place)| Row {
            place: id,
            key: self.desks[&place.desk].key.clone(),
            state: place.in_use(),
            requests: place.requests(),
            served: place.served,
            opened_at: place.opened_at,
            idle_since: place.idle().map(|idle| idle.since),
            protocol: place.known.protocol,
        })
    }
}
