//! Who may open a connection, and who has to go for it.

use std::{hash::Hash, time::Instant};

use super::{
    Book, DeskId, Dial, Handle, PlaceId, REMEMBERED, Todo, Turn, Want,
    desk::Sharing,
    place::{Place, State},
};
use crate::events::Closing;

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Whether no more may be dialed. A connection that cannot be ended passes its place on, but not more of them than the
    /// limit: so there are never more than twice as many.
    pub(super) fn is_full(&self) -> bool {
        self.counted() >= self.limits.connections
    }

    /// Places that count against the limit.
    pub(super) fn counted(&self) -> usize {
        self.places.len() - self.tally.passed_on.min(self.limits.connections)
    }

    /// Whether someone waits longer at another desk, for whom no place will be free unless this desk gives one up.
    pub(super) fn is_anothers_turn(&self, desk: DeskId) -> bool {
        if self.hungry.is_empty() || !self.is_full() {
            return false;
        }
        let lines = self.desks.get(&desk);
        let mine = lines.and_then(|lines| lines.line.first()).unwrap_or(Turn::MAX);
        let mut older =
            self.hungry.range(..(mine, DeskId::MAX)).filter(|(_, other)| *other != desk);
        older.nth(self.tally.leaving()).is_some()
    }

    /// Dials for the hungry, in their order; where the book is full, makes room.
    pub(super) fn feed(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        self.feed_by(Self::make_room, now, todo);
    }

    /// The same, but asks no busy connection to make room.
    pub(super) fn feed_without_drains(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        self.feed_by(Self::evict_something, now, todo);
    }

    fn feed_by(
        &mut self,
        make_room: impl Fn(&mut Self, Instant, &mut Todo<K, C, W>) -> bool,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        while let Some(&(_, desk)) = self.hungry.first() {
            if !self.is_full() {
                self.dial(desk, now, todo);
            } else if self.tally.leaving() >= self.hungry.len() || !make_room(self, now, todo) {
                break;
            }
        }
    }

    fn dial(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        let (id, (want, wanted)) = (self.next_turn(), Want::new());
        let lines = self.desk(desk);
        let caused_by = lines.line.first_uncovered();
        let cause = caused_by.and_then(|turn| lines.line.get(turn));
        let wish = cause.map(|waiter| waiter.wish.clone()).unwrap_or_default();
        todo.dial.push(Dial { place: id, key: lines.key.clone(), wish, wanted });
        let place = Place::dialing(desk, caused_by, want, now);
        lines.dials.begin(caused_by, id);
        lines.tally.add(place.role());
        self.tally.add(place.role());
        self.places.insert(id, place);
        self.sort(desk);
    }

    /// Abandons dials beyond the number of those who wait, if that is wanted: each waiter may need one, no matter who
    /// caused it.
    pub(super) fn abandon_needless(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) {
        while self.limits.abandon_dials && self.abandon_surplus(desk, todo) {}
    }

    fn abandon_surplus(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) -> bool {
        let surplus = self.desks.get(&desk).filter(|lines| lines.surplus() > 0);
        let Some(dial) = surplus.and_then(|lines| lines.dials.least_wanted()) else { return false };
        self.abandon(dial, todo);
        self.sort(desk);
        true
    }

    /// Ends a dial. Its place is free when it says that it has ended.
    pub(super) fn abandon(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        let place = self.place(id);
        if !place.is_dialing() {
            return;
        }
        let (desk, cause) = (place.desk, place.caused_by());
        let dial = self.change(id, |place| std::mem::replace(&mut place.state, State::Abandoned));
        if let State::Dialing { want, .. } = dial {
            todo.unwanted.push(want);
        }
        self.desk(desk).dials.end(cause, id);
    }

    /// Gives up what is missed least: the connection that was idle longest; one of which only the rest of a dropped
    /// response is wanted; a dial that nobody waits for. After these a busy shared connection is asked to finish, but
    /// only for a key that starves, because it would never become idle by itself.
    fn make_room(&mut self, now: Instant, todo: &mut Todo<K, C, W>) -> bool {
        self.evict_something(now, todo) || self.drain_for_room(now, todo)
    }

    fn evict_something(&mut self, now: Instant, todo: &mut Todo<K, C, W>) -> bool {
        if let Some(&place) = self.idle.values().next() {
            self.evict(place, Closing::Evicted, todo);
            return true;
        }
        if let Some(place) = self.least_worth_finishing(now) {
            self.finishing.remove(&place);
            self.stop_finishing(place, todo);
            return true;
        }
        if let Some(&desk) = self.surplus.first() {
            return self.abandon_surplus(desk, todo);
        }
        false
    }

    /// A rest that is about to end serves a waiter of its own key sooner than a dial would.
    pub(super) fn least_worth_finishing(&self, now: Instant) -> Option<PlaceId> {
        let first = self.hungry.first().map(|(_, desk)| *desk);
        let gives_way = |place: &Place<C>| match place.state {
            State::Finishing { until, .. } => until <= now || first != Some(place.desk),
            _ => false,
        };
        self.finishing.iter().copied().find(|id| self.places.get(id).is_some_and(gives_way))
    }

    /// When the rest of a dropped response is given up for a waiter of its own key, if one waits.
    pub(super) fn next_to_stop_finishing(&self, now: Instant) -> Option<Instant> {
        if self.queued == 0 {
            return None;
        }
        let of_waiters = self.finishing.iter().filter_map(|id| {
            let place = self.places.get(id)?;
            let State::Finishing { until, .. } = place.state else { return None };
            let lacks = self.desks.get(&place.desk).is_some_and(|it| it.line.uncovered() > 0);
            lacks.then_some(until)
        });
        of_waiters.filter(|until| *until > now).min()
    }

    /// Gives up the rests for which waiters of their own keys have waited for long enough.
    pub(super) fn end_finishing(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        let is_late = |place: &&Place<C>| match place.state {
            State::Finishing { until, .. } => until <= now,
            _ => false,
        };
        let late = self.finishing.iter().filter_map(|id| self.places.get(id).filter(is_late));
        let desks: Vec<DeskId> = late.map(|place| place.desk).collect();
        desks.into_iter().for_each(|desk| self.settle(desk, now, todo));
    }

    /// Reads no more of the rest of a dropped response: its connection is discarded by who reads it.
    pub(super) fn stop_finishing(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        let stopped = self.change(id, |place| match place.state {
            State::Finishing { .. } => std::mem::replace(&mut place.state, State::Unfinished),
            _ => State::Closing,
        });
        if let State::Finishing { want, .. } = stopped {
            self.blame(id, Closing::Unfinished);
            todo.unwanted.push(want);
        }
    }

    /// A desk at its own limit gives up a connection for its own waiters: a shared one that nobody uses and nobody may
    /// use, or one on which the rest of a dropped response is read that may have no end.
    pub(super) fn give_way_to_own_key(
        &mut self,
        desk: DeskId,
        now: Instant,
        todo: &mut Todo<K, C, W>,
    ) {
        let limit = self.limits.connections_per_key;
        let Some(lines) = self.desks.get(&desk) else { return };
        if lines.line.is_empty() || lines.counted() < limit {
            return;
        }
        if let Some(&useless) = lines.shared.useless.first() {
            return self.evict(useless, Closing::Evicted, todo);
        }
        let enough = lines.tally.leaving() + lines.tally.returning;
        if lines.line.len() > enough {
            let gives_way = |place: &Place<C>| match place.state {
                State::Finishing { until, .. } => until <= now && place.desk == desk,
                _ => false,
            };
            let own = |id: &&PlaceId| self.places.get(id).is_some_and(gives_way);
            if let Some(&own) = self.finishing.iter().find(own) {
                self.finishing.remove(&own);
                self.stop_finishing(own, todo);
            }
        }
    }

    /// Closes a connection that rests.
    pub(super) fn evict(&mut self, id: PlaceId, why: Closing, todo: &mut Todo<K, C, W>) {
        let place = self.place(id);
        let desk = place.desk;
        let Some(turn) = place.idle().map(|idle| idle.turn) else { return };
        let rested = self.change(id, |place| std::mem::replace(&mut place.state, State::Closing));
        todo.close.push(match rested {
            State::Idle { connection, .. } => Handle::Exclusive(connection),
            State::Shared { connection, .. } => Handle::Shared(connection),
            // Only these two rest.
            _ => return,
        });
        self.blame(id, why);
        self.idle.remove(&turn);
        self.desk(desk).idle.remove(&turn);
        self.draining.remove(&id);
        self.file_shared(id);
    }

    pub(super) fn mark_closing(&mut self, id: PlaceId, why: Closing) {
        self.change(id, |place| place.state = State::Closing);
        self.blame(id, why);
    }

    /// The first reason is the one to tell.
    pub(super) fn blame(&mut self, id: PlaceId, why: Closing) {
        self.place(id).why.get_or_insert(why);
    }

    /// Strikes a place out.
    pub(super) fn remove(&mut self, id: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(obituary) = place.obituary(now) {
            todo.note(id, || obituary);
        }
        let (role, cause) = (place.role(), place.caused_by());
        self.tally.remove(role);
        self.finishing.remove(&id);
        self.joinable.remove(&id);
        self.draining.remove(&id);
        todo.forget.extend(place.known.cut);
        let idle = match &place.state {
            State::Idle { idle, .. } => Some(idle.turn),
            State::Shared { idle, .. } => idle.as_ref().map(|idle| idle.turn),
            _ => None,
        };
        if let Some(turn) = idle {
            self.idle.remove(&turn);
        }
        let lines = self.desk(place.desk);
        lines.tally.remove(role);
        lines.shared.remove(place.listed, id);
        lines.dials.end(cause, id);
        if let Some(turn) = idle {
            lines.idle.remove(&turn);
        }
        match place.state {
            State::Dialing { want, .. } | State::Finishing { want, .. } => todo.unwanted.push(want),
            State::Idle { connection, .. } => todo.close.push(Handle::Exclusive(connection)),
            State::Shared { connection, .. } => todo.close.push(Handle::Shared(connection)),
            _ => {}
        }
    }

    /// Counts the waiters of a desk anew, and puts it where it belongs among the hungry and among those with more dials
    /// than waiters.
    pub(super) fn sort(&mut self, desk: DeskId) {
        let limit = self.limits.connections_per_key;
        let Some(lines) = self.desks.get_mut(&desk) else { return };
        lines.cover();
        let is_forbidden = lines.sharing == Sharing::Shared && !lines.shared.forbidden.is_empty();
        let may_dial = lines.counted() < limit && !is_forbidden;
        let first = may_dial.then(|| lines.line.first_uncovered()).flatten();
        let hungry = first.map(|turn| (turn, lines.tally.alive() == 0));
        let queued = lines.line.uncovered();
        self.queued = self.queued + queued - std::mem::replace(&mut lines.queued, queued);
        let surplus = lines.surplus() > 0;
        if std::mem::replace(&mut lines.has_surplus, surplus) != surplus {
            match surplus {
                true => self.surplus.insert(desk),
                false => self.surplus.remove(&desk),
            };
        }
        let before = std::mem::replace(&mut lines.hungry_at, hungry);
        if before == hungry {
            return;
        }
        if let Some((turn, _)) = before {
            self.hungry.remove(&(turn, desk));
            self.barren.remove(&(turn, desk));
            self.hopeful.remove(&(turn, desk));
        }
        if let Some((turn, is_barren)) = hungry {
            self.hungry.insert((turn, desk));
            match is_barren {
                true => self.barren.insert((turn, desk)),
                false => self.hopeful.insert((turn, desk)),
            };
        }
    }

    /// Remembers what an empty desk spoke, but not of every host that there ever was.
    pub(super) fn sort_empty(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) {
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
                let key = self.keys.remove_entry(&lines.key).map(|(key, _)| key);
                todo.keys.extend(key.into_iter().chain([lines.key]));
            }
        }
    }
}
