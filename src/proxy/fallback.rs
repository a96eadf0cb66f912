//! Takes the first way that can be gone, and remembers for a while which could not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    connect::{Connected, Connecting, is_temporary},
    error::{Error, Kind, Phase},
    io::Io,
    rt::Runtime,
    target::{Route, Target},
};

/// So many ways are remembered: more than that are made up by requests, one for each.
const REMEMBERED: usize = 1024;

/// Which ways could not be gone. Clones share it.
#[derive(Clone)]
pub(super) struct Fallback {
    pub(super) attempt_timeout: Duration,
    pub(super) remembered: Duration,
    /// All of them together are to be done by then.
    pub(super) planned: Duration,
    failed: Arc<Mutex<HashMap<Route, Instant>>>,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(3),
            remembered: Duration::from_secs(60),
            planned: Duration::MAX,
            failed: Arc::default(),
        }
    }
}

impl Fallback {
    /// The bytes of the first way that can be gone. A proxy that was reached has the last word, whatever it says.
    pub(super) async fn first_of(
        &self,
        routes: &[Route],
        target: &Target,
        runtime: &Runtime,
        reach: impl Fn(Target) -> Connecting<Box<dyn Io>>,
    ) -> Result<Connected<Box<dyn Io>>, Error> {
        let mut ways = self.in_order(routes, runtime.now()).into_iter();
        let mut why = None;
        while let Some(route) = ways.next() {
            let mut target = target.clone();
            target.route = route.clone();
            let patience = (!ways.as_slice().is_empty()).then(|| self.patience(routes.len()));
            let doing = format!("connecting to {target}");
            let error = match runtime.within(patience, reach(target)).await {
                Some(Ok(connected)) => {
                    self.lock().remove(route);
                    return Ok(connected);
                }
                Some(Err(error)) if !is_in_the_way(route, &error) => return Err(error),
                Some(Err(error)) => error,
                None => Error::new(Kind::Timeout(Phase::Connect), doing),
            };
            self.remember(route, runtime.now());
            why = Some(error);
        }
        let doing = format!("connecting to {target}, {} ways tried", routes.len());
        Err(match why {
            Some(last) => last.during(doing),
            None => Error::builder(doing),
        })
    }

    /// How long one way of so many may take, so that each has a share of the time for all.
    fn patience(&self, ways: usize) -> Duration {
        let share = u32::try_from(ways).ok().and_then(|ways| self.planned.checked_div(ways));
        self.attempt_timeout.min(share.unwrap_or_default())
    }

    /// Those that failed lately come last, the one that failed first before the others.
    fn in_order<'a>(&self, routes: &'a [Route], now: Instant) -> Vec<&'a Route> {
        let failed = self.lock();
        let failed_at = |route: &&Route| {
            let at = failed.get(*route).copied();
            at.filter(|at| now.saturating_duration_since(*at) < self.remembered)
        };
        let mut ways: Vec<_> = routes.iter().collect();
        ways.sort_by_key(failed_at);
        ways
    }

    fn remember(&self, route: &Route, now: Instant) {
        let mut failed = self.lock();
        if failed.len() >= REMEMBERED {
            failed.retain(|_, at| now.saturating_duration_since(*at) < self.remembered);
        }
        if failed.len() < REMEMBERED {
            failed.insert(route.clone(), now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Route, Instant>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another way may be gone where this could not. One on which somebody shows a wrong certificate is not left for
/// another: whoever is in the middle would choose the way.
fn is_in_the_way(route: &Route, error: &Error) -> bool {
    is_temporary(error)
        && match route {
            Route::Proxies(_) => error.is_proxy_unreachable(),
            _ => error.is_connect(),
        }
}
