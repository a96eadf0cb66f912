//! Sends failed requests again, where that does no harm.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{failing::not_ready, kept::Kept, ready::take_ready, user_info::without_user_info};
use crate::{
    body::Body,
    error::{BoxError, Error},
    options::Retries,
    rt::Runtime,
    target::Origin,
};

mod after;
mod plan;
mod repeating;
mod tries;

pub use repeating::Repeating;

use plan::RetryBudget;
use tries::Tries;

/// Sends failed requests again, if [`Retries`] allow it and it does no harm.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_transport::{Body, RequestExt, client::RetryLayer, options::Retries};
///
/// static TRIES: AtomicU32 = AtomicU32::new(0);
/// let service = service_fn(|_: Request<Body>| async {
///     let status = if TRIES.fetch_add(1, Ordering::Relaxed) < 2 { 503 } else { 200 };
///     Response::builder().status(status).body(Full::<Bytes>::default())
/// });
/// let client = ServiceBuilder::new().layer(RetryLayer::new(Retries::new(3))).service(service);
/// assert_eq!(client.request("GET", "http://a.example/").await?.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// | what happened | sent again |
/// |---|---|
/// | nothing was sent: no connection, none in time, a handshake cut off, or a connection that broke before | whatever the method |
/// | the connection broke before the response | if it is idempotent |
/// | a response with the status 408, 429, 502, 503 or 504, or [others](Retries::statuses) in their place | if it is idempotent |
/// | any other response, a timeout after bytes were sent, a refused certificate, an invalid request | no |
/// | the inner service fails to become ready for another attempt | no |
///
/// A request is idempotent by its method (RFC 9110 §9.2.2), with an `Idempotency-Key`, or marked as
/// [`Repeatable`](crate::options::Repeatable). A request whose body cannot be [cloned](Body::try_clone) is sent once. A response is
/// returned at its head, so nothing is sent again once its body is read.
///
/// The pause is that of the server's `Retry-After`, or else random up to a maximum that doubles: see [`Retries`]. If a
/// [`Deadline`](crate::options::Deadline) would come first, the last response or error is returned at once.
///
/// Retries to one origin are limited to a tenth of its requests plus ten per second, so that a failing server can recover. Clones
/// share that budget. Without [`Retries`], of the layer or of the request, the layer costs nothing.
#[derive(Clone)]
pub struct RetryLayer {
    settings: Arc<RetrySettings>,
}

/// The service of a [`RetryLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    settings: Arc<RetrySettings>,
}

#[derive(Clone)]
struct RetrySettings {
    retries: Retries,
    runtime: Runtime,
    budgets: Arc<Budgets>,
}

/// What each origin has saved.
#[derive(Default)]
struct Budgets {
    by_origin: Mutex<HashMap<Origin, RetryBudget>>,
}

/// The budgets of more are not remembered.
const MOST_ORIGINS: usize = 1024;

impl RetryLayer {
    /// Sends a request as many times as this says at most, the first time included. A request's own [`Retries`] take precedence.
    pub fn new(retries: Retries) -> Self {
        let (runtime, budgets) = (Runtime::default(), Arc::default());
        Self { settings: Arc::new(RetrySettings { retries, runtime, budgets }) }
    }

    /// Sets the clock and the timers. By default they are those of [`Runtime::default`].
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        Arc::make_mut(&mut self.settings).runtime = runtime;
        self
    }
}

impl RetrySettings {
    /// Those of the request or else of the layer; `None` for a request that is sent once.
    #[inline]
    fn retries(&self, request: &Request<Body>) -> Option<Retries> {
        let retries: &Retries = request.extensions().get().unwrap_or(&self.retries);
        (retries.tries > 1).then_some(*retries)
    }

    /// What is kept for another try; `None` if there cannot be one.
    fn tries(self: &Arc<Self>, retries: Retries, request: &Request<Body>) -> Option<Tries> {
        let origin = Origin::try_from(&*without_user_info(request.uri())).ok()?;
        let kept = Kept::of(request).into_repeatable()?;
        self.budgets.change(&origin, self.runtime.now(), RetryBudget::request);
        Some(Tries::new(self.clone(), retries, kept, origin, request))
    }
}

impl Budgets {
    fn change<T>(
        &self,
        origin: &Origin,
        now: Instant,
        change: impl FnOnce(&mut RetryBudget, Instant) -> T,
    ) -> T {
        let mut budgets = self.by_origin.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get_mut(origin) {
            return change(budget, now);
        }
        if budgets.len() >= MOST_ORIGINS {
            // A new budget starts with the savings of one second: forgetting an origin that was silent gives it no more.
            let recent = now.checked_sub(Duration::from_secs(10)).unwrap_or(now);
            budgets.retain(|_, budget| budget.seen_at > recent);
        }
        if budgets.len() >= MOST_ORIGINS {
            budgets.clear();
        }
        change(budgets.entry(origin.clone()).or_insert_with(|| RetryBudget::new(now)), now)
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry { inner, settings: self.settings.clone() }
    }
}

impl<S, RB> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    RB: http_body::Body,
{
    type Response = Response<RB>;
    type Error = Error;
    type Future = Repeating<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, request: Request<Body>) -> Repeating<S> {
        let retries = self.settings.retries(&request);
        let Some(tries) = retries.and_then(|it| self.settings.tries(it, &request)) else {
            return Repeating::once(self.inner.call(request));
        };
        Repeating::new(take_ready(&mut self.inner), tries, request)
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryLayer").field(&self.settings.retries).finish()
    }
}

impl<S> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Retry").field(&self.settings.retries).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize) -> Origin {
        Origin::try_from(&http::Uri::try_from(format!("http://h{number}/")).unwrap()).unwrap()
    }

    /// Counts a request to each of these origins.
    fn fill(budgets: &Budgets, origins: std::ops::Range<usize>, now: Instant) {
        origins.for_each(|n| budgets.change(&origin(n), now, RetryBudget::request));
    }

    fn len(budgets: &Budgets) -> usize {
        budgets.by_origin.lock().unwrap().len()
    }

    #[test]
    fn a_budget_that_is_spent_is_remembered_while_those_of_silent_origins_are_forgotten() {
        let (budgets, start) = (Budgets::default(), Runtime::default().now());
        let (spent, later) = (origin(MOST_ORIGINS), start + Duration::from_secs(11));
        fill(&budgets, 0..MOST_ORIGINS - 1, start);
        while budgets.change(&spent, later, RetryBudget::spend) {}
        assert_eq!(len(&budgets), MOST_ORIGINS);
        fill(&budgets, MOST_ORIGINS + 1..MOST_ORIGINS + 2, later);
        assert_eq!(len(&budgets), 2);
        assert!(!budgets.change(&spent, later, RetryBudget::spend));
    }

    #[test]
    fn no_number_of_origins_at_once_takes_more_than_its_room() {
        let (budgets, now) = (Budgets::default(), Runtime::default().now());
        for n in 0..3 * MOST_ORIGINS {
            fill(&budgets, n..n + 1, now);
            assert!(len(&budgets) <= MOST_ORIGINS);
        }
    }
}
