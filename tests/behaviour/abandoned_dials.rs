//! Dials without waiting requests, in a pool that is set to abandon them.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    sync::Semaphore,
    task::JoinHandle,
};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_transport::{
    Body, Error, RequestExt,
    connect::{MemoryConnector, MemoryListener},
    error::Phase,
    http::{HttpConnection, NegotiateLayer},
    options::Timeouts,
    pool::{Pool, PoolLayer},
    target::Target,
};

use crate::support::{origin::run_ready_tasks, peer::Peer, scripted::HELLO};

const NOTHING: &str = "requests: 0 active, 0 queued | connections: 0 active, 0 idle";
const A: &str = "http://a.example/";
const B: &str = "http://b.example/";

/// A pool over a proxy, say, that takes connections and says nothing until it is let.
struct Silence {
    pool: Pool<HttpConnection<Body>, Body>,
    listener: MemoryListener,
    gate: Arc<Semaphore>,
}

type Answer = Result<http::Response<bytes::Bytes>, Error>;

impl Silence {
    fn abandoning() -> Self {
        Self::over(PoolLayer::new().abandon_dials(true))
    }

    /// One that does not know that HTTP/1.1 serves one request at a time, so that one dial is for all.
    fn perhaps_shared() -> Self {
        Self::over(PoolLayer::new().abandon_dials(true).exclusive(|_| false))
    }

    fn over(layer: PoolLayer<Body>) -> Self {
        let (connector, listener) = MemoryConnector::pair();
        let gate = Arc::new(Semaphore::new(0));
        let quiet = gate.clone();
        let connector = service_fn(move |target: Target| {
            let (connector, gate) = (connector.clone(), quiet.clone());
            async move {
                let connected = connector.oneshot(target).await?;
                gate.acquire().await.expect("never closed").forget();
                Ok::<_, Error>(connected)
            }
        });
        let layers = ServiceBuilder::new().layer(layer).layer(NegotiateLayer::new());
        Self { pool: layers.service(connector), listener, gate }
    }

    fn get(&self, url: &str) -> JoinHandle<Answer> {
        tokio::spawn(self.pool.request("GET", url).into_future())
    }

    /// The other end of the next dial, and for whom it is.
    async fn dial(&mut self) -> (DuplexStream, String) {
        let (stream, target) = self.listener.accept().await.unwrap();
        (stream, target.to_string())
    }

    /// Dials that were begun and not looked at.
    fn further_dials(&mut self) -> usize {
        std::iter::from_fn(|| self.listener.accept().now_or_never().flatten()).count()
    }

    /// One more request is answered, on whichever connection it comes.
    async fn assert_usable(mut self) {
        self.gate.add_permits(1);
        let request = self.get(A);
        run_ready_tasks().await;
        while let Some(Some((stream, _))) = self.listener.accept().now_or_never() {
            let _hung_up = Peer::new(stream).answer([HELLO]).await;
        }
        assert_eq!(request.await.unwrap().unwrap().body(), "hello");
    }

    fn stats(&self) -> String {
        self.pool.stats().to_string()
    }
}

/// Whether the other side has closed it.
async fn is_closed(stream: &mut DuplexStream) -> bool {
    run_ready_tasks().await;
    matches!(stream.read(&mut [0]).now_or_never(), Some(Ok(0)))
}

async fn drop_it<T>(request: JoinHandle<T>) {
    request.abort();
    assert!(request.await.is_err(), "it was over");
    run_ready_tasks().await;
}

#[tokio::test(start_paused = true)]
async fn the_only_one_who_waits_takes_the_dial_along() {
    let mut silence = Silence::abandoning();
    let request = silence.get(A);
    let (mut dialed, _) = silence.dial().await;
    drop_it(request).await;
    assert!(is_closed(&mut dialed).await);
    assert_eq!(silence.stats(), NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_second_who_waits_keeps_the_dial() {
    let mut silence = Silence::perhaps_shared();
    let (first, second) = (silence.get(A), silence.get(A));
    let (mut dialed, _) = silence.dial().await;
    drop_it(first).await;
    assert!(!is_closed(&mut dialed).await);
    silence.gate.add_permits(1);
    Peer::new(&mut dialed).answer([HELLO]).await.unwrap();
    assert_eq!(second.await.unwrap().unwrap().body(), "hello");
    assert_eq!(silence.further_dials(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_of_several_takes_the_dial_along() {
    let mut silence = Silence::perhaps_shared();
    let requests = [silence.get(A), silence.get(A), silence.get(A)];
    let (mut dialed, _) = silence.dial().await;
    for request in requests {
        assert!(!is_closed(&mut dialed).await);
        drop_it(request).await;
    }
    assert!(is_closed(&mut dialed).await);
    assert_eq!(silence.stats(), NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_waits_no_longer_takes_the_dial_along() {
    let mut silence = Silence::abandoning();
    let timeouts = Timeouts::none().pool(Duration::from_secs(3));
    let error = silence.pool.request("GET", A).timeouts(timeouts).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Pool));
    let (mut dialed, _) = silence.dial().await;
    assert!(is_closed(&mut dialed).await);
    assert_eq!(silence.stats(), NOTHING);
}

#[tokio::test(start_paused = true)]
async fn who_is_served_by_a_returned_connection_needs_no_dial() {
    let mut silence = Silence::abandoning();
    silence.gate.add_permits(1);
    let first = silence.get(A);
    let (mut returned, _) = silence.dial().await;
    run_ready_tasks().await;
    let second = silence.get(A);
    let (mut dialed, _) = silence.dial().await;
    Peer::new(&mut returned).answer([HELLO]).await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().body(), "hello");
    assert!(is_closed(&mut dialed).await);
    Peer::new(&mut returned).answer([HELLO]).await.unwrap();
    assert_eq!(second.await.unwrap().unwrap().body(), "hello");
    assert_eq!(silence.stats(), NOTHING.replace("0 idle", "1 idle"));
}

#[tokio::test(start_paused = true)]
async fn the_place_of_an_abandoned_dial_is_free_for_others() {
    let mut silence = Silence::over(PoolLayer::new().abandon_dials(true).max_connections(1));
    let (first, _second) = (silence.get(A), silence.get(B));
    let (mut dialed, host) = silence.dial().await;
    assert_eq!((host.as_str(), silence.further_dials()), ("a.example:80", 0));
    drop_it(first).await;
    assert!(is_closed(&mut dialed).await);
    assert_eq!(silence.dial().await.1, "b.example:80");
}

#[tokio::test(start_paused = true)]
async fn by_default_a_dial_goes_on_without_those_who_wait() {
    let mut silence = Silence::over(PoolLayer::new());
    let request = silence.get(A);
    let (mut dialed, _) = silence.dial().await;
    drop_it(request).await;
    assert!(!is_closed(&mut dialed).await);
    silence.gate.add_permits(1);
    run_ready_tasks().await;
    assert_eq!(silence.stats(), NOTHING.replace("0 idle", "1 idle"));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_closed_lets_go_of_its_dials() {
    let mut silence = Silence::over(PoolLayer::new());
    let request = silence.get(A);
    let (mut dialed, _) = silence.dial().await;
    assert!(silence.pool.close(Duration::from_secs(5)).await);
    assert!(request.await.unwrap().unwrap_err().is_closed());
    assert!(is_closed(&mut dialed).await);
    assert_eq!(silence.stats(), NOTHING);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_gone_lets_go_of_its_dials() {
    let mut silence = Silence::over(PoolLayer::new());
    let request = silence.get(A);
    let (mut dialed, _) = silence.dial().await;
    drop_it(request).await;
    let Silence { pool, .. } = silence;
    drop(pool);
    assert!(is_closed(&mut dialed).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_dropped_at_any_poll_leaves_no_dial_behind() {
    for times in 1..4 {
        let silence = Silence::abandoning();
        let mut request = silence.pool.request("GET", A).into_future();
        let mut left = times;
        poll_fn(|cx| {
            left -= 1;
            assert!(request.poll_unpin(cx).is_pending());
            // The clock and the dial go on meanwhile.
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(request);
        run_ready_tasks().await;
        assert_eq!(silence.stats(), NOTHING);
    }
}

/// The dial is begun, connects and is let through while the other tasks have their turns: one of these is the one in
/// which it is finished and its waiter has just left.
#[tokio::test(start_paused = true)]
async fn a_request_dropped_at_any_turn_leaves_no_dial_behind() {
    for turns in 0..20 {
        let silence = Silence::over(PoolLayer::new().abandon_dials(true).max_connections(1));
        let (request, gate) = (silence.get(A), silence.gate.clone());
        for turn in 0..turns {
            if turn == 5 {
                gate.add_permits(1);
            }
            tokio::task::yield_now().await;
        }
        drop_it(request).await;
        let rest = silence.stats();
        assert!(
            rest.starts_with("requests: 0 active, 0 queued | connections: 0 active,"),
            "{rest}"
        );
        silence.assert_usable().await;
    }
}
