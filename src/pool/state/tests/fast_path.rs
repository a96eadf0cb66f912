//! Compares the fast path with the general events: the same events have the same visible result.

use proptest::prelude::*;

use super::{
    property::{Event, events},
    *,
};
use crate::pool::state::fast_path::ReleaseOutcome;

/// The visible state of a world.
fn seen(world: &World) -> impl PartialEq + std::fmt::Debug + use<> {
    let state = &world.state;
    let mut rows: Vec<_> = state
        .rows()
        .map(|row| (row.slot, *row.key, row.state, row.requests, row.served, row.idle_since))
        .collect();
    rows.sort_by_key(|row| row.0);
    let idle: Vec<_> = state.idle.iter(&state.slots).map(|(id, slot)| (id, slot.until())).collect();
    let of_world = (
        world.served.clone(),
        world.rejected.clone(),
        world.dialing.clone(),
        world.out.clone(),
        world.closing.clone(),
        world.notes.clone(),
    );
    (of_world, rows, idle, state.counts(), world.next_reap(), state.seq)
}

fn same_both_ways(limits: Limits, events: &[Event]) -> usize {
    let (mut general, mut quick) = (World::new(limits.clone()), World::new(limits));
    // Both start at the same instant.
    quick.now = general.now;
    quick.is_quick = true;
    for event in events {
        general.happen(event);
        quick.happen(event);
        quick.is_consistent();
        assert_eq!(seen(&general), seen(&quick), "{event:?}");
    }
    quick.fast_path
}

proptest! {
    #[test]
    fn both_ways_come_to_the_same(
        events in events(),
        total in 1..5usize,
        each in 1..4usize,
        idle in 0..4usize,
        idle_timeout in proptest::option::of(0..60u64),
        requests in proptest::option::of(1..4u64),
        abandon_dials: bool,
    ) {
        let idle_timeout = idle_timeout.map(Duration::from_secs);
        let limits = Limits {
            connections: total, connections_per_key: each, idle, idle_timeout, requests, abandon_dials,
            ..Limits::default()
        };
        same_both_ways(limits, &events);
    }
}

/// A usual order, which shows that the property reaches the fast path.
#[test]
fn a_usual_request_takes_the_quick_way() {
    for shared in [false, true] {
        let request = [Event::Request(0), Event::GiveBack(0)];
        let first = [Event::Request(0), Event::Dialed(shared), Event::GiveBack(0)];
        let events: Vec<_> =
            first.into_iter().chain(request.into_iter().cycle().take(20)).collect();
        // The first idle connection schedules a reap, which needs the general event.
        assert_eq!(same_both_ways(limits(9), &events), 20, "shared: {shared}");
    }
}

#[test]
fn what_is_for_others_to_decide_is_not_done_at_once() {
    let mut world = World::new(limits(1));
    world.requests(2, "a");
    world.dialed(false);
    let (slot, _) = world.out[0];
    let given_back = world.state.give_back_fast(slot, Box::new(Conn(slot)), None, world.now);
    assert_eq!(given_back, Err(Box::new(Conn(slot))), "somebody waits");
    world.give_back(0);
    world.give_back(0);
    assert_eq!(
        world.state.give_back_fast(slot, Box::new(Conn(slot)), None, world.now),
        Err(Box::new(Conn(slot)))
    );
    let key = *world.state.keys.get(&"a").unwrap();
    let expired = world.now + Duration::from_secs(90);
    assert!(world.state.checkout_fast(key, expired).is_none(), "it has rested too long");
    assert_eq!(world.state.release_fast(slot, world.now), ReleaseOutcome::Undecided);
    assert!(world.state.checkout_fast(key, world.now).is_some());
    let mut cx = TestTransition::new(world.now, false);
    world.state.close(&mut cx);
    assert!(world.state.checkout_fast(key, world.now).is_none(), "the pool is closed");
}

#[test]
fn a_connection_that_may_rest_only_shortly_is_for_the_general_event_to_schedule() {
    let mut world = World::new(limits(9));
    world.requests(2, "a");
    world.dialed(false);
    world.dialed(false);
    world.give_back(0);
    let (slot, _) = world.out[0];
    let connection = || Box::new(Conn(slot));
    let shortly = Some(Duration::from_secs(1));
    let given_back = world.state.give_back_fast(slot, connection(), shortly, world.now);
    assert_eq!(given_back, Err(connection()), "the next reap is later");
    assert_eq!(world.state.give_back_fast(slot, connection(), None, world.now), Ok(()));
}

#[test]
fn a_shared_connection_that_has_rested_too_long_takes_no_request() {
    let mut world = busy_shared(9);
    let key = *world.state.keys.get(&"a").unwrap();
    world.give_back(0);
    let expired = world.now + Duration::from_secs(90);
    assert!(world.state.checkout_fast(key, expired).is_none());
    assert!(world.state.checkout_fast(key, world.now).is_some());
}

#[test]
fn a_shared_connection_that_once_rested_counts_as_used_however_its_requests_end() {
    let mut world = busy_shared(9);
    // An earlier reap than that of the shared one.
    world.request("b");
    world.dialed(false);
    world.give_back(1);
    let (slot, _) = world.out[0];
    let has_rested = |world: &World| world.state.slots.get(slot).unwrap().was_idle;
    assert!(!has_rested(&world));
    assert_eq!(world.state.release_fast(slot, world.now), ReleaseOutcome::Idle);
    assert!(has_rested(&world));
    world.requests(2, "a");
    assert_eq!(world.state.release_fast(slot, world.now), ReleaseOutcome::Done);
    assert!(has_rested(&world));
}
