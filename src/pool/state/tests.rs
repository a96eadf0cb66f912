//! The state machine by tables of events and results, and by a property over any order of events.

use std::{collections::BTreeMap, sync::Arc};

use super::{tally::Role, *};

mod actions;
mod dials;
mod drains;
mod ends;
mod fast_path;
mod limits;
mod model;
mod property;
mod serving;

type TestState = PoolState<&'static str, Conn, u32>;
type TestTransition = Transition<&'static str, Conn, u32>;

/// A connection that is only an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conn(SlotId);

/// A state with its environment, which executes every action at once.
struct World {
    state: TestState,
    now: Instant,
    dialing: BTreeMap<SlotId, &'static str>,
    canceled: BTreeMap<SlotId, Canceled>,
    abandoned: Vec<SlotId>,
    out: Vec<(SlotId, bool)>,
    closing: Vec<SlotId>,
    served: Vec<u32>,
    rejected: Vec<u32>,
    tickets: BTreeMap<u32, Ticket>,
    next_waiter: u32,
    keys: BTreeMap<u32, &'static str>,
    notes: Vec<(SlotId, bool)>,
    /// Timers that run.
    timers: Vec<Reap>,
    /// Tries the fast path first.
    is_quick: bool,
    /// Events that the fast path handled.
    fast_path: usize,
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
            rejected: Vec::new(),
            tickets: BTreeMap::new(),
            next_waiter: 0,
            keys: BTreeMap::new(),
            notes: Vec::new(),
            timers: Vec::new(),
            is_quick: false,
            fast_path: 0,
        }
    }

    fn event<T>(&mut self, tell: impl FnOnce(&mut TestState, &mut TestTransition) -> T) -> T {
        let mut cx = TestTransition::new(self.now, true);
        let answer = tell(&mut self.state, &mut cx);
        let actions = cx.actions;
        let notes = actions.notes.into_iter().flatten();
        self.notes.extend(notes.map(|(slot, note)| (slot, matches!(note, NoteKind::Idle))));
        for (waiter, checkout) in actions.serve {
            let key = self.keys[&waiter];
            let younger = |other: &&u32| self.keys[*other] == key && **other > waiter;
            assert_eq!(self.served.iter().find(younger), None, "{waiter} came before");
            self.served.push(waiter);
            self.tickets.remove(&waiter);
            self.take_out(&checkout);
        }
        for waiter in actions.reject {
            self.tickets.remove(&waiter);
            self.rejected.push(waiter);
        }
        for dial in actions.dial {
            self.dialing.insert(dial.slot, *dial.key);
            self.canceled.insert(dial.slot, dial.canceled);
        }
        self.timers.extend(actions.reap);
        drop(actions.cancel);
        self.timers.retain_mut(|timer| !timer.canceled.is_canceled());
        self.let_go();
        for handle in actions.close {
            self.closing.push(match handle {
                Handle::Exclusive(conn) => conn.0,
                Handle::Shared(conn) => conn.0,
            });
        }
        answer
    }

    /// Canceled dials become abandoned.
    fn let_go(&mut self) {
        let dialing = &self.dialing;
        self.canceled.retain(|slot, _| dialing.contains_key(slot));
        let over =
            self.canceled.iter_mut().filter_map(|(&slot, it)| it.is_canceled().then_some(slot));
        for slot in over.collect::<Vec<_>>() {
            self.dialing.remove(&slot);
            self.canceled.remove(&slot);
            self.abandoned.push(slot);
        }
    }

    /// An abandoned dial ends. If `late`, it had just connected.
    fn abandoned_ends(&mut self, late: bool) {
        let Some(slot) = self.abandoned.pop() else { return };
        if late {
            let (handle, facts) = (Handle::Exclusive(Box::new(Conn(slot))), ConnFacts::default());
            let late = self.event(|state, cx| state.dialed(slot, handle, facts, cx));
            assert!(late.is_err(), "nobody wants it");
            self.closing.push(slot);
        }
        let failed = self.event(|state, cx| state.dial_failed(slot, FailureScope::All, cx));
        assert!(failed.is_empty(), "no request fails");
    }

    fn leaves(&mut self, waiter: u32) {
        let ticket = self.tickets.remove(&waiter).unwrap();
        self.event(|state, cx| state.leave(ticket, cx));
    }

    fn take_out(&mut self, checkout: &CheckedOut<Conn>) {
        self.out.push((checkout.slot, matches!(checkout.handle, Handle::Shared(_))));
    }

    /// Sends a request: returns its number if it waits, `None` if it has a connection.
    fn request(&mut self, key: &'static str) -> Option<u32> {
        if let Some(checkout) = self.checkout(key) {
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

    fn checkout(&mut self, key: &'static str) -> Option<CheckedOut<Conn>> {
        if let Some(&id) = self.state.keys.get(&key).filter(|_| self.is_quick)
            && let Some(checkout) = self.state.checkout_fast(id, self.now)
        {
            self.fast_path += 1;
            return Some(checkout);
        }
        self.event(|state, cx| state.checkout(&key, cx))
    }

    fn wait(&mut self, key: &'static str, waiter: u32, ask: WaitOptions) -> Result<Ticket, NoWait> {
        let key = Arc::new(key);
        let slot = self.event(|state, cx| state.wait(key, waiter, ask, cx));
        slot.map_err(|(close_reason, _)| close_reason)
    }

    fn requests(&mut self, count: usize, key: &'static str) {
        for _ in 0..count {
            self.request(key);
        }
    }

    fn dialed(&mut self, shared: bool) {
        self.dialed_with(shared, ConnFacts::default());
    }

    fn dialed_with(&mut self, shared: bool, facts: ConnFacts) {
        let Some((slot, _)) = self.dialing.pop_first() else { return };
        let handle = match shared {
            true => Handle::Shared(Arc::new(Conn(slot))),
            false => Handle::Exclusive(Box::new(Conn(slot))),
        };
        let refused = self.event(|state, cx| state.dialed(slot, handle, facts, cx));
        assert!(refused.is_ok());
    }

    fn dial_failed(&mut self) -> Vec<u32> {
        let Some((slot, _)) = self.dialing.pop_first() else { return Vec::new() };
        let failed = self.event(|state, cx| state.dial_failed(slot, FailureScope::Dependents, cx));
        self.tickets.retain(|waiter, _| !failed.contains(waiter));
        failed
    }

    fn give_back(&mut self, at: usize) {
        if self.out.is_empty() {
            return;
        }
        let (slot, shared) = self.out.remove(at % self.out.len());
        if self.is_quick && self.is_back_at_once(slot, shared) {
            self.fast_path += 1;
            return;
        }
        self.event(|state, cx| match shared {
            true => state.release(slot, cx),
            false => state.give_back(slot, Box::new(Conn(slot)), None, cx),
        });
    }

    fn is_back_at_once(&mut self, slot: SlotId, shared: bool) -> bool {
        let outcome = match shared {
            true => self.state.release_fast(slot, self.now),
            false => match self.state.give_back_fast(slot, Box::new(Conn(slot)), None, self.now) {
                Ok(()) => ReleaseOutcome::Idle,
                Err(_) => ReleaseOutcome::Undecided,
            },
        };
        if outcome == ReleaseOutcome::Idle {
            self.notes.push((slot, true));
        }
        outcome != ReleaseOutcome::Undecided
    }

    fn discard(&mut self, at: usize) {
        if self.out.is_empty() {
            return;
        }
        let (slot, shared) = self.out.remove(at % self.out.len());
        match shared {
            true => self.event(|state, cx| state.release(slot, cx)),
            false => {
                self.event(|state, cx| state.discard(slot, CloseReason::Unfinished, cx));
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

/// A full state with one key and its busy shared connection.
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

    /// The next reap, and its time.
    fn next_reap(&self) -> Option<(Seq, Instant)> {
        self.state.reap.as_ref().map(|reap| (reap.seq, reap.at))
    }

    /// Advances the time, with all due reaps.
    fn later(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((reap, at)) = self.next_reap().filter(|(_, at)| *at <= end) {
            self.now = at;
            self.event(|state, cx| state.reap(reap, cx));
        }
        self.now = end;
    }

    fn dialing(&self) -> Vec<&'static str> {
        self.dialing.values().copied().collect()
    }
}
