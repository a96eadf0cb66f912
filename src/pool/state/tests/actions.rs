//! What an event leaves to be done.

use super::*;

type TestActions = Actions<&'static str, Conn, u32>;
type Change = Box<dyn Fn(&mut TestActions)>;

/// One change for each field.
fn changes(slot: SlotId, now: Instant) -> [Change; 10] {
    let handle = move || Handle::Shared(Arc::new(Conn(slot)));
    let checkout =
        move || CheckedOut { slot, key: slot, handle: handle(), served: 1, reused: false, seq: 1 };
    let dial = move || {
        let (options, (_, canceled)) = (DialOptions::default(), CancelGuard::new());
        Dial { slot, key: Arc::new("a"), options, canceled }
    };
    [
        Box::new(move |it| it.dial.push(dial())),
        Box::new(move |it| it.serve.push((1, checkout()))),
        Box::new(|it| it.reject.push(1)),
        Box::new(move |it| it.close.push(handle())),
        Box::new(|it| it.abort_handles.push(AbortHandle::new(|| {}))),
        Box::new(|it| it.cancel.push(CancelGuard::new().0)),
        Box::new(move |it| it.reap_at = Some(now)),
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
