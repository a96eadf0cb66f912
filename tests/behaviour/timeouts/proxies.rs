//! Behind a proxy it is the origin that is waited for.

use tower_transport::{RequestExt, error::Phase, options::Timeouts, proxy::Proxy};

use super::{READ, seconds, timed};
use crate::support::{
    net::{Behavior, Net},
    proxy::tunneling,
};

/// The phase in which a request through a proxy ended, after how long, and whether it was sent.
async fn ended(proxy: Proxy, does: Behavior) -> (Option<Phase>, u64, bool) {
    let net = Net::new();
    net.plain("proxy.example:8080", does);
    net.plain("origin.example:80", Behavior::Nothing);
    let timeouts = Timeouts::default().read(seconds(20));
    let transport = net.transport().proxy(proxy).timeouts(timeouts).build().unwrap();
    let get = transport.request("GET", "http://origin.example/");
    let (outcome, seconds) = timed(get).await;
    let error = outcome.unwrap_err();
    let named = ["origin.example:80", "proxy.example:8080"];
    assert!(named.iter().any(|name| error.to_string().contains(name)), "{error}");
    (error.timeout_phase(), seconds, error.was_sent())
}

#[tokio::test(start_paused = true)]
async fn through_a_tunnel_it_is_the_origin_that_does_not_answer() {
    let proxy = tunneling("http://proxy.example:8080");
    assert_eq!(ended(proxy, Behavior::Tunnel).await, (READ, 20, true));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_forwards_answers_for_the_origin() {
    let proxy = "http://proxy.example:8080".parse().unwrap();
    assert_eq!(ended(proxy, Behavior::Nothing).await, (READ, 20, true));
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_opens_no_tunnel_is_bounded_by_the_time_to_connect() {
    let proxy = tunneling("http://proxy.example:8080");
    assert_eq!(ended(proxy, Behavior::Nothing).await, (Some(Phase::Connect), 10, false));
}
