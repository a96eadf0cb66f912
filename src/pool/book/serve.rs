//! Who is served with what, and what rests when nobody waits.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::{
    Book, Checkout, DeskId, Handle, PlaceId, Todo, Turn,
    desk::Desk,
    place::{Place, State},
};
use crate::events::{Closing, Noted};

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Serves who waits at a desk, dials where nothing is on its way, abandons what nobody waits for, and keeps to the
    /// limits.
    pub(super) fn settle(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        self.serve(desk, now, todo);
        self.abandon_needless(desk, todo);
        self.evict_useless(desk, todo);
        self.sort_hungry(desk);
        self.feed(now, todo);
        self.trim(todo);
        self.sort_empty(desk);
    }

    /// Serves who waits at a desk from what it has.
    pub(super) fn serve(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        while self.desks.get(&desk).is_some_and(|lines| !lines.waiters.is_empty()) {
            let Some(checkout) = self.take(desk, now, todo) else { break };
            self.serve_first(desk, checkout, todo);
        }
    }

    fn serve_first(&mut self, desk: DeskId, checkout: Checkout<C>, todo: &mut Todo<K, C, W>) {
        if let Some((_, (waiter, _))) = self.desk(desk).waiters.pop_first() {
            self.waiting -= 1;
            todo.serve.push((waiter, checkout));
        }
    }

    /// A connection for one request of this desk, if one can be had now.
    pub(super) fn take(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        self.retire_shared(desk, now, todo);
        self.take_shared(desk).or_else(|| self.take_idle(desk, now, todo))
    }

    fn take_shared(&mut self, desk: DeskId) -> Option<Checkout<C>> {
        let places = &self.places;
        let free = |id: &PlaceId| places.get(id).is_some_and(Place::has_free_stream);
        let id = self.desks.get(&desk)?.shared.iter().copied().find(free)?;
        let turn = self.next_turn();
        let place = self.place(id);
        let State::Shared { connection, used, idle } = &mut place.state else { return None };
        *used += 1;
        place.served += 1;
        let (handle, rested) = (Handle::Shared(connection.clone()), idle.take());
        let served = place.served;
        if let Some(idle) = rested {
            self.idle.remove(&idle.turn);
        }
        Some(Checkout { place: id, handle, served, turn })
    }

    /// The newest idle one: it is the least likely to be stale, and the others get old enough to be closed.
    fn take_idle(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        loop {
            let id = *self.desks.get(&desk)?.idle.last()?;
            if self.is_anothers_turn(desk) {
                return None;
            }
            if self.place(id).is_over(now) {
                self.evict(id, Closing::Expired, todo);
                continue;
            }
            self.desk(desk).idle.pop();
            let place = self.place(id);
            let State::Idle { connection, idle } = std::mem::replace(&mut place.state, State::Out)
            else {
                return None;
            };
            place.served += 1;
            let served = place.served;
            self.idle.remove(&idle.turn);
            let (handle, turn) = (Handle::Exclusive(connection), self.next_turn());
            return Some(Checkout { place: id, handle, served, turn });
        }
    }

    /// A dial has brought a connection: its desk, if it is still wanted and was not over before it began.
    pub(super) fn begin(
        &mut self,
        id: PlaceId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<DeskId> {
        let place = self.places.get_mut(&id)?;
        if let State::Abandoned = place.state {
            // It was made for nothing. The place is free when it is closed.
            place.state = State::Closing;
        }
        if !place.is_dialing() || !place.is_fit() {
            return None;
        }
        if let State::Dialing { want, .. } = std::mem::replace(&mut place.state, State::Out) {
            todo.unwanted.push(want);
        }
        place.opened_at = now;
        let desk = place.desk;
        self.desk(desk).dialing -= 1;
        Some(desk)
    }

    /// An exclusive connection goes to who waits for it, or rests.
    pub(super) fn pass_on(
        &mut self,
        id: PlaceId,
        connection: C,
        keep_alive: Option<Duration>,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let (closed, max_requests) = (self.closed, self.limits.requests);
        let place = self.place(id);
        let desk = place.desk;
        if closed || place.is_retired(now, max_requests) {
            self.mark_closing(id, if closed { Closing::PoolClosed } else { Closing::Retired });
            return todo.close.push(Handle::Exclusive(connection));
        }
        if self.desk(desk).waiters.is_empty() || self.is_anothers_turn(desk) {
            return self.rest_exclusive(id, connection, keep_alive, now, todo);
        }
        let turn = self.next_turn();
        let place = self.place(id);
        place.served += 1;
        let (served, handle) = (place.served, Handle::Exclusive(connection));
        self.serve_first(desk, Checkout { place: id, handle, served, turn }, todo);
    }

    /// An exclusive connection rests, unless it may not.
    fn rest_exclusive(
        &mut self,
        id: PlaceId,
        connection: C,
        keep_alive: Option<Duration>,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let limit = shorter(self.limits.idle_timeout, keep_alive);
        let turn = self.next_turn();
        let place = self.place(id);
        let desk = place.desk;
        let idle = place.rest(turn, limit, now);
        let until = idle.until;
        if until.is_some_and(|until| until <= now) {
            self.mark_closing(id, Closing::Expired);
            return todo.close.push(Handle::Exclusive(connection));
        }
        place.state = State::Idle { connection, idle };
        self.desk(desk).idle.push(id);
        self.lie_down(id, turn, until, todo);
    }

    /// A shared connection rests, if nobody uses it.
    pub(super) fn rest_shared(&mut self, id: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let (limit, max_requests) = (self.limits.idle_timeout, self.limits.requests);
        let (closed, turn) = (self.closed, self.next_turn());
        let place = self.place(id);
        let rest = place.rest(turn, limit, now);
        let retired = place.is_retired(now, max_requests) || place.leaving;
        let State::Shared { used: 0, idle: idle @ None, .. } = &mut place.state else { return };
        let until = rest.until;
        let over = until.is_some_and(|until| until <= now);
        *idle = Some(rest);
        self.lie_down(id, turn, until, todo);
        match (closed, retired, over) {
            (true, _, _) => self.evict(id, Closing::PoolClosed, todo),
            (_, true, _) => self.evict(id, Closing::Retired, todo),
            (_, _, true) => self.evict(id, Closing::Expired, todo),
            _ => {}
        }
    }

    fn lie_down(
        &mut self,
        id: PlaceId,
        turn: Turn,
        until: Option<Instant>,
        todo: &mut Todo<K, C, W>,
    ) {
        self.idle.insert(turn, id);
        todo.note(id, || Noted::Idle);
        if let Some(until) = until.filter(|until| self.reap_at.is_none_or(|at| *until < at)) {
            self.reap_at = Some(until);
            todo.reap_at = Some(until);
        }
    }

    /// Closes idle connections beyond the limit, the longest idle first.
    fn trim(&mut self, todo: &mut Todo<K, C, W>) {
        while self.idle.len() > self.limits.idle {
            let Some(&oldest) = self.idle.values().next() else { return };
            self.evict(oldest, Closing::Evicted, todo);
        }
    }

    /// An exclusive connection's request is over: `None` if its place has ended meanwhile.
    pub(super) fn come_in(&mut self, id: PlaceId) -> Option<DeskId> {
        let place = self.places.get_mut(&id)?;
        let desk = place.desk;
        match place.state {
            State::Out => {}
            State::Returning => {
                place.state = State::Out;
                self.desk(desk).returning -= 1;
            }
            _ => return None,
        }
        Some(desk)
    }

    pub(super) fn desk_of(&mut self, key: &K) -> DeskId {
        if let Some(&desk) = self.keys.get(key) {
            return desk;
        }
        let desk = self.next_turn();
        self.keys.insert(key.clone(), desk);
        self.desks.insert(desk, Desk::new(key.clone()));
        desk
    }

    pub(super) fn desk(&mut self, desk: DeskId) -> &mut Desk<K, W> {
        // A desk is forgotten only when it has neither places nor waiters, and so no one who could name it.
        self.desks.get_mut(&desk).expect("a desk in use is in the book")
    }

    pub(super) fn place(&mut self, place: PlaceId) -> &mut Place<C> {
        // Struck out of every list by `remove`, and looked up by callers before.
        self.places.get_mut(&place).expect("a listed place is in the book")
    }

    pub(super) fn next_turn(&mut self) -> Turn {
        self.turn += 1;
        self.turn
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
