//! Connections of a user that do not behave, and a pool that does.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_service::Service;
use tower_transport::{
    Error,
    error::Phase,
    pool::{Connection, Pool, PoolLayer, PoolSlot, Progress, SendError},
};

use crate::support::origin::run_ready_tasks;

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Oddity {
    None,
    NeverReady,
    ClosedWhenReady,
    PanicsWhenPolled,
    PanicsWhenCalled,
    PanicsWhenShared,
    PanicsWhenSharedAgain,
    PanicsWhenHeld,
    LetsGoOfItsPlace,
    NotOpen,
    GivesEverythingBack,
    /// Its second request breaks, and comes back.
    GivesBackWhatBroke,
}

/// A connection with an oddity, which panics if it is called without being ready.
struct Odd {
    oddity: Oddity,
    is_ready: bool,
    shares: Arc<AtomicUsize>,
}

impl Odd {
    fn new(oddity: Oddity) -> Self {
        Self { oddity, is_ready: false, shares: Arc::default() }
    }
}

impl Service<Request<String>> for Odd {
    type Response = Response<Full<Bytes>>;
    type Error = SendError<Request<String>>;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.oddity {
            Oddity::NeverReady => Poll::Pending,
            Oddity::PanicsWhenPolled => panic!("polled"),
            Oddity::ClosedWhenReady => {
                Poll::Ready(Err(SendError::after(Progress::Unsent, "closed")))
            }
            _ => {
                self.is_ready = true;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        assert_ne!(self.oddity, Oddity::PanicsWhenCalled);
        ready(match self.oddity {
            Oddity::GivesEverythingBack => Err(SendError::unsent("not today", request)),
            Oddity::GivesBackWhatBroke if self.shares.fetch_add(1, Ordering::SeqCst) == 1 => {
                let (error, progress) = ("broken".into(), Progress::Sent);
                Err(SendError { error, progress, request: Some(request) })
            }
            _ => Ok(Response::new(Full::new("hello".into()))),
        })
    }
}

impl Connection<Request<String>> for Odd {
    fn is_open(&self) -> bool {
        self.oddity != Oddity::NotOpen
    }

    fn gives_back(&self, _: &Request<String>) -> bool {
        self.oddity == Oddity::GivesBackWhatBroke
    }

    fn share(&self) -> Option<Self> {
        assert_ne!(self.oddity, Oddity::PanicsWhenShared);
        if self.oddity != Oddity::PanicsWhenSharedAgain {
            return None;
        }
        assert!(self.shares.fetch_add(1, Ordering::SeqCst) < 2);
        Some(Self { shares: self.shares.clone(), ..Self::new(self.oddity) })
    }

    fn hold(&self, place: PoolSlot) -> Option<PoolSlot> {
        assert_ne!(self.oddity, Oddity::PanicsWhenHeld);
        (self.oddity != Oddity::LetsGoOfItsPlace).then_some(place)
    }
}

/// A pool of one connection of this kind.
fn layer() -> PoolLayer<String, String> {
    PoolLayer::keyed(|request: &Request<String>| Ok(request.uri().path().to_owned()))
        .max_connections(1)
}

fn pool_of(layer: &PoolLayer<String, String>, oddity: Oddity) -> Pool<Odd, String, String> {
    layer.layer(service_fn(move |_: String| ready(Ok::<_, Error>(Odd::new(oddity)))))
}

async fn ask(pool: &Pool<Odd, String, String>) -> Result<(), Error> {
    pool.clone().oneshot(Request::new(String::new())).await.map(drop)
}

async fn is_at_rest(pool: &Pool<Odd, String, String>) -> bool {
    run_ready_tasks().await;
    let text = format!("{pool:?}");
    text.starts_with("Pool(0 active") && text.ends_with("0 waiting)") && pool.stats().active == 0
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_ready_is_waited_for_as_long_as_the_pool_timeout() {
    let pool = pool_of(&layer(), Oddity::NeverReady);
    let error = ask(&pool).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(Phase::Pool));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_at_rest(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_not_ready_is_not_called() {
    let pool = pool_of(&layer(), Oddity::ClosedWhenReady);
    let error = ask(&pool).await.unwrap_err();
    assert!(!error.was_sent());
    assert!(is_at_rest(&pool).await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_panics_costs_its_request_and_nothing_else() {
    use Oddity::{PanicsWhenCalled, PanicsWhenHeld, PanicsWhenPolled, PanicsWhenShared};
    for oddity in [PanicsWhenCalled, PanicsWhenHeld, PanicsWhenShared, PanicsWhenPolled] {
        let pool = pool_of(&layer(), oddity);
        for _ in 0..2 {
            let pool = pool.clone();
            let asked = tokio::spawn(async move { ask(&pool).await });
            let outcome = tokio::time::timeout(Duration::from_secs(1), asked).await;
            assert!(!matches!(outcome.expect("nobody waits"), Ok(Ok(()))), "{oddity:?}");
        }
        assert!(is_at_rest(&pool).await, "{oddity:?}: {pool:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_connection_that_panics_instead_of_being_shared_has_no_request_on_it() {
    let pool = pool_of(&layer(), Oddity::PanicsWhenSharedAgain);
    ask(&pool).await.unwrap();
    let asked = tokio::spawn({
        let pool = pool.clone();
        async move { ask(&pool).await }
    });
    assert!(asked.await.unwrap_err().is_panic());
    assert!(is_at_rest(&pool).await, "{pool:?}");
}

#[tokio::test(start_paused = true)]
async fn odd_connections_come_to_an_end() {
    use Oddity::{GivesEverythingBack, LetsGoOfItsPlace, None, NotOpen};
    for (oddity, is_answered) in
        [(None, true), (NotOpen, true), (GivesEverythingBack, false), (LetsGoOfItsPlace, false)]
    {
        let pool = pool_of(&layer(), oddity);
        for _ in 0..3 {
            assert_eq!(ask(&pool).await.is_ok(), is_answered, "{oddity:?}");
        }
        assert!(is_at_rest(&pool).await, "{oddity:?}: {pool:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_too_old_at_once_serves_the_request_it_was_made_for() {
    let limits = [
        layer().max_age(Duration::ZERO),
        layer().max_requests(0),
        layer().idle_timeout(Duration::ZERO),
        layer().max_idle(0),
        layer().max_age(Duration::MAX).idle_timeout(Duration::MAX),
    ];
    for layer in limits {
        for oddity in [Oddity::None, Oddity::PanicsWhenSharedAgain] {
            let pool = pool_of(&layer, oddity);
            ask(&pool).await.unwrap();
            assert_eq!(pool.stats().opened, 1, "{layer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_give_up_at_once_leave_nothing_behind() {
    let never = layer().layer(service_fn(|_: String| std::future::pending::<Result<Odd, Error>>()));
    let mut waiting = tokio::task::JoinSet::new();
    for key in 0..10_000 {
        let request = Request::get(format!("/{}", key % 7)).body(String::new()).unwrap();
        waiting.spawn(never.clone().oneshot(request));
    }
    while never.stats().queued < 10_000 {
        run_ready_tasks().await;
    }
    waiting.shutdown().await;
    assert_eq!((never.stats().queued, never.stats().active), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_connection_in_the_making_ends_with_its_pool() {
    let alive = Arc::new(());
    let guard = alive.clone();
    let pool = layer().timeouts(tower_transport::options::Timeouts::none()).layer(service_fn(
        move |_: String| {
            let guard = guard.clone();
            async move {
                std::future::pending::<()>().await;
                drop(guard);
                Ok::<_, Error>(Odd::new(Oddity::None))
            }
        },
    ));
    let asked = tokio::spawn({
        let pool = pool.clone();
        async move { ask(&pool).await }
    });
    run_ready_tasks().await;
    assert!(Arc::strong_count(&alive) > 2);
    asked.abort();
    drop((asked.await, pool));
    run_ready_tasks().await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_connection_in_the_making() {
    let pool = layer().layer(service_fn(|_: String| std::future::pending::<Result<Odd, Error>>()));
    let asked = tokio::spawn({
        let pool = pool.clone();
        async move { ask(&pool).await }
    });
    run_ready_tasks().await;
    let before = tokio::time::Instant::now();
    assert!(pool.close(Duration::from_secs(30)).await);
    assert!(before.elapsed().is_zero() && pool.stats().connections.is_empty());
    assert!(asked.await.unwrap().unwrap_err().is_closed());
}

#[test]
fn idle_connections_are_closed_in_time_in_a_second_runtime_too() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    let pool = pool_of(&layer(), Oddity::None);
    runtime().block_on(async {
        ask(&pool).await.unwrap();
        run_ready_tasks().await;
    });
    runtime().block_on(async {
        ask(&pool).await.unwrap();
        run_ready_tasks().await;
        assert_eq!(pool.stats().idle_connections(), 1);
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(pool.stats().connections.is_empty());
    });
}

#[tokio::test]
async fn of_a_request_that_comes_back_when_it_breaks_no_copy_is_made() {
    let layer = layer().replay(|_| panic!("a copy was made"));
    let pool = pool_of(&layer, Oddity::GivesBackWhatBroke);
    ask(&pool).await.unwrap();
    ask(&pool).await.unwrap();
    assert_eq!(pool.stats().opened, 2, "it was sent again");
}

/// A shared connection that answers all but `long`. It recovers, and reports that, while a request finds it suspect.
#[derive(Clone, Default)]
struct Recovering {
    is_suspect: Arc<AtomicBool>,
    slot: Arc<OnceLock<PoolSlot>>,
}

impl Service<Request<String>> for Recovering {
    type Response = Response<Full<Bytes>>;
    type Error = SendError<Request<String>>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        match &**request.body() {
            "long" => Box::pin(std::future::pending()),
            _ => Box::pin(ready(Ok(Response::new(Full::new("hello".into()))))),
        }
    }
}

impl Connection<Request<String>> for Recovering {
    fn is_open(&self) -> bool {
        let is_suspect = self.is_suspect.swap(false, Ordering::SeqCst);
        if is_suspect {
            // As the driver does on another thread, when a byte comes at this moment.
            self.slot.get().unwrap().streams(100);
        }
        !is_suspect
    }

    fn share(&self) -> Option<Self> {
        Some(self.clone())
    }

    fn hold(&self, slot: PoolSlot) -> Option<PoolSlot> {
        self.slot.set(slot).err()
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_recovers_while_a_request_doubts_it_is_used_again() {
    let connection = Recovering::default();
    let made = connection.clone();
    let pool = layer().layer(service_fn(move |_: String| ready(Ok::<_, Error>(made.clone()))));
    let ask = |text: &str| pool.clone().oneshot(Request::new(text.to_owned()));
    let _long = tokio::spawn(ask("long"));
    run_ready_tasks().await;
    connection.is_suspect.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        ask("short").await.unwrap();
    }
}
