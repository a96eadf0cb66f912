//! What an event leaves to be done.

use http::Request;

use super::*;
use crate::{events::Listeners, rt::Runtime};

type TestActions = Actions<&'static str, Conn, u32>;
type Change = Box<dyn Fn(&mut TestActions)>;

/// One change for each field.
fn changes(slot: SlotId, at: Instant) -> [Change; 10] {
    let handle = move || Handle::Shared(Arc::new(Conn(slot)));
    let checkout =
        move || CheckedOut { slot, key: slot, handle: handle(), served: 1, reused: false, seq: 1 };
    let dial = move || {
        let (options, (_, canceled)) = (DialOptions::default(), CancelGuard::new());
        Dial { slot, key: Arc::new("a"), options, canceled }
    };
    let reap = move || Reap { seq: 1, at, canceled: CancelGuard::new().1 };
    [
        Box::new(move |it| it.dial.push(dial())),
        Box::new(move |it| it.serve.push((1, checkout()))),
        Box::new(|it| it.reject.push(1)),
        Box::new(move |it| it.close.push(handle())),
        Box::new(|it| it.abort_handles.push(AbortHandle::new(|| {}))),
        Box::new(|it| it.cancel.push(CancelGuard::new().0)),
        Box::new(move |it| it.reap = Some(reap())),
        Box::new(move |it| it.note(slot, || NoteKind::Idle)),
        Box::new(|it| it.keys.push(Arc::new("a"))),
        Box::new(|it| it.options.push(DialOptions::default())),
    ]
}

#[test]
fn an_event_has_actions_if_any_field_has_some() {
    let world = busy_shared(1);
    assert!(TestActions::noting(true).is_empty() && TestActions::noting(false).is_empty());
    for (at, change) in changes(world.out[0].0, world.now).iter().enumerate() {
        let mut actions = TestActions::noting(true);
        change(&mut actions);
        assert!(!actions.is_empty(), "field {at}");
    }
}

/// Options with a listener.
fn observed() -> DialOptions {
    let listeners = Listeners { timed: true, ..Listeners::default() };
    let events = listeners.start_request(&Request::new(()), &Runtime::default()).unwrap();
    DialOptions { scope: Some(events.scope), ..DialOptions::default() }
}

#[test]
fn listeners_are_dropped_after_the_event() {
    let mut world = busy_shared(1);
    let ask = || WaitOptions { options: observed(), ..WaitOptions::default() };
    world.keys.extend([(7, "b"), (8, "b"), (9, "b")]);
    let left = world.wait("b", 7, ask()).unwrap();
    world.wait("b", 8, ask()).unwrap();
    let dropped = |world: &mut World, event: &dyn Fn(&mut TestState, &mut TestTransition)| {
        world.event(|state, cx| {
            event(state, cx);
            cx.actions.options.len()
        })
    };
    assert_eq!(
        dropped(&mut world, &|state, cx| {
            state.leave(left, cx);
        }),
        1
    );
    assert_eq!(dropped(&mut world, &|state, cx| state.close(cx)), 1);
    let refused = |state: &mut TestState, cx: &mut TestTransition| {
        assert!(state.wait(Arc::new("b"), 9, ask(), cx).is_err())
    };
    assert_eq!(dropped(&mut world, &refused), 1);
}

#[test]
fn guards_and_connections_are_dropped_after_the_event() {
    let mut world = World::new(limits(9));
    world.request("a");
    let (slot, _) = world.dialing.pop_first().unwrap();
    let mut cx = TestTransition::new(world.now, false);
    world.state.dial_failed(slot, FailureScope::All, &mut cx);
    assert!(!cx.actions.cancel.is_empty());

    world.request("b");
    world.dialed(false);
    let (slot, _) = world.out[0];
    world.give_back(0);
    let mut cx = TestTransition::new(world.now, false);
    world.state.closed(slot, &mut cx);
    assert!(!cx.actions.close.is_empty());
}
