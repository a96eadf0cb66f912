use std::{cell::Cell, future::pending, net::Ipv4Addr, rc::Rc, time::Duration};

use super::*;

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// An attempt's open socket, visible to the test.
struct Open(Rc<Cell<usize>>);

impl Open {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn addresses(n: u8) -> Vec<SocketAddr> {
    (1..=n).map(|n| SocketAddr::from((Ipv4Addr::new(192, 0, 2, n), 80))).collect()
}

/// The reported error, if the attempts fail with these errors in order.
async fn failures_of(kinds: &[io::ErrorKind]) -> Failures {
    let runtime = Runtime::tokio();
    let schedule = Schedule::new(addresses(kinds.len() as u8), TEN_SECONDS, runtime.now());
    let mut kinds = kinds.iter();
    let mut race = Race::new(runtime, schedule, |_| {
        let error = io::Error::from(*kinds.next().unwrap());
        async { Err::<(), _>(error) }
    });
    assert_eq!(race.winner().await, None);
    race.into_failures()
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_a_quarter_of_a_second() {
    let (runtime, began_at) = (Runtime::tokio(), Runtime::tokio().now());
    let schedule = Schedule::new(addresses(2), TEN_SECONDS, began_at);
    let mut race = Race::new(runtime.clone(), schedule, |address: SocketAddr| async move {
        if address == addresses(1)[0] { pending().await } else { Ok(address) }
    });
    assert_eq!(race.winner().await, Some(addresses(2)[1]));
    let spent = runtime.now() - began_at;
    assert!((250..=252).contains(&spent.as_millis()), "{spent:?}");
}

#[tokio::test(start_paused = true)]
async fn losers_and_dropped_races_leave_nothing_open() {
    let open = Rc::new(Cell::new(0));
    let runtime = Runtime::tokio();
    let schedule = Schedule::new(addresses(9), TEN_SECONDS, runtime.now());
    let mut race = Race::new(runtime.clone(), schedule, |_| {
        let socket = Open::new(&open);
        async { pending::<io::Result<()>>().await.map(|()| drop(socket)) }
    });
    assert_eq!(runtime.within(Some(Duration::from_secs(2)), race.winner()).await, None);
    assert_eq!(open.get(), 6);
    assert_eq!(runtime.within(Some(Duration::from_secs(4)), race.winner()).await, None);
    assert_eq!(open.get(), 6, "those given up are closed");
    drop(race);
    assert_eq!(open.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_error_that_came_from_the_network_is_reported() {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NetworkUnreachable, TimedOut};
    let table: &[(&[io::ErrorKind], io::ErrorKind)] = &[
        (&[ConnectionRefused], ConnectionRefused),
        (&[NetworkUnreachable, ConnectionRefused], ConnectionRefused),
        (&[ConnectionRefused, NetworkUnreachable], ConnectionRefused),
        (&[ConnectionRefused, ConnectionReset], ConnectionReset),
        (&[TimedOut, NetworkUnreachable, NetworkUnreachable], TimedOut),
        (&[NetworkUnreachable], NetworkUnreachable),
    ];
    for (kinds, expected) in table {
        let failures = failures_of(kinds).await;
        assert_eq!(failures.tried, kinds.len());
        assert_eq!(failures.error_to_report.unwrap().kind(), *expected, "of {kinds:?}");
    }
}
