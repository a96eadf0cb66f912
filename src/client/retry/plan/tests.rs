use proptest::prelude::*;

use super::*;
use crate::rt::Runtime;

const MAX: u64 = u64::MAX;

fn status(code: u16, after: Option<u64>) -> TryOutcome {
    TryOutcome::Status(StatusCode::from_u16(code).unwrap(), after.map(Duration::from_secs))
}

fn failed(outcome: TryOutcome, is_idempotent: bool, tries: u32) -> Try {
    Try { tries, is_idempotent, outcome, left: None }
}

#[test]
fn only_what_does_no_harm_and_may_help_is_sent_again() {
    use TryOutcome::{Broken, Hopeless, Unsent};
    let table = [
        (status(503, None), true, 1, true),
        (status(503, None), true, 2, true),
        (status(503, None), true, 3, false),
        (status(503, None), false, 1, false),
        (status(408, None), true, 1, true),
        (status(429, None), true, 1, true),
        (status(502, None), true, 1, true),
        (status(504, None), true, 1, true),
        (status(500, None), true, 1, false),
        (status(501, None), true, 1, false),
        (status(200, None), true, 1, false),
        (status(200, Some(1)), true, 1, false),
        (status(404, None), true, 1, false),
        (status(301, None), true, 1, false),
        (Unsent, false, 1, true),
        (Unsent, false, 3, false),
        (Broken, true, 1, true),
        (Broken, false, 1, false),
        (Hopeless, true, 1, false),
    ];
    for (outcome, is_idempotent, tries, again) in table {
        let one = failed(outcome, is_idempotent, tries);
        assert_eq!(one.pause(&Retries::new(3), 0).is_some(), again, "{one:?}");
    }
    for none in [Retries::none(), Retries::new(0), Retries::new(1), Retries::default()] {
        assert_eq!(failed(Unsent, true, 1).pause(&none, 0), None);
    }
}

#[test]
fn the_server_is_waited_for_as_long_as_it_asks_up_to_a_limit() {
    let pause = |after| failed(status(503, Some(after)), true, 1).pause(&Retries::new(3), MAX);
    assert_eq!(pause(0), Some(Duration::ZERO));
    assert_eq!(pause(60), Some(Duration::from_secs(60)));
    assert_eq!(pause(61), None);
    let patient = Retries::new(3).max_retry_after(Duration::from_secs(3600));
    let waits = failed(status(503, Some(3600)), true, 1).pause(&patient, MAX);
    assert_eq!(waits, Some(Duration::from_secs(3600)));
}

#[test]
fn pauses_grow_up_to_the_longest() {
    let retries = Retries::new(100);
    let longest = [1, 2, 3, 7, 8, 40, 99].map(|tries| backoff(&retries, tries).as_millis());
    assert_eq!(longest, [100, 200, 400, 6400, 10_000, 10_000, 10_000]);
    let half = failed(TryOutcome::Unsent, true, 2).pause(&retries, MAX / 2);
    assert_eq!(half.unwrap().as_millis(), 100);
}

#[test]
fn what_would_begin_too_late_is_not_begun() {
    let left = |left| Try {
        left: Some(Duration::from_secs(left)),
        ..failed(status(503, Some(5)), true, 1)
    };
    assert_eq!(left(5).pause(&Retries::new(3), 0), None);
    assert!(left(6).pause(&Retries::new(3), 0).is_some());
}

#[test]
fn a_budget_is_a_tenth_of_the_requests_and_ten_a_second() {
    let start = Runtime::default().now();
    let mut budget = RetryBudget::new(start);
    let spent = |budget: &mut RetryBudget, now| (0..1000).filter(|_| budget.spend(now)).count();
    assert_eq!(spent(&mut budget, start), 10);
    (0..100).for_each(|_| budget.request(start));
    assert_eq!(spent(&mut budget, start), 10);
    assert_eq!(spent(&mut budget, start + Duration::from_millis(500)), 5);
    assert_eq!(spent(&mut budget, start + Duration::from_secs(3600)), 100);
}

#[test]
fn a_budget_that_is_looked_at_often_saves_as_much() {
    let start = Runtime::default().now();
    let mut budget = RetryBudget::new(start);
    while budget.spend(start) {}
    for millisecond in 1..=1000 {
        budget.save(start + Duration::from_millis(millisecond));
    }
    assert_eq!(budget.saved, 100);
}

proptest! {
    #[test]
    fn a_pause_is_never_longer_than_it_may_be(tries in 1u32..200, chance: u64, shortest in 0u64..1000, longest in 0u64..100_000) {
        let (shortest, longest) = (Duration::from_millis(shortest), Duration::from_millis(longest));
        let retries = Retries::new(1000).backoff(shortest, longest);
        let pause = failed(TryOutcome::Unsent, false, tries).pause(&retries, chance).unwrap();
        prop_assert!(pause <= longest);
        prop_assert!(tries > 1 || pause <= shortest);
    }
}
