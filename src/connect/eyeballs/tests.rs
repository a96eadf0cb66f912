//! Tables: the fate of each address, and the schedule's actions in milliseconds.

use super::*;
use crate::rt::Runtime;

/// The fate of an attempt.
#[derive(Clone, Copy)]
enum Fate {
    RefusedAfter(u64),
    ConnectsAfter(u64),
    NeverAnswers,
}

use Fate::*;

fn v4(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 443))
}

fn v6(n: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 443))
}

/// Runs the schedule against the fates. Returns its actions with their milliseconds, until it failed, connected, or the
/// planned time was over.
fn played(fates: &[(SocketAddr, Fate)], planned: u64) -> Vec<String> {
    watched(fates, planned, planned)
}

/// Like [`played`], observed for another time than planned.
fn watched(fates: &[(SocketAddr, Fate)], planned: u64, end: u64) -> Vec<String> {
    let began_at = Runtime::default().now();
    let addresses = fates.iter().map(|(address, _)| *address);
    let mut schedule = Schedule::new(addresses, Duration::from_millis(planned), began_at);
    let mut running: Vec<(SocketAddr, u64, Fate)> = Vec::new();
    let mut log = Vec::new();
    for ms in 0..end {
        let now = began_at + Duration::from_millis(ms);
        for (address, since, fate) in running.clone() {
            match fate {
                RefusedAfter(after) if ms == since + after => {
                    running.retain(|(other, ..)| *other != address);
                    schedule.failed(address, now);
                }
                ConnectsAfter(after) if ms == since + after => {
                    log.push(format!("{ms} connected {}", address.ip()));
                    return log;
                }
                _ => {}
            }
        }
        loop {
            match schedule.step(now) {
                RaceStep::Start(address) => {
                    log.push(format!("{ms} start {}", address.ip()));
                    let fate = fates.iter().find(|(other, _)| *other == address).unwrap().1;
                    running.push((address, ms, fate));
                }
                RaceStep::GiveUp(address) => {
                    log.push(format!("{ms} give up {}", address.ip()));
                    running.retain(|(other, ..)| *other != address);
                }
                RaceStep::Wait(_) => break,
                RaceStep::Failed => {
                    log.push(format!("{ms} failed"));
                    return log;
                }
            }
        }
    }
    log
}

fn black_holes(n: u8) -> Vec<(SocketAddr, Fate)> {
    (1..=n).map(|n| (v4(n), NeverAnswers)).collect()
}

#[test]
fn the_families_take_turns_beginning_with_the_first() {
    let answer = [v6(1), v6(2), v6(3), v4(1), v4(2)];
    assert_eq!(interleaved(answer), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    let answer = [v4(1), v6(1), v6(2), v4(2), v4(3), v4(4)];
    assert_eq!(interleaved(answer), [v4(1), v6(1), v4(2), v6(2), v4(3), v4(4)]);
}

#[test]
fn an_address_that_comes_twice_is_tried_once() {
    assert_eq!(interleaved([v4(1), v6(1), v4(1), v6(1)]), [v4(1), v6(1)]);
}

#[test]
fn the_next_attempt_joins_after_a_quarter_of_a_second() {
    let fates = [(v6(1), NeverAnswers), (v4(1), NeverAnswers), (v6(2), ConnectsAfter(30))];
    let expected = [
        "0 start 2001:db8::1",
        "250 start 192.0.2.1",
        "500 start 2001:db8::2",
        "530 connected 2001:db8::2",
    ];
    assert_eq!(played(&fates, 10_000), expected);
}

#[test]
fn an_answer_in_time_spares_the_next_attempt() {
    let fates = [(v6(1), ConnectsAfter(249)), (v4(1), NeverAnswers)];
    assert_eq!(played(&fates, 10_000), ["0 start 2001:db8::1", "249 connected 2001:db8::1"]);
}

#[test]
fn a_slow_first_address_may_still_win() {
    let fates = [(v6(1), ConnectsAfter(300)), (v4(1), NeverAnswers)];
    let expected = ["0 start 2001:db8::1", "250 start 192.0.2.1", "300 connected 2001:db8::1"];
    assert_eq!(played(&fates, 10_000), expected);
}

#[test]
fn a_failure_starts_the_next_attempt_at_once() {
    let fates = [(v4(1), RefusedAfter(1)), (v4(2), RefusedAfter(40)), (v4(3), ConnectsAfter(5))];
    let expected = ["0 start 192.0.2.1", "1 start 192.0.2.2", "41 start 192.0.2.3"];
    assert_eq!(played(&fates, 10_000)[..3], expected);
}

#[test]
fn the_delay_counts_from_the_attempt_that_a_failure_started() {
    let fates = [(v4(1), RefusedAfter(100)), (v4(2), NeverAnswers), (v4(3), ConnectsAfter(1))];
    let expected = ["0 start 192.0.2.1", "100 start 192.0.2.2", "350 start 192.0.2.3"];
    assert_eq!(played(&fates, 10_000)[..3], expected);
}

#[test]
fn when_all_have_failed_it_says_so_at_once() {
    let fates = [(v4(1), RefusedAfter(1)), (v4(2), RefusedAfter(1))];
    let expected = ["0 start 192.0.2.1", "1 start 192.0.2.2", "2 failed"];
    assert_eq!(played(&fates, 10_000), expected);
}

#[test]
fn no_address_is_a_failure_and_no_panic() {
    assert_eq!(played(&[], 10_000), ["0 failed"]);
}

#[test]
fn six_black_holes_leave_the_seventh_address_its_share() {
    let mut fates = black_holes(6);
    fates.push((v4(7), ConnectsAfter(20)));
    let log = played(&fates, 10_000);
    assert_eq!(log[5], "1250 start 192.0.2.6");
    let expected = ["5000 give up 192.0.2.1", "5000 start 192.0.2.7", "5020 connected 192.0.2.7"];
    assert_eq!(log[6..], expected);
}

#[test]
fn the_waves_divide_the_time() {
    let log = played(&black_holes(18), 9_000);
    let given_up: Vec<_> = log.iter().filter(|line| line.contains("give up")).collect();
    assert_eq!(given_up[0], "3000 give up 192.0.2.1");
    assert_eq!(given_up[6], "6000 give up 192.0.2.7");
    assert_eq!(given_up.len(), 12);
    assert!(log.contains(&"7250 start 192.0.2.18".to_owned()), "{log:#?}");
}

#[test]
fn an_attempt_for_whose_place_nobody_waits_is_not_given_up() {
    let log = played(&black_holes(6), 10_000);
    assert_eq!(log.len(), 6, "{log:#?}");
    let mut fates = black_holes(7);
    fates[1].1 = RefusedAfter(1);
    let log = played(&fates, 10_000);
    assert!(!log.iter().any(|line| line.contains("give up")), "{log:#?}");
}

#[test]
fn a_failure_in_a_full_house_makes_room() {
    let mut fates = black_holes(7);
    fates[2].1 = RefusedAfter(2_000);
    assert_eq!(played(&fates, 10_000)[6], "2500 start 192.0.2.7");
}

#[test]
fn when_the_planned_time_is_over_attempts_go_on() {
    let mut fates = black_holes(6);
    fates.push((v4(7), ConnectsAfter(40_000)));
    let log = watched(&fates, 10_000, 60_000);
    let expected = ["5000 give up 192.0.2.1", "5000 start 192.0.2.7", "45000 connected 192.0.2.7"];
    assert_eq!(log[6..], expected);
}

#[test]
fn it_says_until_when_to_wait() {
    let now = Runtime::default().now();
    let mut schedule = Schedule::new([v4(1), v4(2)], Duration::from_secs(10), now);
    assert_eq!(schedule.step(now), RaceStep::Start(v4(1)));
    assert_eq!(schedule.step(now), RaceStep::Wait(Some(now + ATTEMPT_DELAY)));
    assert_eq!(schedule.step(now + ATTEMPT_DELAY), RaceStep::Start(v4(2)));
    assert_eq!(schedule.step(now + ATTEMPT_DELAY), RaceStep::Wait(None));
}
