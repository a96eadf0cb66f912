//! Draining shared connections.

use super::*;

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
fn one_drain_at_a_time_makes_room_for_one_key() {
    let mut world = busy_shared(2);
    world.request("c");
    world.dialed(true);
    world.requests(2, "b");
    assert_eq!(world.state.tally.yielding, 1);
    world.request("b");
    assert_eq!(world.state.tally.yielding, 1);
}

#[test]
fn the_word_of_the_peer_goes_before_a_drain_that_makes_room() {
    let mut world = busy_shared(1);
    let slot = world.out[0].0;
    let b = world.request("b").unwrap();
    assert_eq!(world.state.tally.yielding, 1);
    world.event(|state, cx| state.retire(slot, cx));
    world.leaves(b);
    world.request("a");
    world.later(Duration::from_millis(250));
    assert_eq!(world.dialing(), ["a"], "it is not taken back, and its slot is passed on");
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
fn a_key_starves_in_time_although_a_reap_found_nothing_to_do_before() {
    let mut world = World::new(limits(2));
    world.request("b");
    world.dialed(false);
    world.give_back(0);
    let (_, reap_at) = world.next_reap().unwrap();
    world.request("b");
    world.request("a");
    world.dialed(true);
    world.later(reap_at - world.now - Duration::from_millis(500));
    world.request("b");
    assert_eq!(world.next_reap().map(|(_, at)| at), Some(reap_at));
    world.later(Duration::from_millis(999));
    assert_eq!(world.state.tally.yielding, 0);
    world.later(Duration::from_millis(1));
    assert_eq!(world.state.tally.yielding, 1);
}

#[test]
fn a_key_whose_own_connection_was_upgraded_starves_at_once() {
    let mut world = World::new(limits(2));
    world.request("b");
    world.dialed(false);
    let (slot, _) = world.out.remove(0);
    world.event(|state, cx| state.discard(slot, CloseReason::Upgraded, cx));
    world.request("a");
    world.dialed(true);
    world.request("b");
    assert_eq!(world.state.tally.yielding, 1);
}

#[test]
fn a_request_that_waits_again_does_not_hide_a_key_that_starves() {
    let mut world = busy_shared(3);
    for key in ["b", "c"] {
        world.request(key);
        world.dialed(false);
    }
    world.give_back(1);
    let checkout = world.event(|state, cx| state.checkout(&"b", cx)).unwrap();
    world.take_out(&checkout);
    world.request("c");
    world.later(Duration::from_millis(900));
    world.keys.insert(9, "b");
    let again = Some(checkout.seq);
    world.wait("b", 9, WaitOptions { again, ..WaitOptions::default() }).unwrap();
    assert_eq!(world.state.tally.yielding, 0);
    world.later(Duration::from_millis(100));
    assert_eq!(world.state.tally.yielding, 1, "c has waited for a second");
}

#[test]
fn a_drain_that_fails_again_and_again_is_tried_after_1_2_4_8_and_8_seconds() {
    let mut world = busy_shared(1);
    let (second, start) = (Duration::from_secs(1), world.now);
    world.request("b");
    let mut began = Vec::new();
    for _ in 0..30 {
        if world.state.tally.yielding == 1 {
            began.push((world.now - start).as_secs());
        }
        world.later(second);
    }
    // Each lasts a second.
    assert_eq!(began, [0, 2, 5, 10, 19, 28]);
}
