//! Who may open a connection, and who has to go for it.

use std::{cmp::Reverse, hash::Hash, time::Instant};

use super::{
    Book, DeskId, Dial, Handle, PlaceId, REMEMBERED, Todo, Turn, Want,
    desk::Sharing,
    place::{Place, State},
};
use crate::events::Closing;

impl<K: Clone + Eq + Hash, C, W> Book<K, C, W> {
    /// Whether someone waits longer at another desk, for whom no place will be free unless this desk gives one up.
    pub(super) fn is_anothers_turn(&self, desk: DeskId) -> bool {
        if self.hungry.is_empty() || self.places.len() < self.limits.connections {
            return false;
        }
        let waiters = self.desks.get(&desk).map(|lines| &lines.waiters);
        let mine = waiters.and_then(|waiters| waiters.keys().next()).copied().unwrap_or(Turn::MAX);
        let mut older =
            self.hungry.range(..(mine, DeskId::MAX)).filter(|(_, other)| *other != desk);
        older.nth(self.leaving).is_some()
    }

    /// Dials for the hungry, in their order; where the book is full, makes room.
    pub(super) fn feed(&mut self, now: Instant, todo: &mut Todo<K, C, W>) {
        while let Some(&(_, desk)) = self.hungry.first() {
            if self.places.len() < self.limits.connections {
                self.dial(desk, now, todo);
            } else if self.leaving >= self.hungry.len() || !self.make_room(todo) {
                break;
            }
        }
    }

    fn dial(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        let (place, (want, wanted)) = (self.next_turn(), Want::new());
        let lines = self.desk(desk);
        let caused_by = lines.first_uncovered().unwrap_or(Turn::MAX);
        let wish = lines.waiters.get(&caused_by).map(|(_, wish)| wish.clone()).unwrap_or_default();
        lines.open += 1;
        lines.dialing += 1;
        todo.dial.push(Dial { place, key: lines.key.clone(), wish, wanted });
        self.places.insert(place, Place::dialing(desk, caused_by, want, now));
        self.sort_hungry(desk);
    }

    /// Abandons dials beyond the number of those who wait, if that is wanted: each waiter may need one, no matter who
    /// caused it.
    pub(super) fn abandon_needless(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) {
        if !self.limits.abandon_dials {
            return;
        }
        while let Some(dial) = self.needless_dial(desk) {
            self.abandon(dial, todo);
        }
    }

    /// One whose cause has left, before one with a waiter who may have chosen how long it takes; the newest of them.
    fn needless_dial(&self, desk: DeskId) -> Option<PlaceId> {
        let lines = self.desks.get(&desk)?;
        if lines.dialing <= lines.waiters.len() {
            return None;
        }
        let dials = self.places.iter().filter_map(|(&id, place)| match place.state {
            State::Dialing { caused_by, .. } if place.desk == desk => {
                Some((lines.waiters.contains_key(&caused_by), Reverse(id)))
            }
            _ => None,
        });
        dials.min().map(|(_, Reverse(id))| id)
    }

    /// Ends a dial. Its place is free when it says that it has ended.
    pub(super) fn abandon(&mut self, id: PlaceId, todo: &mut Todo<K, C, W>) {
        let place = self.place(id);
        let desk = place.desk;
        if let State::Dialing { want, .. } = std::mem::replace(&mut place.state, State::Abandoned) {
            todo.unwanted.push(want);
            self.desk(desk).dialing -= 1;
            self.mark_leaving(id);
        }
    }

    /// Closes whom it hurts least: the longest idle. If nobody is idle, a desk that has nothing at all may ask a busy
    /// shared connection of another to finish, for it would never become idle by itself.
    fn make_room(&mut self, todo: &mut Todo<K, C, W>) -> bool {
        if let Some(&place) = self.idle.values().next() {
            self.evict(place, Closing::Evicted, todo);
            return true;
        }
        let starving = |(_, desk): &&(Turn, DeskId)| self.desks[desk].open == 0;
        if self.hungry.iter().filter(starving).nth(self.leaving).is_none() {
            return false;
        }
        let busy = |place: &Place<C>| matches!(place.state, State::Shared { .. }) && !place.leaving;
        let victim = self.places.iter().filter(|(_, place)| busy(place));
        let Some(victim) = victim.min_by_key(|(_, place)| place.requests()).map(|(&id, _)| id)
        else {
            return false;
        };
        self.drain(victim, Closing::Evicted, todo);
        true
    }

    /// A desk at its own limit gives up a shared connection that nobody uses and nobody may use.
    pub(super) fn evict_useless(&mut self, desk: DeskId, todo: &mut Todo<K, C, W>) {
        let Some(lines) = self.desks.get(&desk) else { return };
        if lines.waiters.is_empty() || lines.open < self.limits.connections_per_key {
            return;
        }
        let useless = |id: &&PlaceId| self.places.get(id).is_some_and(Place::is_useless);
        if let Some(&id) = lines.shared.iter().find(useless) {
            self.evict(id, Closing::Evicted, todo);
        }
    }

    /// A shared connection that is too old takes no more requests.
    pub(super) fn retire_shared(&mut self, desk: DeskId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(lines) = self.desks.get(&desk) else { return };
        let retired = |id: &&PlaceId| {
            let retired = |place: &Place<C>| place.is_retired(now, self.limits.requests);
            self.places.get(id).is_some_and(|place| retired(place) || place.is_over(now))
        };
        let retired: Vec<PlaceId> = lines.shared.iter().filter(retired).copied().collect();
        retired.into_iter().for_each(|id| self.drain(id, Closing::Retired, todo));
    }

    /// Lets a shared connection finish what was begun.
    pub(super) fn drain(&mut self, id: PlaceId, why: Closing, todo: &mut Todo<K, C, W>) {
        if self.place(id).idle().is_some() {
            return self.evict(id, why, todo);
        }
        self.blame(id, why);
        let desk = self.place(id).desk;
        self.desk(desk).shared.retain(|&other| other != id);
        self.mark_leaving(id);
    }

    /// Closes a connection that rests.
    pub(super) fn evict(&mut self, id: PlaceId, why: Closing, todo: &mut Todo<K, C, W>) {
        let place = self.place(id);
        let desk = place.desk;
        let Some(turn) = place.idle().map(|idle| idle.turn) else { return };
        let connection = match std::mem::replace(&mut place.state, State::Closing) {
            State::Idle { connection, .. } => Handle::Exclusive(connection),
            State::Shared { connection, .. } => Handle::Shared(connection),
            _ => return,
        };
        todo.close.push(connection);
        self.blame(id, why);
        self.idle.remove(&turn);
        let lines = self.desk(desk);
        lines.idle.retain(|&other| other != id);
        lines.shared.retain(|&other| other != id);
        self.mark_leaving(id);
    }

    pub(super) fn mark_closing(&mut self, id: PlaceId, why: Closing) {
        self.place(id).state = State::Closing;
        self.blame(id, why);
        self.mark_leaving(id);
    }

    /// The first reason is the one to tell.
    pub(super) fn blame(&mut self, id: PlaceId, why: Closing) {
        self.place(id).why.get_or_insert(why);
    }

    fn mark_leaving(&mut self, id: PlaceId) {
        let place = self.place(id);
        if !std::mem::replace(&mut place.leaving, true) {
            self.leaving += 1;
        }
    }

    /// Strikes a place out.
    pub(super) fn remove(&mut self, id: PlaceId, now: Instant, todo: &mut Todo<K, C, W>) {
        let Some(place) = self.places.remove(&id) else { return };
        if let Some(obituary) = place.obituary(now) {
            todo.note(id, || obituary);
        }
        self.leaving -= usize::from(place.leaving);
        if let Some(idle) = place.idle() {
            self.idle.remove(&idle.turn);
        }
        todo.forget.extend(place.known.cut);
        let lines = self.desk(place.desk);
        lines.open -= 1;
        match place.state {
            State::Dialing { want, .. } => {
                lines.dialing -= 1;
                todo.unwanted.push(want);
            }
            State::Returning => lines.returning -= 1,
            State::Idle { connection, .. } => {
                lines.idle.retain(|&other| other != id);
                todo.close.push(Handle::Exclusive(connection));
            }
            State::Shared { connection, .. } => {
                lines.shared.retain(|&other| other != id);
                todo.close.push(Handle::Shared(connection));
            }
            State::Abandoned | State::Out | State::Upgraded | State::Closing => {}
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
    pub(super) fn sort_empty(&mut self, desk: DeskId) {
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
}
