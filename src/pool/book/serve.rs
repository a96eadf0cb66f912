//! Who is served with what, and what rests when nobody waits.

use std::{
    hash::Hash,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Book, Checkout, DeskId, Handle, PlaceId, Todo, Turn,
    desk::{Desk, Sharing},
    line::Waiter,
    place::{Place, State},
};
use crate::events::{Closing, Noted};

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Serves who waits at a desk, dials where nothing is on its way, abandons what nobody waits for, and keeps to the
    /// limits.
    pub(super) fn settle(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        // First, because a place that is free soon may be all that an older waiter needs, and then this desk is served.
        self.give_way_to_own_key(desk, now, todo);
        self.serve(desk, now, todo);
        self.abandon_needless(desk, todo);
        self.sort(desk);
        self.feed(now, todo);
        self.serve_what_was_left_to_others(desk, now, todo);
        self.take_back_drains(now, todo);
        self.watch_the_longest_wait(now, todo);
        if let Some(at) = self.next_to_stop_finishing(now) {
            self.call_at(at, todo);
        }
        self.trim(todo);
        self.sort_empty(desk, todo);
    }

    /// A connection that was left idle for an older waiter of another desk serves its own, if that one needs it no more.
    fn serve_what_was_left_to_others(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let lines = self.desks.get(&desk);
        if lines.is_some_and(|lines| !lines.line.is_empty() && !lines.idle.is_empty()) {
            self.serve(desk, now, todo);
            self.abandon_needless(desk, todo);
            self.sort(desk);
            self.feed(now, todo);
        }
    }

    /// Serves who waits at a desk from what it has.
    pub(super) fn serve(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        while self.desks.get(&desk).is_some_and(|lines| !lines.line.is_empty()) {
            let Some(checkout) = self.take(desk, now, todo) else { break };
            self.serve_first(desk, checkout, todo);
        }
    }

    fn serve_first(&mut self, desk: DeskId, checkout: Checkout<C>, todo: &mut Todo<K, C, W>) {
        let lines = self.desk(desk);
        let first = lines.line.first().and_then(|turn| lines.take(turn));
        if let Some(Waiter { waiter, wish, .. }) = first {
            self.waiting -= 1;
            todo.drop_wish(wish);
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
        self.take_shared(desk, now, todo).or_else(|| self.take_idle(desk, now, todo))
    }

    fn take_shared(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        let max_requests = self.limits.requests;
        let id = loop {
            let id = *self.desks.get(&desk)?.shared.free.first()?;
            let place = self.places.get(&id)?;
            if !place.is_retired(now, max_requests) && !place.is_over(now) {
                break id;
            }
            self.drain(id, Closing::Retired, now, todo);
        };
        let turn = self.next_turn();
        let place = self.place(id);
        let State::Shared { connection, used, idle } = &mut place.state else { return None };
        *used += 1;
        let (handle, rested) = (Handle::Shared(connection.clone()), idle.take());
        let (served, reused) = place.serve();
        if let Some(idle) = rested {
            self.idle.remove(&idle.turn);
        }
        self.file_shared(id);
        Some(Checkout { place: id, handle, served, reused, turn })
    }

    /// The newest idle one: it is the least likely to be stale, and the others get old enough to be closed.
    fn take_idle(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) -> Option<Checkout<C>> {
        loop {
            let (&since, &id) = self.desks.get(&desk)?.idle.last_key_value()?;
            if self.is_anothers_turn(desk) {
                return None;
            }
            if self.place(id).is_over(now) {
                self.evict(id, Closing::Expired, todo);
                continue;
            }
            self.desk(desk).idle.remove(&since);
            let place = self.place(id);
            let State::Idle { connection, idle } = std::mem::replace(&mut place.state, State::Out)
            else {
                return None;
            };
            let (served, reused) = place.serve();
            self.idle.remove(&idle.turn);
            let (handle, turn) = (Handle::Exclusive(connection), self.next_turn());
            return Some(Checkout { place: id, handle, served, reused, turn });
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
        let (desk, cause) = (place.desk, place.caused_by());
        place.opened_at = now;
        let dialing = self.change(id, |place| std::mem::replace(&mut place.state, State::Out));
        if let State::Dialing { want, .. } = dialing {
            todo.unwanted.push(want);
        }
        let lines = self.desk(desk);
        lines.dials.end(cause, id);
        lines.failed_at = None;
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
        if self.desk(desk).line.is_empty() || self.is_anothers_turn(desk) {
            return self.rest_exclusive(id, connection, keep_alive, now, todo);
        }
        let turn = self.next_turn();
        let (served, reused) = self.place(id).serve();
        let handle = Handle::Exclusive(connection);
        self.serve_first(desk, Checkout { place: id, handle, served, reused, turn }, todo);
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
        place.rested = true;
        place.state = State::Idle { connection, idle };
        self.desk(desk).idle.insert(turn, id);
        self.lie_down(id, turn, until, todo);
    }

    /// A shared connection rests, if nobody uses it.
    pub(super) fn rest_shared(&mut self, id: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let (limit, max_requests) = (self.limits.idle_timeout, self.limits.requests);
        let (closed, turn) = (self.closed, self.next_turn());
        let place = self.place(id);
        let rest = place.rest(turn, limit, now);
        let drained = place.drain.is_some();
        let retired = place.is_retired(now, max_requests);
        let State::Shared { used: 0, idle: idle @ None, .. } = &mut place.state else { return };
        let until = rest.until;
        let over = until.is_some_and(|until| until <= now);
        *idle = Some(rest);
        place.rested = true;
        self.lie_down(id, turn, until, todo);
        match (closed, retired || drained, over) {
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
        if let Some(until) = until {
            self.call_at(until, todo);
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
    pub(super) fn come_in(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) -> Option<DeskId> {
        let is_away = |state: &State<C>| {
            matches!(state, State::Out | State::Returning)
                || matches!(state, State::Finishing { .. } | State::Unfinished)
        };
        let place = self.places.get(&id).filter(|place| is_away(&place.state))?;
        let desk = place.desk;
        let was = self.change(id, |place| std::mem::replace(&mut place.state, State::Out));
        if let State::Finishing { want, .. } = was {
            self.finishing.remove(&id);
            todo.unwanted.push(want);
        }
        Some(desk)
    }

    pub(super) fn desk_of(
        &mut self,
        key: Arc<K>,
        is_exclusive: bool,
        todo: &mut Todo<K, C, W>,
    ) -> DeskId {
        if let Some(&desk) = self.keys.get(&key) {
            todo.keys.push(key);
            return desk;
        }
        let sharing = if is_exclusive { Sharing::Exclusive } else { Sharing::Unknown };
        let desk = self.next_turn();
        self.keys.insert(key.clone(), desk);
        self.desks.insert(desk, Desk::new(key, sharing));
        desk
    }

    /// Changes a place, and counts it as what it is now.
    pub(super) fn change<T>(&mut self, id: PlaceId, change: impl FnOnce(&mut Place<C>) -> T) -> T {
        let place = self.place(id);
        let before = place.role();
        let changed = change(place);
        let (after, desk) = (place.role(), place.desk);
        if before != after {
            self.tally.remove(before);
            self.tally.add(after);
            let tally = &mut self.desk(desk).tally;
            tally.remove(before);
            tally.add(after);
        }
        changed
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
