//! A connection counts all the time, also while it is on its way to a request.

use std::{
    future::{Pending, pending},
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, Wake, Waker},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::{
    Body,
    connection::{Connection, PoolSlot, SendError},
    error::Error,
    pool::PoolLayer,
};

/// A shared connection that never answers, and whose peer may allow only so many streams.
#[derive(Clone, Default)]
struct Silent {
    streams: Option<usize>,
    slot: Arc<Mutex<Option<PoolSlot>>>,
}

impl Service<Request<Body>> for Silent {
    type Response = Response<Body>;
    type Error = SendError<Request<Body>>;
    type Future = Pending<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert_ne!(self.streams, Some(0), "it takes no request");
        pending()
    }
}

impl Connection<Request<Body>> for Silent {
    fn is_open(&self) -> bool {
        true
    }

    fn share(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        let Some(streams) = self.streams else { return Some(slot) };
        slot.streams(streams);
        *lock::lock(&self.slot) = Some(slot);
        None
    }
}

/// Drops all requests as soon as one of them is woken, and remembers how many connections count then.
struct DropsAll {
    budget: Arc<Budget>,
    requests: Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    counted: OnceLock<usize>,
}

impl Wake for DropsAll {
    fn wake(self: Arc<Self>) {
        drop(std::mem::take(&mut *lock::lock(&self.requests)));
        self.counted.get_or_init(|| self.budget.counted.load(SeqCst));
    }
}

#[tokio::test]
async fn a_connection_on_its_way_to_a_request_counts_although_the_request_is_gone() {
    let users = PoolLayer::<Body>::new().with_budget();
    let budget = users.budget().unwrap();
    let connect = |_: &'static str| std::future::ready(Ok::<_, Error>(Silent::default()));
    let mut pool = users.beneath(|_| Ok("proxy")).layer(tower::service_fn(connect));
    let drops_all = Arc::new(DropsAll {
        budget: budget.clone(),
        requests: Mutex::default(),
        counted: OnceLock::new(),
    });
    let waker = Waker::from(drops_all.clone());
    for _ in 0..2 {
        let response = pool.call(Request::new(Body::empty()));
        let mut request = Box::pin(async move { drop(response.await) });
        assert!(request.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        lock::lock(&drops_all.requests).push(request);
    }
    // One dial for both. The first request is woken before the second is served.
    tokio::task::yield_now().await;
    assert!(drops_all.counted.get().is_some_and(|counted| *counted > 0), "it is open");
    assert_eq!((budget.counted.load(SeqCst), budget.idle.load(SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_peer_without_streams_is_dialed_once_where_nothing_may_be_idle() {
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = dials.clone();
    let connect = move |_: &'static str| {
        counted.fetch_add(1, SeqCst);
        let connection = Silent { streams: Some(0), ..Silent::default() };
        std::future::ready(Ok::<_, Error>(connection))
    };
    let layer = PoolLayer::<Body>::new().max_idle(0).beneath(|_| Ok("origin"));
    let mut pool = layer.layer(tower::service_fn(connect));
    let mut request = Box::pin(pool.call(Request::new(Body::empty())));
    for _ in 0..100 {
        assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(dials.load(SeqCst), 1);
}
