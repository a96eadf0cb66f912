//! Drains of dropped responses, full queues, exclusive keys.

use super::*;

#[test]
fn the_rest_of_a_dropped_response_is_read_while_nobody_lacks_its_place() {
    for (key, is_endless, gives_way) in [("b", false, true), ("a", true, true), ("a", false, false)]
    {
        let mut world = World::new(limits(1));
        world.request("a");
        world.dialed(false);
        let mut canceled = world.rest_of_the_response(is_endless);
        assert!(!canceled.is_canceled());
        world.request(key);
        assert_eq!(canceled.is_canceled(), gives_way, "{key} {is_endless}");
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
    assert!(world.rest_of_the_response(false).is_canceled());
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
fn a_request_that_a_dial_may_serve_is_taken_however_many_wait() {
    let mut world = World::new(Limits { waiters: 1, ..limits(1) });
    world.request("d");
    world.dialed(false);
    world.give_back(0);
    let checkout = world.checkout("d").unwrap();
    world.take_out(&checkout);
    world.discard(0);
    world.transports_close();
    world.request("a");
    assert!(world.request("c").is_some());
    world.keys.insert(9, "d");
    let again = Some(checkout.seq);
    world.wait("d", 9, WaitOptions { again, ..WaitOptions::default() }).unwrap();
    assert!(world.request("a").is_some(), "the dial of the other may serve it");
    assert_eq!(world.request("c"), None, "two wait already");
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
        let (mut failed, mut dials) = (0, 0);
        while !world.dialing.is_empty() {
            dials += 1;
            failed += world.dial_failed().len();
        }
        assert_eq!((failed, world.state.waiting()), (10, 0));
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
        assert!(!canceled.is_canceled());
        world.later(Duration::from_millis(1));
        assert!(canceled.is_canceled());
    }
}

#[test]
fn the_rest_of_a_dropped_response_is_read_while_another_connection_is_on_its_way_back() {
    let mut world = World::new(Limits { connections_per_key: 2, ..Limits::default() });
    world.requests(2, "a");
    world.dialed(false);
    world.dialed(false);
    let (returning, _) = world.out[1];
    let mut canceled = world.rest_of_the_response(false);
    world.event(|state, cx| state.returning(returning, cx));
    world.later(Duration::from_millis(150));
    world.request("a");
    world.later(Duration::from_secs(1));
    assert!(!canceled.is_canceled());
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
