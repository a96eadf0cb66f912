//! Services that fail, below each layer: what the error says, and whether the request was sent.

use std::{
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request};
use tower::{Layer, Service};
use tower_transport::{
    Body, Error,
    client::{
        Auth, AuthLayer, AuthRequest, DeadlineLayer, DecodeLayer, DefaultsLayer, ProgressLayer,
        RedirectLayer, RetryLayer,
    },
    error::{BoxError, Kind},
    options::Retries,
};

use super::site::*;

/// Answers the first request and fails all others unsent. After `ready` calls it is no longer ready.
#[derive(Clone)]
struct Breaks {
    ready: usize,
    called: Arc<AtomicUsize>,
    first: fn() -> Result<Answer, BoxError>,
}

impl Breaks {
    fn after(ready: usize, first: fn() -> Result<Answer, BoxError>) -> Self {
        Self { ready, called: Arc::default(), first }
    }
}

impl Service<Request<Body>> for Breaks {
    type Response = Answer;
    type Error = BoxError;
    type Future = Ready<Result<Answer, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let is_ready = self.called.load(Ordering::Relaxed) < self.ready;
        Poll::Ready(if is_ready { Ok(()) } else { Err("the service is broken".into()) })
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(match self.called.fetch_add(1, Ordering::Relaxed) {
            0 => (self.first)(),
            _ => Err(Error::custom(Kind::Connect, "nothing listens there").into()),
        })
    }
}

/// A request that each layer has something to do for.
fn sent() -> Request<Body> {
    let mut request = get("http://a/");
    request.extensions_mut().insert(Auth::by_async(|request: AuthRequest| async move {
        Ok::<_, BoxError>(Some(HeaderValue::from(request.refusals())))
    }));
    request
}

/// Checks each layer, by its name.
macro_rules! each_layer {
    ($check:ident) => {
        $check("auth", AuthLayer::new()).await;
        $check("deadline", DeadlineLayer::new(Duration::from_secs(1))).await;
        $check("decode", DecodeLayer::new()).await;
        $check("defaults", DefaultsLayer::new()).await;
        $check("progress", ProgressLayer::new()).await;
        $check("redirect", RedirectLayer::new()).await;
        $check("retry", RetryLayer::new(Retries::new(3))).await;
    };
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_has_sent_nothing_below_any_layer() {
    async fn check<L>(name: &str, layer: L)
    where
        L: Layer<Breaks, Service: Service<Request<Body>, Error = Error> + Clone>,
    {
        let service = layer.layer(Breaks::after(0, || Ok(ok())));
        let error = send(&service, sent()).await.err().unwrap();
        assert!(error.is_other() && error.is_unsent(), "{name}: {error:?}");
        assert_eq!(error.to_string(), "waiting for the service to be ready", "{name}");
    }
    each_layer!(check);
}

#[tokio::test(start_paused = true)]
async fn the_text_of_a_foreign_error_is_in_the_error_of_each_layer() {
    async fn check<L>(name: &str, layer: L)
    where
        L: Layer<Breaks, Service: Service<Request<Body>, Error = Error> + Clone>,
    {
        let service = layer.layer(Breaks::after(1, || Err("no token in the vault".into())));
        let error = send(&service, sent()).await.err().unwrap();
        assert!(error.is_other() && !error.was_sent() && !error.is_unsent(), "{name}: {error:?}");
        assert!(error.to_string().ends_with(": no token in the vault"), "{name}: {error}");
    }
    each_layer!(check);
}

#[tokio::test(start_paused = true)]
async fn a_response_whose_future_is_polled_again_is_an_error_and_no_panic() {
    async fn check<L>(name: &str, layer: L)
    where
        L: Layer<Breaks, Service: Service<Request<Body>, Error = Error> + Clone>,
    {
        for request in [get("http://a/"), sent()] {
            let mut service = layer.layer(Breaks::after(1, || Ok(ok())));
            let mut future = Box::pin(service.call(request));
            assert!(matches!(futures_util::poll!(&mut future), Poll::Ready(Ok(_))), "{name}");
            let Poll::Ready(Err(error)) = futures_util::poll!(&mut future) else {
                panic!("{name}: it has no error");
            };
            assert!(error.is_canceled(), "{name}: {error:?}");
        }
    }
    check("auth", AuthLayer::new()).await;
    check("deadline", DeadlineLayer::new(Duration::from_secs(1))).await;
    check("defaults", DefaultsLayer::new()).await;
    check("redirect", RedirectLayer::new()).await;
    check("retry", RetryLayer::new(Retries::new(3))).await;
    check("no retry", RetryLayer::new(Retries::new(1))).await;
}

/// A request that was answered was sent, whatever becomes of the next: it must not be repeated as if nothing had happened.
#[tokio::test(start_paused = true)]
async fn what_fails_after_an_answer_was_sent() {
    async fn check<L>(name: &str, layer: L, first: fn() -> Result<Answer, BoxError>)
    where
        L: Layer<Breaks, Service: Service<Request<Body>, Error = Error> + Clone>,
    {
        for (ready, is_connect) in [(1, false), (9, true)] {
            let service = layer.layer(Breaks::after(ready, first));
            let error = send(&service, sent()).await.err().unwrap();
            assert_eq!(error.is_connect(), is_connect, "{name}: {error:?}");
            assert!(error.was_sent(), "{name}: {error:?}");
        }
    }
    check("auth", AuthLayer::new(), || Ok(answer(401, &[], "who?"))).await;
    check("redirect", RedirectLayer::new(), || Ok(redirect(302, "/next"))).await;
    check("retry", RetryLayer::new(Retries::new(3)), || Ok(answer(503, &[], "busy"))).await;
}
