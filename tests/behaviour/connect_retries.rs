//! Connecting again, and when not.

use std::{
    future::{Ready, ready},
    io,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{DuplexStream, duplex},
    time::Instant,
};
use tower::{Layer, Service, ServiceExt, layer::util::Stack};
use tower_transport::{
    Error,
    connect::{ConnectRetry, ConnectRetryLayer, Connected},
    error::BoxError,
    proxy::Socks5Layer,
    target::{Origin, Target},
};

use crate::support::{
    scripted::{
        Step::{Close, Read},
        send,
    },
    socks_proxy::{connect, proxy},
    targets::{io_kind, target},
};

/// Fails a given number of times, and notes when it was called. It panics if it is called before it is ready.
struct Failing {
    failures: Arc<Mutex<Vec<BoxError>>>,
    called_at: Arc<Mutex<Vec<Instant>>>,
    is_ready: bool,
}

impl Failing {
    fn with(failures: impl IntoIterator<Item = BoxError>) -> Self {
        let mut failures: Vec<_> = failures.into_iter().collect();
        failures.reverse();
        Self {
            failures: Arc::new(Mutex::new(failures)),
            called_at: Arc::default(),
            is_ready: false,
        }
    }

    /// With connections that are refused.
    fn times(times: usize) -> Self {
        Self::with((0..times).map(|_| io::Error::from(io::ErrorKind::ConnectionRefused).into()))
    }

    fn retried(&self, retries: u32) -> ConnectRetry<Self> {
        ConnectRetryLayer::new(retries).layer(self.clone())
    }

    /// When it was called, in milliseconds after the first time.
    fn calls(&self) -> Vec<u128> {
        let called_at = self.called_at.lock().unwrap();
        called_at.iter().map(|at| (*at - called_at[0]).as_millis()).collect()
    }
}

impl Clone for Failing {
    fn clone(&self) -> Self {
        let (failures, called_at) = (self.failures.clone(), self.called_at.clone());
        Self { failures, called_at, is_ready: false }
    }
}

impl Service<Target> for Failing {
    type Response = Connected<TokioIo<DuplexStream>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Target) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called before it was ready");
        self.called_at.lock().unwrap().push(Instant::now());
        match self.failures.lock().unwrap().pop() {
            Some(error) => ready(Err(error)),
            None => ready(Ok(Connected::new(TokioIo::new(duplex(16).0)))),
        }
    }
}

/// An error of ours that no retry will mend.
fn builder_error() -> Error {
    Origin::try_from(&"ftp://example.com/".parse().unwrap()).unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn the_waits_are_none_then_half_a_second_and_doubled() {
    let connector = Failing::times(5);
    connector.retried(5).oneshot(target("http://example.com/")).await.unwrap();
    let milliseconds = connector.calls();
    let expected = [0, 0, 500, 1_500, 3_500, 7_500];
    assert_eq!(milliseconds.len(), expected.len());
    for (is, should) in milliseconds.into_iter().zip(expected) {
        assert!((should..should + 10).contains(&is), "{is} ms and not {should}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_when_the_retries_are_used_up() {
    let connector = Failing::times(9);
    let error = connector.retried(2).oneshot(target("http://example.com/")).await.unwrap_err();
    assert_eq!(connector.calls().len(), 3);
    assert_eq!(error.to_string(), "connecting to example.com:80");
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionRefused));
}

#[tokio::test(start_paused = true)]
async fn no_retries_are_one_attempt() {
    let connector = Failing::times(1);
    assert!(connector.retried(0).oneshot(target("http://example.com/")).await.is_err());
    assert_eq!(connector.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_will_not_pass_is_final() {
    let connector = Failing::with([builder_error().into()]);
    let error = connector.retried(3).oneshot(target("http://example.com/")).await.unwrap_err();
    assert!(error.is_builder());
    assert_eq!(connector.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_asked_again_unless_it_has_said_no_for_good() {
    let mute = [Read(3), Close];
    let table: [(&[u8], usize); 6] = [
        (b"\x05\x00\x05\x01", 3),
        (b"\x05\x00\x05\x05", 3),
        (b"\x05\x00\x05\x02", 1),
        (b"\x05\x00\x05\x08", 1),
        (b"\x05\xff", 1),
        (b"HTTP/1.1 400", 1),
    ];
    let said = table.map(|(said, attempts)| (vec![Read(3), send(said.to_vec())], attempts));
    for (script, attempts) in said.into_iter().chain([(mute.to_vec(), 3)]) {
        let socks = Socks5Layer::new(proxy("socks5h://proxy.example"));
        let layer = Stack::new(socks, ConnectRetryLayer::new(2));
        let scripts = vec![script.clone(); 4];
        let (outcome, proxy) = connect(layer, scripts, "http://example.com/").await;
        assert!(outcome.unwrap_err().is_proxy());
        assert_eq!(proxy.received().await.len(), attempts, "{script:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn giving_up_ends_the_retries() {
    let connector = Failing::times(9);
    let connecting = connector.retried(9).oneshot(target("http://example.com/"));
    assert!(tokio::time::timeout(Duration::from_secs(1), connecting).await.is_err());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(connector.calls().len(), 3);
}
