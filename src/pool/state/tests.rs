//! The state as tables of events and answers, and as a property over any order of events.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{tally::Role, *};

type TestState = PoolState<&'static str, Conn, u32>;
type TestTransition = Transition<&'static str, Conn, u32>;

/// A connection that is nothing but its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conn(SlotId);

/// A state and the world around it, which does at once what the state wants done.
struct World {
    state: TestState,
    now: Instant,
    dialing: BTreeMap<SlotId, &'static str>,
    canceled: BTreeMap<SlotId, Canceled>,
    abandoned: Vec<SlotId>,
    out: Vec<(SlotId, bool)>,
    closing: Vec<SlotId>,
    served: Vec<u32>,
    turned_away: Vec<u32>,
    tickets: BTreeMap<u32, Ticket>,
    next_waiter: u32,
    keys: BTreeMap<u32, &'static str>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let now = crate::rt::Runtime::default().now();
        Self {
            state: PoolState::new(limits),
            now,
            dialing: BTreeMap::new(),
            canceled: BTreeMap::new(),
            abandoned: Vec::new(),
            out: Vec::new(),
            closing: Vec::new(),
            served: Vec::new(),
            turned_away: Vec::new(),
            tickets: BTreeMap::new(),
            next_waiter: 0,
            keys: BTreeMap::new(),
        }
    }

    fn event<T>(&mut self, tell: impl FnOnce(&mut TestState, &mut TestTransition) -> T) -> T {
        let mut cx = TestTransition::new(self.now, false);
        let answer = tell(&mut self.state, &mut cx);
        let actions = cx.actions;
        for (waiter, checkout) in actions.serve {
            let key = self.keys[&waiter];
            let younger = |other: &&u32| self.keys[*other] == key && **other > waiter;
            assert_eq!(self.served.iter().find(younger), None, "{waiter} came before");
            self.served.push(waiter);
            self.tickets.remove(&waiter);
            self.take_out(&checkout);
        }
        for waiter in actions.turn_away {
            self.tickets.remove(&waiter);
            self.turned_away.push(waiter);
        }
        for dial in actions.dial {
            self.dialing.insert(dial.slot, *dial.key);
            self.canceled.insert(dial.slot, dial.canceled);
        }
        drop(actions.cancel);
        self.let_go();
        for handle in actions.close {
            self.closing.push(match handle {
                Handle::Exclusive(conn) => conn.0,
                Handle::Shared(conn) => conn.0,
            });
        }
        answer
    }

    /// Dials that are not wanted any more are abandoned.
    fn let_go(&mut self) {
        let dialing = &self.dialing;
        self.canceled.retain(|slot, _| dialing.contains_key(slot));
        let over = self.canceled.iter_mut().filter_map(|(&slot, it)| it.is_over().then_some(slot));
        for slot in over.collect::<Vec<_>>() {
            self.dialing.remove(&slot);
            self.canceled.remove(&slot);
            self.abandoned.push(slot);
        }
    }

    /// A dial that was abandoned ends: it had connected at that very moment, or it had not.
    fn abandoned_ends(&mut self, late: bool) {
        let Some(slot) = self.abandoned.pop() else { return };
        if late {
            let (handle, known) = (Handle::Exclusive(Conn(slot)), ConnFacts::default());
            let late = self.event(|state, cx| state.dialed(slot, handle, known, cx));
            assert!(late.is_err(), "nobody wants it");
            self.closing.push(slot);
        }
        let told = self.event(|state, cx| state.dial_failed(slot, FailureScope::All, cx));
        assert_eq!(told, [], "nobody is told");
    }

    fn leaves(&mut self, waiter: u32) {
        let ticket = self.tickets.remove(&waiter).unwrap();
        self.event(|state, cx| state.leave(ticket, cx));
    }

    fn take_out(&mut self, checkout: &Checkout<Conn>) {
        self.out.push((checkout.slot, matches!(checkout.handle, Handle::Shared(_))));
    }

    /// A request: its number if it waits, `None` if it has a connection.
    fn request(&mut self, key: &'static str) -> Option<u32> {
        if let Some(checkout) = self.event(|state, cx| state.checkout(&key, cx)) {
            self.take_out(&checkout);
            return None;
        }
        let waiter = self.next_waiter;
        self.next_waiter += 1;
        self.keys.insert(waiter, key);
        let slot = self.wait(key, waiter, WaitOptions::default());
        if !self.served.contains(&waiter) {
            self.tickets.insert(waiter, slot.ok()?);
        }
        Some(waiter)
    }

    fn wait(&mut self, key: &'static str, waiter: u32, ask: WaitOptions) -> Result<Ticket, NoWait> {
        let key = Arc::new(key);
        let slot = self.event(|state, cx| state.wait(key, waiter, ask, cx));
        slot.map_err(|(why, _)| why)
    }

    fn requests(&mut self, count: usize, key: &'static str) {
        for _ in 0..count {
            self.request(key);
        }
    }

    fn dialed(&mut self, shared: bool) {
        let Some((slot, _)) = self.dialing.pop_first() else { return };
        let handle = match shared {
            true => Handle::Shared(Arc::new(Conn(slot))),
            false => Handle::Exclusive(Conn(slot)),
        };
        let known = ConnFacts::default();
        let refused = self.event(|state, cx| state.dialed(slot, handle, known, cx));
        assert!(refused.is_ok());
    }

    fn dial_failed(&mut self) -> Vec<u32> {
        let Some((slot, _)) = self.dialing.pop_first() else { return Vec::new() };
        let told = self.event(|state, cx| state.dial_failed(slot, FailureScope::Dependents, cx));
        self.tickets.retain(|waiter, _| !told.contains(waiter));
        told
    }

    fn give_back(&mut self, at: usize) {
        if self.out.is_empty() {
            return;
        }
        let (slot, shared) = self.out.remove(at % self.out.len());
        self.event(|state, cx| match shared {
            true => state.release(slot, cx),
            false => state.give_back(slot, Conn(slot), None, cx),
        });
    }

    fn discard(&mut self, at: usize) {
        if self.out.is_empty() {
            return;
        }
        let (slot, shared) = self.out.remove(at % self.out.len());
        match shared {
            true => self.event(|state, cx| state.release(slot, cx)),
            false => {
                self.event(|state, cx| state.discard(slot, Closing::Unfinished, cx));
                self.closing.push(slot);
            }
        }
    }

    fn transports_close(&mut self) {
        while let Some(slot) = self.closing.pop() {
            self.event(|state, cx| state.closed(slot, cx));
        }
    }

    fn slots(&self) -> (usize, usize, usize) {
        let of = |state| self.state.rows().filter(|row| row.state == state).count();
        (of(Use::Dialing), of(Use::Active), of(Use::Idle))
    }
}

fn limits(connections: usize) -> Limits {
    Limits { connections, ..Limits::default() }
}

fn abandoning(connections: usize) -> Limits {
    Limits { abandon_dials: true, ..limits(connections) }
}

#[test]
fn the_newest_idle_connection_is_taken_first() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    world.request("a");
    world.dialed(false);
    let newest = world.out[1].0;
    world.give_back(0);
    world.give_back(0);
    assert_eq!(world.request("a"), None);
    assert_eq!(world.out, [(newest, false)]);
}

#[test]
fn one_dial_serves_all_until_the_protocol_is_known() {
    let mut world = World::new(limits(200));
    world.requests(100, "a");
    assert_eq!(world.dialing.len(), 1);
    world.dialed(true);
    assert_eq!((world.served.len(), world.dialing.len()), (100, 0));
}

#[test]
fn an_exclusive_answer_lets_the_others_dial_in_parallel_and_is_remembered() {
    let mut world = World::new(limits(200));
    world.requests(10, "a");
    world.dialed(false);
    assert_eq!((world.served.len(), world.dialing.len()), (1, 9));
    (0..9).for_each(|_| world.dialed(false));
    (0..10).for_each(|_| world.discard(0));
    world.transports_close();
    world.requests(10, "a");
    assert_eq!(world.dialing.len(), 10);
}

#[test]
fn further_shared_connections_are_dialed_one_at_a_time() {
    let mut world = World::new(limits(200));
    world.requests(10, "a");
    let slot = *world.dialing.keys().next().unwrap();
    world.event(|state, cx| state.streams(slot, Some(2), cx));
    world.dialed(true);
    assert_eq!((world.served.len(), world.dialing.len()), (2, 1));
    world.dialed(true);
    assert_eq!((world.served.len(), world.dialing.len()), (10, 0));
}

#[test]
fn a_peer_that_allows_no_streams_is_not_dialed_again_and_again() {
    let mut world = World::new(limits(200));
    world.request("a");
    let slot = *world.dialing.keys().next().unwrap();
    world.event(|state, cx| state.streams(slot, Some(0), cx));
    world.dialed(true);
    assert_eq!((world.served.len(), world.dialing.len()), (0, 0));
    world.event(|state, cx| state.streams(slot, Some(1), cx));
    assert_eq!(world.served, [0]);
}

#[test]
fn a_returning_connection_makes_a_dial_needless() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    let slot = world.out[0].0;
    world.event(|state, cx| state.returning(slot, cx));
    world.request("a");
    assert_eq!(world.dialing.len(), 0);
    world.give_back(0);
    assert_eq!(world.served, [0, 1]);
}

#[test]
fn the_longest_idle_connection_of_another_key_makes_room() {
    let mut world = World::new(limits(2));
    for key in ["a", "b"] {
        world.request(key);
        world.dialed(false);
        world.give_back(0);
    }
    world.request("c");
    assert_eq!((world.closing.len(), world.dialing.len()), (1, 0));
    world.transports_close();
    assert_eq!(world.dialing.values().copied().collect::<Vec<_>>(), ["c"]);
    assert!(world.state.rows().all(|row| *row.key != "a"));
}

#[test]
fn a_connection_that_is_counted_by_its_users_counts_while_it_has_none() {
    for shared in [false, true] {
        let limits = Limits { is_counted_by_users: true, ..abandoning(usize::MAX) };
        let mut world = World::new(limits);
        let counted = |world: &World| {
            let counts = world.state.counts();
            (counts.counted, counts.idle, counts.leaving, counts.open)
        };
        world.request("a");
        assert_eq!(counted(&world), (0, 0, 0, 1), "a dial");
        world.dialed(shared);
        assert_eq!(counted(&world), (0, 0, 0, 1), "in use");
        world.give_back(0);
        assert_eq!(counted(&world), (1, 1, 0, 1), "idle");
        world.event(|state, cx| state.evict_longest_idle(cx));
        assert_eq!(counted(&world), (1, 0, 1, 1), "closing");
        world.transports_close();
        assert_eq!(counted(&world), (0, 0, 0, 0), "gone");
        world.request("a");
        world.leaves(1);
        assert_eq!(counted(&world), (1, 0, 1, 1), "a dial for nobody");
    }
}

#[test]
fn who_waits_longest_is_first_across_keys() {
    let mut world = World::new(limits(1));
    world.request("a");
    world.dialed(false);
    assert_eq!(world.request("b"), Some(1));
    assert_eq!(world.request("a"), Some(2));
    world.give_back(0);
    world.transports_close();
    world.dialed(false);
    assert_eq!(world.served, [0, 1]);
}

#[test]
fn a_busy_shared_connection_does_not_starve_another_key() {
    let mut world = World::new(limits(1));
    world.request("a");
    world.dialed(true);
    assert_eq!(world.request("b"), Some(1));
    assert_eq!(world.request("a"), Some(2));
    world.give_back(0);
    world.transports_close();
    assert_eq!(world.dialing.values().copied().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn who_leaves_the_line_does_not_take_the_dial_along() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.leaves(0);
    assert_eq!(world.state.waiting(), 0);
    world.dialed(false);
    assert_eq!(world.slots(), (0, 0, 1));
}

#[test]
fn a_dial_is_abandoned_with_the_last_who_waits_for_it() {
    let mut world = World::new(abandoning(9));
    world.requests(2, "a");
    world.leaves(0);
    assert_eq!((world.dialing.len(), world.abandoned.len()), (1, 0));
    world.leaves(1);
    assert_eq!((world.dialing.len(), world.abandoned.len()), (0, 1));
}

#[test]
fn an_abandoned_dial_keeps_its_place_until_it_has_ended() {
    let mut world = World::new(abandoning(1));
    world.request("a");
    world.leaves(0);
    world.request("b");
    assert_eq!(world.dialing.len(), 0);
    world.abandoned_ends(false);
    assert_eq!(world.dialing.values().copied().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_abandoned_dial_that_has_connected_keeps_its_place_until_it_is_closed() {
    let mut world = World::new(abandoning(1));
    world.request("a");
    world.leaves(0);
    world.request("a");
    world.abandoned_ends(true);
    assert_eq!((world.dialing.len(), world.served.len()), (0, 0));
    world.transports_close();
    assert_eq!(world.dialing.len(), 1);
}

#[test]
fn a_dial_is_abandoned_when_its_waiter_is_served_by_another_connection() {
    let mut world = World::new(abandoning(9));
    world.request("a");
    world.dialed(false);
    world.request("a");
    world.give_back(0);
    assert_eq!(world.served, [0, 1]);
    assert_eq!((world.dialing.len(), world.abandoned.len()), (0, 1));
}

#[test]
fn who_stays_keeps_the_dial_that_was_begun_for_them() {
    for leaving in 1..4 {
        let mut world = World::new(abandoning(9));
        world.request("a");
        world.dialed(false);
        world.requests(3, "a");
        let dials: Vec<_> = world.dialing.keys().copied().collect();
        world.leaves(leaving);
        assert_eq!(world.abandoned, [dials[leaving as usize - 1]]);
    }
}

#[test]
fn a_dial_of_another_key_is_not_abandoned() {
    let mut world = World::new(abandoning(9));
    world.request("a");
    world.request("b");
    world.leaves(0);
    assert_eq!(world.dialing.values().copied().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_book_that_is_closed_abandons_its_dials() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.event(|state, cx| state.close(cx));
    assert_eq!((world.turned_away.clone(), world.abandoned.len()), (vec![0], 1));
    world.abandoned_ends(false);
    assert!(world.state.is_empty());
}

#[test]
fn a_failed_shared_dial_fails_its_cause_and_the_others_have_one_more() {
    let mut world = World::new(limits(9));
    world.requests(5, "a");
    assert_eq!(world.dial_failed(), [0]);
    assert_eq!(world.dialing.len(), 1);
    world.request("a");
    assert_eq!(world.dial_failed(), [1, 2, 3, 4]);
    assert_eq!(world.dialing.len(), 1, "for the one that came later");
    world.dialed(true);
    assert_eq!(world.served, [5]);
}

#[test]
fn a_dial_that_was_too_slow_for_one_is_not_the_last_for_who_has_more_time() {
    let mut world = World::new(limits(9));
    let second = Duration::from_secs(1);
    for (waiter, limit) in [(0, Some(second)), (1, Some(9 * second)), (2, None)] {
        world.keys.insert(waiter, "a");
        world
            .wait("a", waiter, WaitOptions { options: limit.into(), ..WaitOptions::default() })
            .unwrap();
    }
    let (slot, _) = world.dialing.pop_first().unwrap();
    let told = FailureScope::NotOutwaiting(second);
    let told = world.event(|state, cx| state.dial_failed(slot, told, cx));
    assert_eq!(told, [0]);
    assert_eq!(world.dialing.len(), 1);
    world.dialed(true);
    assert_eq!(world.served, [1, 2]);
}

#[test]
fn who_comes_again_goes_before_who_came_later() {
    let mut world = World::new(limits(1));
    world.request("a");
    world.dialed(false);
    world.give_back(0);
    let checkout = world.event(|state, cx| state.checkout(&"a", cx)).unwrap();
    world.take_out(&checkout);
    world.requests(2, "a");
    let again = Some(checkout.seq);
    world.keys.insert(9, "a");
    world.wait("a", 9, WaitOptions { again, ..WaitOptions::default() }).unwrap();
    world.discard(0);
    world.transports_close();
    world.dialed(false);
    assert_eq!(world.served, [0, 9]);
}

#[test]
fn a_shared_connection_that_is_in_doubt_is_not_handed_out() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.streams(slot, None, cx));
    world.request("a");
    assert_eq!((world.served.len(), world.dialing.len()), (1, 1));
    world.event(|state, cx| state.streams(slot, Some(100), cx));
    assert_eq!(world.served, [0, 1]);
}

#[test]
fn a_shared_connection_that_is_retired_ends_with_its_last_request() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.retire(slot, cx));
    assert!(world.closing.is_empty());
    world.give_back(0);
    assert_eq!(world.closing, [slot]);
}

#[test]
fn a_connection_that_is_over_before_it_began_is_refused() {
    let mut world = World::new(limits(9));
    world.request("a");
    let (slot, _) = world.dialing.pop_first().unwrap();
    world.event(|state, cx| state.closed(slot, cx));
    let handle = Handle::Exclusive(Conn(slot));
    let refused = world.event(|state, cx| state.dialed(slot, handle, ConnFacts::default(), cx));
    assert!(refused.is_err());
}

#[test]
fn idle_connections_are_reaped_when_their_time_is_over() {
    let timeout = Duration::from_secs(90);
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    let slot = world.out.pop().unwrap().0;
    let mut cx = TestTransition::new(world.now, false);
    world.state.give_back(slot, Conn(slot), None, &mut cx);
    let at = cx.actions.reap_at.unwrap();
    assert_eq!(at, world.now + timeout);
    world.now = at;
    world.event(|state, cx| state.reap(at, cx));
    assert_eq!(world.closing, [slot]);
}

#[test]
fn a_late_event_of_a_place_that_is_gone_means_nobody() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.closed(slot, cx));
    world.request("a");
    world.dialed(false);
    world.event(|state, cx| state.give_back(slot, Conn(slot), None, cx));
    assert_eq!(world.closing, [slot]);
    assert_eq!(world.slots(), (0, 1, 0));
}

#[test]
fn hosts_that_are_gone_are_forgotten() {
    let mut world = World::new(limits(9));
    for _ in 0..3 * REMEMBERED {
        let key: &'static str = Box::leak(format!("{}", world.next_waiter).into_boxed_str());
        world.request(key);
        world.dial_failed();
    }
    assert!(world.state.keys.len() <= REMEMBERED + 1);
}

/// A key with one connection that is shared and busy, in a state that is full with it.
fn busy_shared(connections: usize) -> World {
    let mut world = World::new(limits(connections));
    world.request("a");
    world.dialed(true);
    world
}

impl World {
    fn exclusive_request(&mut self, key: &'static str) -> u32 {
        let waiter = self.next_waiter;
        self.next_waiter += 1;
        self.keys.insert(waiter, key);
        let ticket = self
            .wait(key, waiter, WaitOptions { is_exclusive: true, ..WaitOptions::default() })
            .unwrap();
        self.tickets.insert(waiter, ticket);
        waiter
    }

    fn rest_of_the_response(&mut self, is_endless: bool) -> Canceled {
        let (slot, _) = self.out[0];
        self.event(|state, cx| state.finishing(slot, is_endless, cx))
    }

    /// Time goes on, and what is due is done.
    fn later(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.state.reap_at.filter(|at| *at <= end) {
            self.now = at;
            self.event(|state, cx| state.reap(at, cx));
        }
        self.now = end;
    }

    fn dialing(&self) -> Vec<&'static str> {
        self.dialing.values().copied().collect()
    }
}

#[test]
fn a_drain_is_taken_back_when_nobody_starves_any_more() {
    let mut world = busy_shared(1);
    let b = world.request("b").unwrap();
    assert_eq!(world.state.tally.yielding, 1);
    let a = world.request("a").unwrap();
    world.leaves(b);
    assert_eq!((world.state.tally.yielding, world.served.last()), (0, Some(&a)));
}

#[test]
fn a_drain_that_takes_too_long_is_taken_back_and_tried_again_later() {
    let mut world = busy_shared(1);
    world.request("b");
    let a = world.request("a").unwrap();
    world.later(Duration::from_millis(999));
    assert_eq!(world.state.tally.yielding, 1);
    world.later(Duration::from_millis(1));
    assert_eq!((world.state.tally.yielding, world.served.last()), (0, Some(&a)));
    world.later(Duration::from_secs(1));
    assert_eq!(world.state.tally.yielding, 1, "b still starves");
    world.give_back(0);
    world.give_back(0);
    world.transports_close();
    assert_eq!(world.dialing(), ["b"]);
}

#[test]
fn idle_connections_give_way_whatever_else_is_leaving() {
    let mut world = busy_shared(3);
    let slot = world.out[0].0;
    for key in ["b", "c"] {
        world.request(key);
        world.dialed(false);
        world.give_back(1);
    }
    world.event(|state, cx| state.retire(slot, cx));
    world.request("d");
    assert_eq!(world.closing.len(), 1, "an idle one is closed, whatever becomes of the stream");
    world.transports_close();
    assert_eq!(world.dialing(), ["d"]);
}

#[test]
fn a_connection_that_the_peer_ends_does_not_count_against_its_key() {
    let mut world = World::new(Limits { connections_per_key: 1, ..Limits::default() });
    world.request("a");
    world.dialed(true);
    let slot = world.out[0].0;
    world.event(|state, cx| state.retire(slot, cx));
    world.request("a");
    assert_eq!(world.dialing(), ["a"]);
}

#[test]
fn a_connection_that_the_peer_ends_passes_its_place_on_when_its_streams_go_on() {
    let mut world = busy_shared(1);
    let slot = world.out[0].0;
    world.event(|state, cx| state.retire(slot, cx));
    world.request("a");
    world.later(Duration::from_millis(249));
    assert_eq!(world.dialing.len(), 0, "most streams end soon");
    world.later(Duration::from_millis(1));
    assert_eq!(world.dialing(), ["a"]);
    world.dialed(true);
    let slot = world.out[1].0;
    world.event(|state, cx| state.retire(slot, cx));
    world.request("a");
    world.later(Duration::from_secs(9));
    assert_eq!(world.dialing.len(), 0, "never more than twice the limit");
    world.give_back(0);
    world.transports_close();
    assert_eq!(world.dialing(), ["a"]);
}

#[test]
fn a_dial_that_nobody_waits_for_gives_way_to_a_starving_key() {
    let mut world = World::new(limits(2));
    let waiters = [(); 2].map(|()| world.exclusive_request("dead"));
    waiters.into_iter().for_each(|waiter| world.leaves(waiter));
    assert_eq!(world.dialing(), ["dead", "dead"], "pooled while nobody else wants its slot");
    world.request("b");
    assert_eq!((world.dialing.len(), world.abandoned.len()), (1, 1));
    world.abandoned_ends(false);
    assert_eq!(world.dialing(), ["dead", "b"]);
}

#[test]
fn a_key_whose_own_connection_stays_busy_starves_after_a_second() {
    let mut world = World::new(limits(2));
    world.request("b");
    world.dialed(false);
    world.request("a");
    world.dialed(true);
    world.request("b");
    world.later(Duration::from_millis(999));
    assert_eq!(world.state.tally.yielding, 0, "its own may come back");
    world.later(Duration::from_millis(1));
    assert_eq!(world.state.tally.yielding, 1);
    world.give_back(1);
    world.transports_close();
    assert_eq!(world.dialing(), ["b"]);
}

#[test]
fn a_key_whose_own_connection_was_upgraded_starves_at_once() {
    let mut world = World::new(limits(2));
    world.request("b");
    world.dialed(false);
    let (slot, _) = world.out.remove(0);
    world.event(|state, cx| state.discard(slot, Closing::Upgraded, cx));
    world.request("a");
    world.dialed(true);
    world.request("b");
    assert_eq!(world.state.tally.yielding, 1);
}

#[test]
fn the_rest_of_a_dropped_response_is_read_while_nobody_lacks_its_place() {
    for (key, is_endless, gives_way) in [("b", false, true), ("a", true, true), ("a", false, false)]
    {
        let mut world = World::new(limits(1));
        world.request("a");
        world.dialed(false);
        let mut canceled = world.rest_of_the_response(is_endless);
        assert!(!canceled.is_over());
        world.request(key);
        assert_eq!(canceled.is_over(), gives_way, "{key} {is_endless}");
        world.discard(0);
        world.transports_close();
        assert_eq!(world.dialing(), [key]);
    }
}

#[test]
fn the_rest_of_a_dropped_response_is_not_read_if_someone_lacks_its_place() {
    let mut world = World::new(limits(1));
    world.request("a");
    world.dialed(false);
    world.request("b");
    assert!(world.rest_of_the_response(false).is_over());
}

#[test]
fn only_waiters_for_which_nothing_is_on_its_way_count_as_waiting() {
    let mut world = World::new(Limits { waiters: 0, ..limits(2) });
    for _ in 0..2 {
        world.exclusive_request("a");
    }
    assert_eq!(world.dialing.len(), 2, "each has a dial");
    assert_eq!(world.request("b"), None, "and nothing is left for a third");
    assert_eq!(world.state.waiting(), 2);
    world.dialed(false);
    world.dialed(false);
    world.give_back(0);
    assert!(world.request("b").is_some(), "an idle connection makes room for it");
}

#[test]
fn a_key_that_is_exclusive_dials_for_each_from_the_start_and_each_failure_is_one_waiters() {
    let mut world = World::new(limits(9));
    for _ in 0..3 {
        world.exclusive_request("a");
    }
    assert_eq!(world.dialing.len(), 3);
    assert_eq!(world.dial_failed(), [0]);
    world.dialed(false);
    world.dialed(false);
    assert_eq!(world.served, [1, 2]);
}

#[test]
fn a_key_that_is_exclusive_and_refuses_costs_a_crowd_two_waves_of_dials() {
    for limit in [1, 2, 3] {
        let mut world = World::new(limits(limit));
        for _ in 0..10 {
            world.exclusive_request("a");
        }
        let (mut told, mut dials) = (0, 0);
        while !world.dialing.is_empty() {
            dials += 1;
            told += world.dial_failed().len();
        }
        assert_eq!((told, world.state.waiting()), (10, 0));
        assert!(dials <= 2 * limit, "{dials} dials with a limit of {limit}");
    }
}

#[test]
fn a_dial_that_succeeds_ends_a_row_of_failures() {
    let mut world = World::new(limits(1));
    for _ in 0..4 {
        world.exclusive_request("a");
    }
    assert_eq!(world.dial_failed(), [0]);
    world.dialed(false);
    world.discard(0);
    world.transports_close();
    assert_eq!(world.dial_failed(), [2], "it is the first failure since one succeeded");
    assert_eq!(world.state.waiting(), 1);
}

#[test]
fn the_rest_of_a_dropped_response_that_does_not_come_soon_gives_way_to_its_own_key() {
    for limits in [limits(1), Limits { connections_per_key: 1, ..Limits::default() }] {
        let mut world = World::new(limits);
        world.request("a");
        world.dialed(false);
        let mut canceled = world.rest_of_the_response(false);
        world.later(Duration::from_millis(50));
        world.request("a");
        world.later(Duration::from_millis(49));
        assert!(!canceled.is_over());
        world.later(Duration::from_millis(1));
        assert!(canceled.is_over());
    }
}

#[test]
fn a_connection_that_has_rested_counts_as_used() {
    for shared in [false, true] {
        let mut world = World::new(limits(9));
        world.request("a");
        world.leaves(0);
        world.dialed(shared);
        let checkout = world.event(|state, cx| state.checkout(&"a", cx)).unwrap();
        assert_eq!((checkout.served, checkout.reused), (1, true));
    }
}

#[derive(Clone, Debug)]
enum Event {
    Request(usize),
    Leave(usize),
    Returning(usize),
    Finishing(usize, bool),
    Dialed(bool),
    DialFailed,
    AbandonedEnds(bool),
    GiveBack(usize),
    Discard(usize),
    TransportsClose,
    Streams(usize, Option<usize>),
    Retire(usize),
    /// Another pool needs the slot of what is not used.
    MakeRoom,
    Later(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..4usize).prop_map(Event::Request),
        1 => any::<usize>().prop_map(Event::Leave),
        4 => any::<bool>().prop_map(Event::Dialed),
        1 => Just(Event::DialFailed),
        2 => any::<bool>().prop_map(Event::AbandonedEnds),
        4 => any::<usize>().prop_map(Event::GiveBack),
        1 => any::<usize>().prop_map(Event::Discard),
        2 => any::<usize>().prop_map(Event::Returning),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(at, endless)| Event::Finishing(at, endless)),
        2 => Just(Event::TransportsClose),
        1 => (any::<usize>(), proptest::option::of(1..4usize)).prop_map(|(at, n)| Event::Streams(at, n)),
        1 => any::<usize>().prop_map(Event::Retire),
        1 => Just(Event::MakeRoom),
        1 => (0..100u64).prop_map(Event::Later),
    ];
    proptest::collection::vec(event, 0..120)
}

impl World {
    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Request(key) => self.requests(1, ["a", "b", "c", "d"][key]),
            Event::Leave(at) => {
                let Some(&waiter) = self.tickets.keys().nth(at % 5) else { return };
                self.leaves(waiter);
            }
            Event::Returning(at) => {
                let Some(&(slot, false)) = self.out.get(at % 7) else { return };
                self.event(|state, cx| state.returning(slot, cx));
            }
            Event::Finishing(at, is_endless) => {
                let Some(&(slot, false)) = self.out.get(at % 7) else { return };
                drop(self.event(|state, cx| state.finishing(slot, is_endless, cx)));
            }
            Event::Dialed(shared) => self.dialed(shared),
            Event::DialFailed => drop(self.dial_failed()),
            Event::AbandonedEnds(late) => self.abandoned_ends(late),
            Event::GiveBack(at) => self.give_back(at),
            Event::Discard(at) => self.discard(at),
            Event::TransportsClose => self.transports_close(),
            Event::Streams(at, streams) => {
                let Some(&(slot, true)) = self.out.get(at % 7) else { return };
                self.event(|state, cx| state.streams(slot, streams, cx));
            }
            Event::Retire(at) => {
                let Some(&(slot, true)) = self.out.get(at % 7) else { return };
                self.event(|state, cx| state.retire(slot, cx));
            }
            Event::MakeRoom => {
                self.event(|state, cx| state.evict_longest_idle(cx));
            }
            Event::Later(seconds) => {
                self.now += Duration::from_secs(seconds);
                if let Some(at) = self.state.reap_at.filter(|at| *at <= self.now) {
                    self.event(|state, cx| state.reap(at, cx));
                }
            }
        }
    }

    /// What the state knows twice agrees, and nobody waits for what there is.
    fn is_consistent(&self) {
        let state = &self.state;
        let count = |is: fn(&Slot<Conn>) -> bool| state.slots.values().filter(|p| is(p)).count();
        let sum = |of: fn(&KeyState<&str, u32>) -> usize| {
            state.key_states.values().map(of).sum::<usize>()
        };
        assert_eq!(state.idle.len(), count(|slot| slot.idle().is_some()));
        assert_eq!(state.joinable.len(), count(|slot| slot.availability().is_some()));
        assert_eq!(
            state.finishing.len(),
            count(|slot| matches!(slot.state, SlotState::Finishing { .. }))
        );
        assert_eq!(
            state.draining.len(),
            count(|slot| matches!(slot.role(), Role::Draining | Role::Yielding))
        );
        if state.limits.is_counted_by_users {
            assert_eq!(state.counts().counted, count(Slot::is_unused));
        }
        assert_eq!(state.waiting, sum(|key_id| key_id.queue.len()));
        assert_eq!(state.queued, sum(|key_id| key_id.queue.uncovered()));
        assert_eq!(
            state.needs_dial.len(),
            sum(|key_id| usize::from(key_id.needs_dial_at.is_some()))
        );
        assert_eq!(state.surplus.len(), sum(|key_id| usize::from(key_id.surplus() > 0)));
        let mut tally = Tally::default();
        state.slots.values().for_each(|slot| tally.add(slot.role()));
        assert_eq!(state.tally, tally);
        for (&id, key_id) in &state.key_states {
            let of = |is: fn(&SlotState<Conn>) -> bool| {
                state.slots.values().filter(|slot| slot.key_id == id && is(&slot.state)).count()
            };
            let mut tally = Tally::default();
            let own = || state.slots.values().filter(|slot| slot.key_id == id);
            own().for_each(|slot| tally.add(slot.role()));
            assert_eq!(key_id.tally, tally);
            assert!(!state.limits.abandon_dials || key_id.surplus() == 0, "dials for nobody");
            assert_eq!(key_id.idle.len(), of(|state| matches!(state, SlotState::Idle { .. })));
            let free = own().any(|slot| slot.availability() == Some(slot::Availability::Free));
            assert_eq!(free, !key_id.shared.free.is_empty());
            assert!(key_id.queue.is_empty() || !free, "a stream is free");
            assert!(key_id.queue.is_empty() || key_id.idle.is_empty(), "a connection is idle");
        }
        let nothing_gives_way = state.idle.is_empty()
            && state.least_worth_finishing(self.now).is_none()
            && state.surplus.is_empty();
        let all_are_fed = state.needs_dial.len() <= state.tally.leaving();
        assert!(
            state.needs_dial.is_empty() || state.is_full() && (all_are_fed || nothing_gives_way)
        );
        let drained_for_room = self.drained_for_room();
        assert!(
            drained_for_room == 0 || state.starving(self.now, 9) >= drained_for_room,
            "drained for nobody"
        );
    }

    fn drained_for_room(&self) -> usize {
        self.state.tally.yielding
    }

    /// Everybody finishes: dials end, requests end, transports close.
    fn quiet_down(&mut self) {
        for _ in 0..500 {
            self.transports_close();
            self.abandoned_ends(false);
            self.dialed(false);
            self.give_back(0);
        }
    }
}

proptest! {
    #[test]
    fn limits_hold_and_nobody_is_lost_whatever_happens(events in events(), total in 1..5usize, each in 1..4usize, idle in 0..4usize, abandon_dials: bool) {
        let limits = Limits { connections: total, connections_per_key: each, idle, abandon_dials, ..Limits::default() };
        let mut world = World::new(limits);
        for event in &events {
            world.happen(event);
            world.is_consistent();
            let rows: Vec<_> = world.state.rows().map(|row| *row.key).collect();
            let passed_on = world.state.tally.passed_on;
            prop_assert!(rows.len() <= total + passed_on.min(total));
            for key_id in world.state.key_states.values() {
                prop_assert!(key_id.counted() <= each);
            }
            prop_assert!(world.slots().2 <= idle);
            prop_assert_eq!(world.state.waiting(), world.tickets.len());
            prop_assert_eq!(world.slots().0, world.dialing.len());
        }
        world.quiet_down();
        prop_assert_eq!(world.state.waiting(), 0);
        prop_assert_eq!(world.slots().0 + world.slots().1, 0);
        prop_assert_eq!(world.state.tally.leaving(), 0);
        let mut once = world.served.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), world.served.len(), "served twice");
    }
}

/// Orders of events that the property below found once: a connection stayed idle for an older waiter that needed it no more,
/// and a dial that a drain taken back had made needless pooled its slot.
#[test]
fn what_others_need_no_more_is_not_kept_for_them() {
    use Event::{
        DialFailed, Dialed, Discard, Finishing, GiveBack, Request, Streams, TransportsClose,
    };
    let left_idle = [
        Request(0),
        Request(2),
        Dialed(false),
        Request(1),
        Request(3),
        Dialed(false),
        Dialed(false),
        Discard(6784979715924403776),
        Request(3),
        Discard(3266994418590137737),
        GiveBack(0),
        Request(0),
        TransportsClose,
        Dialed(false),
        Dialed(false),
        Request(3),
        Request(2),
        Request(1),
        GiveBack(7876485674901795439),
        TransportsClose,
        Request(0),
        GiveBack(1963345465109149956),
        Dialed(false),
        Finishing(2703559586079661260, false),
        Request(2),
        Request(2),
        GiveBack(8411797831936095371),
        Request(2),
        Request(0),
        GiveBack(1282785548177132522),
    ];
    let needless_dial = [
        Request(2),
        Dialed(true),
        GiveBack(0),
        Request(3),
        Request(0),
        Request(1),
        Request(2),
        Request(1),
        Request(2),
        Dialed(false),
        Streams(17870874117239636402, None),
        Request(2),
        DialFailed,
        Request(0),
        Streams(18125863447652930186, Some(2)),
        Request(3),
        GiveBack(812024284109157489),
        GiveBack(1350284969100787991),
    ];
    for (events, total, each) in [(&left_idle[..], 3, 1), (&needless_dial[..], 4, 2)] {
        let mut world = World::new(Limits { connections_per_key: each, idle: 1, ..limits(total) });
        for event in events {
            world.happen(event);
            world.is_consistent();
        }
    }
}

proptest! {
    /// A pool whose connections are counted by what they carry leaves none out that carries nothing.
    #[test]
    fn each_connection_has_a_user_or_counts_whatever_happens(events in events(), idle in 0..4usize) {
        let limits = Limits { idle, is_counted_by_users: true, ..abandoning(usize::MAX) };
        let mut world = World::new(limits);
        for event in &events {
            world.happen(event);
            world.is_consistent();
            let counts = world.state.counts();
            prop_assert!(counts.open - counts.counted <= world.out.len() + world.tickets.len());
            prop_assert!(counts.idle + counts.leaving <= counts.counted);
            prop_assert_eq!(world.state.rows().count(), counts.counted);
        }
        world.quiet_down();
        let counts = world.state.counts();
        prop_assert_eq!((counts.open, counts.leaving), (counts.idle, 0));
    }
}
