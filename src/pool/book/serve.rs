//! What follows from an event: who is served, who is dialed for, who has to go.

use std::{
    hash::Hash,
    time::{Duration, Instant},
};

use super::{Book, Checkout, Dial, Handle, PlaceId, REMEMBERED, Todo, Turn, desk::Sharing};
use super::{
    DeskId,
    desk::Desk,
    place::{Place, State},
};

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Serves who waits at a desk, dials where nothing is on its way, and keeps to the limits.
    pub(super) fn settle(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        self.serve(desk, now, todo);
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
        let place = self.place(id);
        let State::Shared { connection, used, idle } = &mut place.state else { return None };
        *used += 1;
        place.served += 1;
        let (handle, rested) = (Handle::Shared(connection.clone()), idle.take());
        let served = place.served;
        if let Some(idle) = rested {
            self.idle.remove(&idle.turn);
        }
        Some(Checkout { place: id, handle, served })
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
                self.evict(id, todo);
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
            return Some(Checkout { place: id, handle: Handle::Exclusive(connection), served });
        }
    }

    /// Whether someone waits longer at another desk, for whom no place will be free unless this desk gives one up.
    fn is_anothers_turn(&self, desk: DeskId) -> bool {
        if self.hungry.is_empty() || self.places.len() < self.limits.connections {
            return false;
        }
        let waiters = self.desks.get(&desk).map(|lines| &lines.waiters);
        let mine = waiters.and_then(|waiters| waiters.keys().next()).copied().unwrap_or(Turn::MAX);
        let older = self.hungry.range(..(mine, DeskId::MAX)).filter(|(_, other)| *other != desk);
        older.count() > self.leaving
    }

    /// Dials for the hungry, in their order; where the book is full, makes room.
    fn feed(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        while let Some(&(_, desk)) = self.hungry.first() {
            if self.places.len() < self.limits.connections {
                self.dial(desk, now, todo);
            } else if self.leaving >= self.hungry.len() || !self.make_room(todo) {
                break;
            }
        }
    }

    fn dial(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        let place = self.next_turn();
        let lines = self.desk(desk);
        let caused_by = lines.first_uncovered().and_then(|turn| lines.waiters.get(&turn));
        let limit = caused_by.and_then(|(_, limit)| *limit);
        lines.open += 1;
        lines.dialing += 1;
        todo.dial.push(Dial { place, key: lines.key.clone(), limit });
        self.places.insert(place, Place::dialing(desk, now));
        self.sort_hungry(desk);
    }

    /// Closes whom it hurts least: the longest idle. If nobody is idle, a desk that has nothing at all may ask a busy
    /// shared connection of another to finish, for it would never become idle by itself.
    fn make_room(&mut self, todo: &mut Todo<K, C, W>) -> bool {
        if let Some(&place) = self.idle.values().next() {
            self.evict(place, todo);
            return true;
        }
        let starving = |(_, desk): &&(Turn, DeskId)| self.desks[desk].open == 0;
        if self.hungry.iter().filter(starving).count() <= self.leaving {
            return false;
        }
        let busy = |place: &Place<C>| matches!(place.state, State::Shared { .. }) && !place.leaving;
        let victim = self.places.iter().filter(|(_, place)| busy(place));
        let Some(victim) = victim.min_by_key(|(_, place)| place.requests()).map(|(&id, _)| id)
        else {
            return false;
        };
        self.drain(victim, todo);
        true
    }

    /// A desk at its own limit gives up a shared connection that nobody uses and nobody may use.
    fn evict_useless(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) {
        let Some(lines) = self.desks.get(&desk) else { return };
        if lines.waiters.is_empty() || lines.open < self.limits.connections_per_key {
            return;
        }
        let useless = |id: &&PlaceId| self.places.get(id).is_some_and(Place::is_useless);
        if let Some(&id) = lines.shared.iter().find(useless) {
            self.evict(id, todo);
        }
    }

    /// A shared connection that is too old takes no more requests.
    fn retire_shared(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(lines) = self.desks.get(&desk) else { return };
        let retired = |id: &&PlaceId| {
            let retired = |place: &Place<C>| place.is_retired(now, self.limits.requests);
            self.places.get(id).is_some_and(|place| retired(place) || place.is_over(now))
        };
        let retired: Vec<PlaceId> = lines.shared.iter().filter(retired).copied().collect();
        retired.into_iter().for_each(|id| self.drain(id, todo));
    }

    /// Lets a shared connection finish what was begun.
    pub(super) fn drain(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        if self.place(id).idle().is_some() {
            return self.evict(id, todo);
        }
        let desk = self.place(id).desk;
        self.desk(desk).shared.retain(|&other| other != id);
        self.mark_leaving(id);
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
            self.mark_closing(id);
            return todo.close.push(Handle::Exclusive(connection));
        }
        if self.desk(desk).waiters.is_empty() || self.is_anothers_turn(desk) {
            return self.rest_exclusive(id, connection, keep_alive, now, todo);
        }
        let place = self.place(id);
        place.served += 1;
        let (served, handle) = (place.served, Handle::Exclusive(connection));
        self.serve_first(desk, Checkout { place: id, handle, served }, todo);
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
            self.mark_closing(id);
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
        if closed || retired || over {
            self.evict(id, todo);
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
        if let Some(until) = until.filter(|until| self.reap_at.is_none_or(|at| *until < at)) {
            self.reap_at = Some(until);
            todo.reap_at = Some(until);
        }
    }

    /// Closes idle connections beyond the limit, the longest idle first.
    fn trim(&mut self, todo: &mut Todo<K, C, W>) {
        while self.idle.len() > self.limits.idle {
            let Some(&oldest) = self.idle.values().next() else { return };
            self.evict(oldest, todo);
        }
    }

    /// Closes a connection that rests.
    pub(super) fn evict(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        let place = self.place(id);
        let desk = place.desk;
        let Some(turn) = place.idle().map(|idle| idle.turn) else { return };
        let connection = match std::mem::replace(&mut place.state, State::Closing) {
            State::Idle { connection, .. } => Handle::Exclusive(connection),
            State::Shared { connection, .. } => Handle::Shared(connection),
            _ => return,
        };
        todo.close.push(connection);
        self.idle.remove(&turn);
        let lines = self.desk(desk);
        lines.idle.retain(|&other| other != id);
        lines.shared.retain(|&other| other != id);
        self.mark_leaving(id);
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

    pub(super) fn mark_closing(&mut self, id: PlaceId) {
        self.place(id).state = State::Closing;
        self.mark_leaving(id);
    }

    fn mark_leaving(&mut self, id: PlaceId) {
        let place = self.place(id);
        if !std::mem::replace(&mut place.leaving, true) {
            self.leaving += 1;
        }
    }

    /// Strikes a place out.
    pub(super) fn remove(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        let Some(place) = self.places.remove(&id) else { return };
        self.leaving -= usize::from(place.leaving);
        if let Some(idle) = place.idle() {
            self.idle.remove(&idle.turn);
        }
        let lines = self.desk(place.desk);
        lines.open -= 1;
        match place.state {
            State::Dialing => lines.dialing -= 1,
            State::Returning => lines.returning -= 1,
            State::Idle { connection, .. } => {
                lines.idle.retain(|&other| other != id);
                todo.close.push(Handle::Exclusive(connection));
            }
            State::Shared { connection, .. } => {
                lines.shared.retain(|&other| other != id);
                todo.close.push(Handle::Shared(connection));
            }
            State::Out | State::Upgraded | State::Closing => {}
        }
    }

    /// Puts a desk where it belongs among the hungry.
    pub(super) fn sort_hungry(&mut self, desk: DeskId) {
        let Some(lines) = self.desks.get(&desk) else { return };
        let forbidden = |id: &PlaceId| self.places.get(id).is_some_and(Place::is_forbidden);
        let may_dial = lines.open < self.limits.connections_per_key
            && !(lines.sharing == Sharing::Shared && lines.shared.iter().any(forbidden));
        let hungry = may_dial.then(|| lines.first_uncovered()).flatten();
        if hungry == lines.hungry_at {
            return;
        }
        if let Some(before) = std::mem::replace(&mut self.desk(desk).hungry_at, hungry) {
            self.hungry.remove(&(before, desk));
        }
        if let Some(turn) = hungry {
            self.hungry.insert((turn, desk));
        }
    }

    /// Remembers what an empty desk spoke, but not of every host that there ever was.
    fn sort_empty(&mut self, desk: DeskId) {
        let Some(lines) = self.desks.get(&desk) else { return };
        match (lines.is_empty(), lines.empty_at) {
            (true, None) => {
                let turn = self.next_turn();
                self.desk(desk).empty_at = Some(turn);
                self.empty.insert(turn, desk);
            }
            (false, Some(turn)) => {
                self.desk(desk).empty_at = None;
                self.empty.remove(&turn);
            }
            _ => {}
        }
        while self.empty.len() > REMEMBERED {
            let Some((_, forgotten)) = self.empty.pop_first() else { return };
            if let Some(lines) = self.desks.remove(&forgotten) {
                self.keys.remove(&lines.key);
            }
        }
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
