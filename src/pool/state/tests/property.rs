//! Invariants that hold after any order of events.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Event {
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
    /// Another pool evicts this one's longest idle connection.
    MakeRoom,
    Later(u64),
}

pub(super) fn events() -> impl Strategy<Value = Vec<Event>> {
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
    pub(super) fn happen(&mut self, event: &Event) {
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
                self.event(|state, cx| state.evict_longest_idle(IdleKind::Any, cx));
            }
            Event::Later(seconds) => {
                self.now += Duration::from_secs(seconds);
                if let Some((reap, _)) = self.next_reap().filter(|(_, at)| *at <= self.now) {
                    self.event(|state, cx| state.reap(reap, cx));
                }
            }
        }
    }

    /// Redundant data agree, and no waiter waits while a connection is free.
    pub(super) fn is_consistent(&self) {
        let state = &self.state;
        let timers: Vec<_> = self.timers.iter().map(|timer| (timer.seq, timer.at)).collect();
        assert_eq!(timers, Vec::from_iter(self.next_reap()), "one timer runs, for the next reap");
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
        for (id, key_id) in state.key_states.iter() {
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
        let nothing_gives_way = state.idle.len() == 0
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

    /// Everything ends: dials, requests, transports.
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

/// Orders of events that the property below once found: a connection stayed idle for an older waiter that no longer needed
/// it, and a dial kept its slot although a drain that was taken back had made it needless.
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
    /// In a pool counted by users, every connection without users is counted.
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
