//! Several addresses of one name: which is reached, and what the others cost. The schedule itself is tested where it is.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};
use tower_transport::{
    connect::{Name, StaticResolver, TcpConnector},
    error::Phase,
};

use crate::support::{
    hosts::{BlackHole, listening, refusing},
    targets::{io_kind, ips, target},
};

fn connector<const N: usize>(addresses: [&str; N]) -> TcpConnector<StaticResolver> {
    let resolver = StaticResolver::new().address("example.com", ips(addresses));
    TcpConnector::new().resolver(resolver)
}

#[tokio::test(start_paused = true)]
async fn a_refused_address_costs_no_time() {
    let (_listener, port) = listening("127.0.0.1").await;
    let began_at = Instant::now();
    let target = target(&format!("http://example.com:{port}"));
    let connected = connector(["127.0.0.2", "127.0.0.1"]).oneshot(target).await.unwrap();
    assert_eq!(connected.info.peer_addr().unwrap().to_string(), format!("127.0.0.1:{port}"));
    assert!(began_at.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn a_family_that_does_not_answer_is_followed_by_the_other() {
    let (_listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://example.com:{port}"));
    let connected = connector(["::1", "127.0.0.1"]).oneshot(target).await.unwrap();
    assert!(connected.info.peer_addr().unwrap().is_ipv4());
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn a_black_hole_costs_a_quarter_of_a_second() {
    let (_listener, port) = listening("127.0.0.1").await;
    let _black_hole = BlackHole::at("127.0.0.2", port).await;
    let began_at = Instant::now();
    let target = target(&format!("http://example.com:{port}"));
    let connected = connector(["127.0.0.2", "127.0.0.1"]).oneshot(target).await.unwrap();
    assert!(connected.info.peer_addr().unwrap().to_string().starts_with("127.0.0.1:"));
    assert!((250..300).contains(&began_at.elapsed().as_millis()), "{:?}", began_at.elapsed());
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn black_holes_only_are_a_timeout_for_all_of_them() {
    let black_hole = BlackHole::at("127.0.0.2", 0).await;
    let _other = BlackHole::at("127.0.0.3", black_hole.port()).await;
    let target = target(&format!("http://example.com:{}", black_hole.port()));
    for connector in [connector(["127.0.0.2"]), connector(["127.0.0.2", "127.0.0.3"])] {
        let began_at = Instant::now();
        let connector = connector.connect_timeout(Duration::from_secs(3));
        let error = connector.oneshot(target.clone()).await.unwrap_err();
        let expected = format!("connecting to {target}: timed out after 3 s (connect timeout)");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.timeout_phase(), Some(Phase::Connect));
        let elapsed = began_at.elapsed();
        assert!((3_000..3_010).contains(&elapsed.as_millis()), "{elapsed:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn resolving_and_connecting_share_one_limit() {
    let black_hole = BlackHole::at("127.0.0.2", 0).await;
    let slow = service_fn(|_: Name| async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok::<_, Infallible>([SocketAddr::from(([127, 0, 0, 2], 0))])
    });
    let began_at = Instant::now();
    let connector = TcpConnector::new().resolver(slow).connect_timeout(Duration::from_secs(3));
    let target = target(&format!("http://example.com:{}", black_hole.port()));
    assert!(connector.oneshot(target).await.unwrap_err().is_timeout());
    assert!((3_000..3_010).contains(&began_at.elapsed().as_millis()), "{:?}", began_at.elapsed());
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn without_a_timeout_six_black_holes_block_the_seventh_address_for_five_seconds() {
    let (_listener, port) = listening("127.0.0.1").await;
    let addresses = [2, 3, 4, 5, 6, 7, 1].map(|n| format!("127.0.0.{n}"));
    let addresses = addresses.each_ref().map(String::as_str);
    let _black_holes = join_all(addresses[..6].iter().map(|ip| BlackHole::at(ip, port))).await;
    let connector = connector(addresses).connect_timeout(None);
    let began_at = Instant::now();
    let connected = connector.oneshot(target(&format!("http://example.com:{port}"))).await.unwrap();
    assert!(connected.info.peer_addr().unwrap().to_string().starts_with("127.0.0.1:"));
    assert!((5_000..5_010).contains(&began_at.elapsed().as_millis()), "{:?}", began_at.elapsed());
}

#[tokio::test]
async fn when_all_refuse_the_error_says_how_many_were_tried() {
    let (_held, port) = refusing("127.0.0.1");
    let target = target(&format!("http://example.com:{port}"));
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    let error = connector(addresses).oneshot(target).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connecting to example.com:{port}, 3 addresses tried"));
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
    assert!(error.is_connect() && !error.is_timeout() && !error.was_sent());
}

#[tokio::test]
async fn only_the_family_of_the_local_address_is_tried() {
    let (_listener, port) = listening("127.0.0.1").await;
    let target = target(&format!("http://example.com:{port}"));
    let [local] = ips(["127.0.0.1"]);
    let connector = connector(["::1", "127.0.0.1"]).local_address(local);
    let connected = connector.oneshot(target).await.unwrap();
    assert!(connected.info.peer_addr().unwrap().is_ipv4());
}
