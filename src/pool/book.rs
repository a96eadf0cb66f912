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
    sync::Arc,
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
mod drain;
mod line;
mod place;
mod queue;
mod report;
mod room;
mod serve;
mod tally;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use words::{
    Ask, Checkout, Counts, Dial, Handle, Known, NoWait, Row, Ticket, Todo, Told, Use, Wish,
};

use desk::{Desk, FailedDial, Sharing};
use line::{Line, Waiter};
use place::{Place, State};
use tally::Tally;

/// Idle connections are looked through no more often than this, so that many that end one after the other cost little.
const REAP_PAUSE: Duration = Duration::from_millis(100);

/// How long a waiter lets the rest of a dropped response of its own key come: about as long as a dial would take.
const FINISHING_TIME: Duration = Duration::from_millis(100);

/// How many keys without a connection are remembered for the protocol they spoke.
const REMEMBERED: usize = 1000;

/// So much later than its time an appointment is still kept by whoever it was made with.
const LATE: Duration = Duration::from_secs(1);

/// Keys, places and those who wait for one, in the order of their coming.
pub(crate) struct Book<K, C, W> {
    limits: Limits,
    keys: HashMap<Arc<K>, DeskId, RandomState>,
    desks: HashMap<DeskId, Desk<K, W>, RandomState>,
    places: HashMap<PlaceId, Place<C>, RandomState>,
    /// Places by what they count as.
    tally: Tally,
    /// Who is idle, the longest first.
    idle: BTreeMap<Turn, PlaceId>,
    /// Exclusive connections on which the rest of a dropped response is read.
    finishing: BTreeSet<PlaceId>,
    /// Shared connections that take requests, full ones too.
    joinable: BTreeSet<PlaceId>,
    /// Shared connections that finish what was begun, while that is waited for.
    draining: BTreeSet<PlaceId>,
    /// Desks that lack a connection, by their first waiter for which nothing is on its way.
    hungry: BTreeSet<(Turn, DeskId)>,
    /// Those of them of whose own connections none will serve it.
    barren: BTreeSet<(Turn, DeskId)>,
    /// Those of them that have connections which may serve it.
    hopeful: BTreeSet<(Turn, DeskId)>,
    /// Desks with more dials than waiters.
    surplus: BTreeSet<DeskId>,
    /// Desks without anyone, the longest forgotten first.
    empty: BTreeMap<Turn, DeskId>,
    waiting: usize,
    /// Waiters for which nothing is on its way.
    queued: usize,
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
            tally: Tally::default(),
            idle: BTreeMap::new(),
            finishing: BTreeSet::new(),
            joinable: BTreeSet::new(),
            draining: BTreeSet::new(),
            hungry: BTreeSet::new(),
            barren: BTreeSet::new(),
            hopeful: BTreeSet::new(),
            surplus: BTreeSet::new(),
            empty: BTreeMap::new(),
            waiting: 0,
            queued: 0,
            turn: 0,
            opened: 0,
            reap_at: None,
            closed: false,
        }
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
        match connection {
            Handle::Exclusive(connection) => {
                self.desk(desk).sharing = Sharing::Exclusive;
                self.pass_on(place, connection, None, now, todo);
            }
            Handle::Shared(connection) => {
                self.desk(desk).sharing = Sharing::Shared;
                self.place(place).state = State::Shared { connection, used: 0, idle: None };
                self.file_shared(place);
                self.serve(desk, now, todo);
                self.rest_shared(place, now, todo);
            }
        }
        self.settle(desk, now, todo);
        Ok(())
    }

    /// A dial has failed: the waiters that are to be told are returned, the others wait for another dial. The failure of
    /// an abandoned dial concerns nobody.
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
        let (desk, was_wanted, cause) = (entry.desk, entry.is_dialing(), entry.caused_by());
        self.remove(place, now, todo);
        let (turn, failed) = (self.next_turn(), FailedDial { place, cause, told });
        let given_up = match was_wanted {
            true => self.desk(desk).give_up(failed, turn),
            false => Vec::new(),
        };
        self.waiting -= given_up.len();
        self.settle(desk, now, todo);
        let waiters = given_up.into_iter().map(|Waiter { waiter, wish, .. }| {
            todo.drop_wish(wish);
            waiter
        });
        waiters.collect()
    }

    /// An exclusive connection is on its way back and counts as supply.
    pub(crate) fn returning(&mut self, place: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let is_out = |place: &Place<C>| matches!(place.state, State::Out | State::Finishing { .. });
        let Some(desk) = self.places.get(&place).filter(|it| is_out(it)).map(|it| it.desk) else {
            return;
        };
        self.finishing.remove(&place);
        if let State::Finishing { want, .. } =
            self.change(place, |place| std::mem::replace(&mut place.state, State::Returning))
        {
            todo.unwanted.push(want);
        }
        self.settle(desk, now, todo);
    }

    /// The rest of a response that was dropped is read, so that its connection can serve again; not if someone waits who
    /// could have its place, nor any longer when someone comes.
    ///
    /// A rest whose length is known is waited for a moment even by a waiter of the same key; another may be endless.
    pub(crate) fn finishing(
        &mut self,
        place: PlaceId,
        is_endless: bool,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Wanted {
        let (want, wanted) = Want::new();
        let until = if is_endless { now } else { now + FINISHING_TIME };
        match self.places.get_mut(&place) {
            Some(entry) if matches!(entry.state, State::Out) => {
                entry.state = State::Finishing { want, until };
                let desk = entry.desk;
                self.finishing.insert(place);
                self.settle(desk, now, todo);
            }
            _ => todo.unwanted.push(want),
        }
        wanted
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
        let Some(desk) = self.come_in(place, todo) else {
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
        let Some(desk) = self.come_in(place, todo) else { return };
        if why == Closing::Upgraded {
            self.change(place, |place| place.state = State::Upgraded);
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
        self.file_shared(place);
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
        self.file_shared(place);
        self.settle(desk, now, todo);
    }

    /// A shared connection takes no more requests.
    pub(crate) fn retire(&mut self, place: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(entry) = self.places.get_mut(&place) else { return };
        // One that is still being dialed is refused when it reports.
        entry.streams = None;
        let desk = entry.desk;
        if matches!(entry.state, State::Shared { .. }) {
            self.drain(place, Closing::ByPeer, now, todo);
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
        let idle: Vec<PlaceId> = self.desk(desk).idle.values().copied().collect();
        for place in idle {
            self.evict(place, Closing::Distrusted, todo);
        }
        self.settle(desk, now, todo);
    }

    /// Does what is due by time alone: closes what has rested too long, ends the waiting for drains. Says when to come
    /// again. An appointment `at` a time that is no longer the next one is void.
    pub(crate) fn reap(&mut self, at: Instant, now: Instant, todo: &mut Todo<K, C, W>) {
        if self.reap_at != Some(at) {
            return;
        }
        self.reap_at = None;
        let over = |place: &PlaceId| self.places.get(place).is_some_and(|p| p.is_over(now));
        let over: Vec<PlaceId> = self.idle.values().filter(|&place| over(place)).copied().collect();
        for place in over {
            let desk = self.place(place).desk;
            self.evict(place, Closing::Expired, todo);
            self.settle(desk, now, todo);
        }
        self.end_drains(now, todo);
        self.end_finishing(now, todo);
        self.feed(now, todo);
        self.take_back_drains(now, todo);
        let idle = self.idle.values().filter_map(|place| self.places.get(place)?.until()).min();
        let pause = self.limits.idle_timeout.map_or(REAP_PAUSE, |it| REAP_PAUSE.min(it / 16));
        let idle = idle.map(|until| until.max(now + pause));
        let others = self.next_drain_event(now).into_iter().chain(self.next_to_stop_finishing(now));
        if let Some(next) = idle.into_iter().chain(others).min() {
            self.call_at(next, todo);
        }
    }

    /// Has [`reap`](Self::reap) called then, or before.
    fn call_at(&mut self, at: Instant, todo: &mut Todo<K, C, W>) {
        if self.reap_at.is_none_or(|sooner| at < sooner) {
            self.reap_at = Some(at);
            todo.reap_at = Some(at);
        }
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
            let line = std::mem::replace(&mut desk.line, Line::new());
            (desk.hungry_at, desk.queued) = (None, 0);
            for Waiter { waiter, wish, .. } in line.into_waiters() {
                todo.drop_wish(wish);
                todo.turn_away.push(waiter);
            }
        }
        (self.waiting, self.queued) = (0, 0);
        self.hungry.clear();
        self.barren.clear();
        self.hopeful.clear();
        let idle: Vec<PlaceId> = self.idle.values().copied().collect();
        idle.into_iter().for_each(|place| self.evict(place, Closing::PoolClosed, todo));
        let finishing = std::mem::take(&mut self.finishing);
        finishing.into_iter().for_each(|place| self.stop_finishing(place, todo));
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
}
