//! How long a transport tries to connect over TCP: as long as the request says, whatever it was built with.

use std::time::Duration;

use tokio::time::Instant;
use tower_transport::{RequestExt, Transport, error::Phase, options::Timeouts};

use crate::support::hosts::BlackHole;

/// After how many milliseconds a host that never answers was given up.
async fn given_up_after(built_with: Timeouts, asked_with: Timeouts) -> u128 {
    let black_hole = BlackHole::at("127.0.0.2", 0).await;
    let transport = Transport::builder().timeouts(built_with).build().unwrap();
    let url = format!("http://127.0.0.2:{}/", black_hole.port());
    let began_at = Instant::now();
    let error = transport.request("GET", url).timeouts(asked_with).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Connect), "{error:?}");
    began_at.elapsed().as_millis()
}

fn seconds(seconds: u64) -> Timeouts {
    Timeouts::none().connect(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_request_may_allow_more_than_its_transport() {
    let after = given_up_after(seconds(3), seconds(20)).await;
    assert!((20_000..20_010).contains(&after), "{after} ms");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_allow_less_than_its_transport() {
    let after = given_up_after(seconds(20), seconds(3)).await;
    assert!((3_000..3_010).contains(&after), "{after} ms");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_have_a_limit_where_its_transport_has_none() {
    let after = given_up_after(Timeouts::none(), seconds(12)).await;
    assert!((12_000..12_010).contains(&after), "{after} ms");
}
