//! Dials: their cause, their abandonment, the waiters that a failure concerns.

use super::*;

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
fn the_second_dial_that_a_waiter_caused_is_abandoned_as_the_first() {
    let mut world = World::new(abandoning(9));
    world.request("a");
    world.dialed(false);
    world.give_back(0);
    let checkout = world.event(|state, cx| state.checkout(&"a", cx)).unwrap();
    world.take_out(&checkout);
    let waiter = world.exclusive_request("a");
    // An older one comes again, and has the dial of the younger one.
    let again = Some(checkout.seq);
    world.keys.insert(9, "a");
    let ask = WaitOptions { again, is_exclusive: true, ..WaitOptions::default() };
    let ticket = world.wait("a", 9, ask).unwrap();
    world.tickets.insert(9, ticket);
    assert_eq!(world.dialing.len(), 2);
    world.leaves(9);
    world.leaves(waiter);
    assert_eq!((world.dialing.len(), world.abandoned.len()), (0, 2));
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
    assert_eq!((world.rejected.clone(), world.abandoned.len()), (vec![0], 1));
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
    let scope = FailureScope::NotOutwaiting(second);
    let failed = world.event(|state, cx| state.dial_failed(slot, scope, cx));
    assert_eq!(failed, [0]);
    assert_eq!(world.dialing.len(), 1);
    let (slot, _) = world.dialing.pop_first().unwrap();
    let scope = FailureScope::NotOutwaiting(9 * second);
    let failed = world.event(|state, cx| state.dial_failed(slot, scope, cx));
    assert_eq!(failed, [1], "who has no limit goes on, although it was there for both");
    world.dialed(true);
    assert_eq!(world.served, [2]);
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
