//! Which waiter is served with which connection, and in which order.

use super::*;

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
fn a_peer_that_allows_no_streams_is_not_dialed_again_where_nothing_may_be_idle() {
    let mut world = World::new(Limits { idle: 0, ..limits(9) });
    world.request("a");
    let slot = *world.dialing.keys().next().unwrap();
    world.event(|state, cx| state.streams(slot, Some(0), cx));
    world.dialed(true);
    world.transports_close();
    assert_eq!((world.dialing.len(), world.slots().2), (0, 1));
    world.leaves(0);
    assert_eq!(world.closing, [slot], "no request waits for it");
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
        world.event(|state, cx| state.evict_longest_idle(IdleKind::Any, cx));
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
