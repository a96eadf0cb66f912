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
fn a_doubt_that_is_out_of_date_is_taken_back_unless_the_connection_has_reported_since() {
    for (report, is_free) in [(None, true), (Some(Some(100)), true), (Some(None), false)] {
        let mut world = World::new(limits(9));
        world.request("a");
        world.dialed(true);
        let (slot, _) = world.out[0];
        world.event(|state, cx| state.suspend(slot, cx));
        world.event(|state, cx| state.suspend(slot, cx));
        world.request("a");
        assert_eq!(world.served, [0]);
        if let Some(streams) = report {
            world.event(|state, cx| state.streams(slot, streams, cx));
        }
        world.event(|state, cx| state.resume(slot, cx));
        assert_eq!(world.served.len(), 1 + usize::from(is_free), "{report:?}");
    }
}

#[test]
fn no_doubt_that_is_taken_back_revives_a_connection_that_was_retired() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.suspend(slot, cx));
    world.event(|state, cx| state.retire(slot, cx));
    world.event(|state, cx| state.resume(slot, cx));
    world.request("a");
    assert_eq!((world.served.len(), world.dialing.len()), (1, 1));
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
    let reap = cx.actions.reap.unwrap();
    assert_eq!(reap.at, world.now + timeout);
    world.now = reap.at;
    world.event(|state, cx| state.reap(reap.seq, cx));
    assert_eq!(world.closing, [slot]);
}

#[test]
fn a_late_event_of_a_slot_that_is_gone_changes_nothing() {
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
    assert_eq!(world.state.keys.len(), REMEMBERED);
}

#[test]
fn a_connection_outlives_a_short_idle_timeout_by_a_sixteenth_at_most() {
    let milliseconds = Duration::from_millis;
    let limits = Limits { idle_timeout: Some(milliseconds(160)), ..limits(9) };
    let mut world = World::new(limits);
    for key in ["a", "b", "c"] {
        world.request(key);
        world.dialed(false);
    }
    for _ in 0..3 {
        world.give_back(0);
        world.now += milliseconds(5);
    }
    world.later(milliseconds(150));
    assert_eq!(world.slots(), (0, 0, 2));
    world.later(milliseconds(4));
    assert_eq!(world.slots(), (0, 0, 2), "connections that expire one by one cost few reaps");
    world.later(milliseconds(1));
    assert_eq!(world.slots(), (0, 0, 0));
}

#[test]
fn a_timer_that_no_runtime_runs_is_replaced_by_the_next() {
    let mut world = World::new(limits(9));
    world.request("a");
    world.dialed(false);
    world.give_back(0);
    let (reap, at) = world.next_reap().unwrap();
    world.event(|state, cx| state.cancel_reap(reap - 1, cx));
    assert_eq!(world.next_reap(), Some((reap, at)), "of an earlier timer");
    world.event(|state, cx| state.cancel_reap(reap, cx));
    assert_eq!(world.next_reap(), None);
    world.request("b");
    world.dialed(false);
    world.give_back(0);
    let (next, next_at) = world.next_reap().unwrap();
    assert_eq!(next_at, at);
    world.event(|state, cx| state.cancel_reap(reap, cx));
    assert_eq!(world.next_reap(), Some((next, at)), "of another timer for the same time");
}

#[test]
fn a_reap_is_overdue_a_second_after_its_time() {
    let mut world = World::new(limits(9));
    assert_eq!(world.state.overdue(world.now), None);
    world.request("a");
    world.dialed(false);
    world.give_back(0);
    let (seq, at) = world.next_reap().unwrap();
    let overdue = |late| world.state.overdue(at + late);
    assert_eq!([Duration::ZERO, REAP_GRACE].map(overdue), [None, None]);
    assert_eq!(overdue(REAP_GRACE + Duration::from_millis(1)), Some(seq));
}

#[test]
fn a_timer_ends_when_an_earlier_one_replaces_it() {
    let mut world = World::new(limits(9));
    for (key, keep_alive) in [("a", None), ("b", Some(Duration::from_secs(1)))] {
        world.request(key);
        world.dialed(false);
        let slot = world.out.pop().unwrap().0;
        world.event(|state, cx| state.give_back(slot, Box::new(Conn(slot)), keep_alive, cx));
        let running: Vec<_> = world.timers.iter().map(|timer| (timer.seq, timer.at)).collect();
        assert_eq!(running, [world.next_reap().unwrap()]);
    }
    assert_eq!(world.timers[0].at, world.now + Duration::from_secs(1));
}

#[test]
fn a_closed_pool_gives_out_no_stream_of_a_busy_connection() {
    let mut world = busy_shared(9);
    world.event(|state, cx| state.close(cx));
    assert!(world.event(|state, cx| state.checkout(&"a", cx)).is_none());
    assert_eq!(world.wait("a", 1, WaitOptions::default()), Err(NoWait::Closed));
}

#[test]
fn a_closed_pool_closes_a_connection_with_its_last_request() {
    for shared in [false, true] {
        let mut world = World::new(limits(9));
        world.request("a");
        world.dialed(shared);
        let (slot, _) = world.out[0];
        world.event(|state, cx| state.close(cx));
        assert!(world.closing.is_empty(), "its request goes on");
        world.give_back(0);
        assert_eq!(world.closing, [slot]);
    }
}

#[test]
fn a_connection_that_has_served_enough_or_is_too_old_is_closed() {
    let age = Duration::from_secs(60);
    for (requests, retire_after, served) in
        [(None, None, 3), (Some(2), None, 2), (None, Some(age), 1), (Some(2), Some(age), 1)]
    {
        let mut world = World::new(Limits { requests, ..limits(9) });
        world.request("a");
        let retire_at = retire_after.map(|after| world.now + after);
        world.dialed_with(false, ConnFacts { retire_at, ..ConnFacts::default() });
        world.now += age;
        let mut count = 0;
        while count < 3 && world.closing.is_empty() {
            count += 1;
            world.give_back(0);
            world.request("a");
        }
        assert_eq!(count, served, "{requests:?} {retire_after:?}");
    }
}

#[test]
fn a_connection_that_is_too_old_at_once_serves_the_request_that_it_was_dialed_for() {
    for shared in [false, true] {
        let mut world = World::new(limits(9));
        world.request("a");
        world.dialed_with(shared, ConnFacts { retire_at: Some(world.now), ..ConnFacts::default() });
        assert_eq!((world.served.len(), world.out.len()), (1, 1));
        world.give_back(0);
        assert_eq!(world.closing.len(), 1);
    }
}

#[test]
fn a_busy_shared_connection_is_reused_until_it_is_too_old() {
    let mut world = World::new(limits(9));
    world.request("a");
    let age = Duration::from_secs(60);
    let retire_at = Some(world.now + age);
    world.dialed_with(true, ConnFacts { retire_at, ..ConnFacts::default() });
    let checkout = world.event(|state, cx| state.checkout(&"a", cx)).unwrap();
    assert_eq!((checkout.served, checkout.reused), (2, true));
    world.now += age;
    assert!(world.event(|state, cx| state.checkout(&"a", cx)).is_none());
}

#[test]
fn a_busy_shared_connection_that_has_served_enough_takes_no_further_request() {
    let mut world = World::new(Limits { requests: Some(2), ..limits(9) });
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    assert_eq!(world.request("a"), None);
    assert_eq!((world.request("a"), world.dialing().len()), (Some(1), 1));
    world.give_back(0);
    assert!(world.closing.is_empty());
    world.give_back(0);
    assert_eq!(world.closing, [slot]);
}

#[test]
fn a_connection_is_reused_from_its_second_request_on() {
    for shared in [false, true] {
        let mut world = World::new(limits(1));
        world.request("a");
        let first = world.event(|state, cx| {
            let (slot, _) = state.slots.iter().next().unwrap();
            let handle = match shared {
                true => Handle::Shared(Arc::new(Conn(slot))),
                false => Handle::Exclusive(Box::new(Conn(slot))),
            };
            assert!(state.dialed(slot, handle, ConnFacts::default(), cx).is_ok());
            let (_, checkout) = std::mem::take(&mut cx.actions.serve).into_iter().next().unwrap();
            checkout
        });
        assert_eq!((first.served, first.reused), (1, false));
        world.take_out(&first);
        world.give_back(0);
        let second = world.event(|state, cx| state.checkout(&"a", cx)).unwrap();
        assert_eq!((second.served, second.reused), (2, true));
    }
}

#[test]
fn connections_are_counted_when_they_open() {
    let mut world = World::new(limits(9));
    for (key, opened) in [("a", 1), ("b", 2)] {
        world.request(key);
        assert_eq!(world.state.opened(), opened - 1, "a dial is no connection");
        world.dialed(false);
        assert_eq!(world.state.opened(), opened);
    }
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.closed(slot, cx));
    assert_eq!(world.state.opened(), 2);
}

#[test]
fn the_first_reason_of_an_end_is_reported() {
    let mut world = busy_shared(9);
    let (slot, _) = world.out[0];
    let reason_of = |world: &World| match world.state.close_events(world.now)[..] {
        [(_, NoteKind::Close { reason, .. })] => reason,
        ref others => panic!("{others:?}"),
    };
    assert_eq!(reason_of(&world), CloseReason::PoolClosed, "as if it closed now");
    world.event(|state, cx| state.retire(slot, cx));
    assert_eq!(reason_of(&world), CloseReason::ByPeer);
    world.event(|state, cx| state.close(cx));
    assert_eq!(reason_of(&world), CloseReason::ByPeer);
}

#[test]
fn each_open_connection_can_be_aborted() {
    let mut world = World::new(limits(9));
    world.request("a");
    assert!(world.state.abort_handles().is_empty());
    let abort_handle = Some(AbortHandle::new(|| {}));
    world.dialed_with(false, ConnFacts { abort_handle, ..ConnFacts::default() });
    let (slot, _) = world.out[0];
    assert_eq!(world.state.abort_handles().len(), 1);
    world.event(|state, cx| state.closed(slot, cx));
    assert!(world.state.abort_handles().is_empty());
}

#[test]
fn a_key_at_its_limit_closes_an_unused_connection_that_takes_no_request() {
    let mut world = World::new(Limits { connections_per_key: 1, ..limits(9) });
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.give_back(0);
    world.event(|state, cx| state.streams(slot, None, cx));
    assert!(world.closing.is_empty(), "no request waits");
    world.request("a");
    assert_eq!(world.closing, [slot]);
    world.transports_close();
    assert_eq!(world.dialing(), ["a"]);
}

#[test]
fn a_key_below_its_limit_closes_no_unused_connection() {
    let mut world = World::new(Limits { connections_per_key: 2, ..limits(9) });
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.give_back(0);
    world.event(|state, cx| state.streams(slot, None, cx));
    world.request("a");
    assert_eq!((world.closing.len(), world.dialing()), (0, vec!["a"]));
}

#[test]
fn a_shared_connection_that_may_not_rest_is_closed_with_its_last_request() {
    let mut world = World::new(Limits { idle_timeout: Some(Duration::ZERO), ..Limits::default() });
    world.request("a");
    world.dialed(true);
    let (slot, _) = world.out[0];
    world.give_back(0);
    assert_eq!(world.closing, [slot]);
}

#[test]
fn a_pool_knows_how_many_rest_and_since_when() {
    let mut world = World::new(limits(9));
    let began = world.now;
    assert!(world.state.is_empty() && world.state.slots.is_empty());
    for key in ["a", "b"] {
        world.request(key);
        world.dialed(false);
    }
    let seen = |world: &World| (world.state.idle_len(), world.state.idle_since(IdleKind::Any));
    assert_eq!(seen(&world), (0, None));
    assert!(!world.state.is_empty() && !world.state.slots.is_empty());
    world.give_back(0);
    world.later(Duration::from_secs(1));
    world.give_back(0);
    assert_eq!(seen(&world), (2, Some(began)));
}

#[test]
fn a_shared_connection_whose_transport_has_closed_is_given_up() {
    let mut world = busy_shared(9);
    let (slot, _) = world.out[0];
    world.event(|state, cx| state.closed(slot, cx));
    assert_eq!(world.closing, [slot]);
    assert!(world.state.is_empty());
}

#[test]
fn a_connection_that_died_unnoticed_makes_the_idle_ones_of_its_key_suspect() {
    let mut world = World::new(limits(9));
    for key in ["a", "a", "b"] {
        world.request(key);
        world.dialed(false);
    }
    let [(first, _), (second, _), _] = world.out[..] else { panic!("{:?}", world.out) };
    for _ in 0..3 {
        world.give_back(0);
    }
    let key_id = world.state.slots.get(first).unwrap().key_id;
    world.event(|state, cx| state.distrust(key_id, cx));
    assert_eq!(world.closing, [first, second]);
    let reason = |slot| world.state.slots.get(slot).unwrap().close_reason;
    assert_eq!([first, second].map(reason), [Some(CloseReason::Distrusted); 2]);
    assert_eq!(world.slots().2, 1);
}

#[test]
fn a_pool_is_closed_once_it_is() {
    let mut world = World::new(limits(9));
    assert!(!world.state.is_closed());
    world.event(|state, cx| state.close(cx));
    assert!(world.state.is_closed());
}
