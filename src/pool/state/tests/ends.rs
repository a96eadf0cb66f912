//! How connections end.

use super::*;

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
    let handle = Handle::Exclusive(Box::new(Conn(slot)));
    let refused = world.event(|state, cx| state.dialed(slot, handle, ConnFacts::default(), cx));
    assert!(refused.is_err());
}

#[test]
fn a_connection_that_is_refused_keeps_its_slot_until_it_is_closed() {
    let mut world = World::new(limits(1));
    world.request("a");
    let (slot, _) = world.dialing.pop_first().unwrap();
    world.event(|state, cx| state.retire(slot, cx));
    let handle = Handle::Shared(Arc::new(Conn(slot)));
    let refused = world.event(|state, cx| state.dialed(slot, handle, ConnFacts::default(), cx));
    assert!(refused.is_err());
    let failed = world.event(|state, cx| state.dial_failed(slot, FailureScope::Dependents, cx));
    assert_eq!(failed, [0]);
    world.request("b");
    assert_eq!((world.dialing.len(), world.state.counts().leaving), (0, 1));
    world.event(|state, cx| state.closed(slot, cx));
    assert_eq!(world.dialing.len(), 1);
}

#[test]
fn idle_connections_are_reaped_when_their_time_is_over() {
    let timeout = Duration::from_secs(90);
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    let slot = world.out.pop().unwrap().0;
    let mut cx = TestTransition::new(world.now, false);
    world.state.give_back(slot, Box::new(Conn(slot)), None, &mut cx);
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
    world.event(|state, cx| state.give_back(slot, Box::new(Conn(slot)), None, cx));
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
