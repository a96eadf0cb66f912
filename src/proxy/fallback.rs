//! Tries routes in order, and remembers failures for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use crate::{
    connect::{Connected, Connecting, is_temporary},
    error::Error,
    io::Io,
    lock,
    rt::Runtime,
    setting,
    target::{Origin, Route, Target},
};

/// The most failures remembered; requests could otherwise add one for each of their routes.
const MAX_FAILURES: usize = 1024;

/// The routes that failed recently. Clones share them.
#[derive(Clone)]
pub(super) struct Fallback {
    pub(super) attempt_timeout: Duration,
    pub(super) failure_ttl: Duration,
    /// The time limit expected for all routes of a list together.
    pub(super) planned_time: Option<Duration>,
    failed: Arc<Mutex<HashMap<Candidate, Instant>>>,
}

/// The unit of failure: a route through proxies or a socket fails for all origins, any other route for one origin.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Candidate {
    route: Route,
    origin: Option<Origin>,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(3),
            failure_ttl: Duration::from_secs(60),
            planned_time: None,
            failed: Arc::default(),
        }
    }
}

impl Fallback {
    /// Checks the ranges of the settings.
    pub(super) fn check(&self) -> Result<(), Error> {
        setting::longer_than_zero("ProxyLayer::attempt_timeout", self.attempt_timeout)
    }

    /// Connects by the first route that works. An answer from a proxy is final, whatever it says.
    pub(super) async fn first_of(
        &self,
        routes: &[Route],
        target: &Target,
        runtime: &Runtime,
        reach: impl Fn(Target, Option<Duration>) -> Connecting<Box<dyn Io>>,
    ) -> Result<Connected<Box<dyn Io>>, Error> {
        let limit = self.limit(routes.len());
        let mut candidates = self.in_order(routes, target, runtime.now()).into_iter();
        let mut last = None;
        while let Some(candidate) = candidates.next() {
            let mut target = target.clone();
            target.route = candidate.route.clone();
            let limit = (!candidates.as_slice().is_empty()).then_some(limit);
            match reach(target, limit).await {
                Ok(connected) => {
                    self.forget(&candidate);
                    return Ok(connected);
                }
                Err(error) if !allows_next(&error) => return Err(error),
                Err(error) => {
                    if candidate.is_to_blame(&error) {
                        self.remember(candidate, runtime.now());
                    }
                    last = Some(error);
                }
            }
        }
        let doing = format!("connecting to {target}, {} ways tried", routes.len());
        Err(match last {
            Some(error) => error.during(doing),
            None => Error::builder(doing),
        })
    }

    /// Gives each route a share of the planned time, so that the last one is tried before it is over.
    fn limit(&self, candidates: usize) -> Duration {
        let candidates = u32::try_from(candidates).unwrap_or(u32::MAX).max(1);
        self.planned_time
            .map_or(self.attempt_timeout, |time| self.attempt_timeout.min(time / candidates))
    }

    /// Moves recent failures to the end, the oldest of them first.
    fn in_order(&self, routes: &[Route], target: &Target, now: Instant) -> Vec<Candidate> {
        let mut candidates: Vec<_> =
            routes.iter().map(|route| Candidate::of(route, target)).collect();
        let failed = self.lock();
        // `None` sorts first and the sort is stable: routes that did not fail keep their order.
        candidates.sort_by_key(|candidate| {
            let at = failed.get(candidate).copied();
            at.filter(|at| now.saturating_duration_since(*at) < self.failure_ttl)
        });
        candidates
    }

    fn forget(&self, candidate: &Candidate) {
        // Dropped after the lock is released: a proxy may hold values of foreign types.
        let expired = self.lock().remove_entry(candidate);
        drop(expired);
    }

    fn remember(&self, candidate: Candidate, now: Instant) {
        let mut failed = self.lock();
        let is_old = |at: &mut Instant| now.saturating_duration_since(*at) >= self.failure_ttl;
        let expired: Vec<_> = match failed.len() >= MAX_FAILURES {
            true => failed.extract_if(|_, at| is_old(at)).collect(),
            false => Vec::new(),
        };
        let has_room = failed.len() < MAX_FAILURES;
        let unused = match failed.get_mut(&candidate) {
            Some(at) => {
                *at = now;
                Some(candidate)
            }
            None if has_room => {
                failed.insert(candidate, now);
                None
            }
            None => Some(candidate),
        };
        drop(failed);
        drop((expired, unused));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Candidate, Instant>> {
        lock::lock(&self.failed)
    }
}

impl Candidate {
    fn of(route: &Route, target: &Target) -> Self {
        let is_for_all = matches!(route, Route::Proxies(_) | Route::Unix(_));
        let origin = (!is_for_all).then(|| target.origin.clone());
        Self { route: route.clone(), origin }
    }

    /// Whether the failure is this one's: a name that could not be resolved here, for SOCKS, says nothing of the proxy.
    fn is_to_blame(&self, error: &Error) -> bool {
        !matches!(self.route, Route::Proxies(_)) || error.is_proxy()
    }
}

/// Whether to try the next route after this error. An answer from a proxy is final, also from a proxy inside a route. A
/// wrong certificate is final as well: otherwise an attacker on the path could choose the route.
fn allows_next(error: &Error) -> bool {
    let is_unreachable = match error.is_proxy() {
        true => error.is_proxy_unreachable(),
        false => error.is_connect(),
    };
    is_unreachable && is_temporary(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure_for(number: usize) -> Candidate {
        let url = format!("http://origin{number}.example/").parse().unwrap();
        Candidate { route: Route::Direct, origin: Some(Origin::try_from(&url).unwrap()) }
    }

    #[test]
    fn failures_beyond_the_limit_are_remembered_only_where_older_ones_have_expired() {
        let (fallback, began) = (Fallback::default(), Runtime::default().now());
        let remembers = |number| fallback.lock().contains_key(&failure_for(number));
        for number in 0..MAX_FAILURES {
            fallback.remember(failure_for(number), began);
        }
        fallback.remember(failure_for(MAX_FAILURES), began);
        assert_eq!(fallback.lock().len(), MAX_FAILURES);
        assert!(!remembers(MAX_FAILURES));

        let later = began + fallback.failure_ttl / 2;
        fallback.remember(failure_for(7), later);
        assert_eq!(fallback.lock().get(&failure_for(7)), Some(&later));
        assert_eq!(fallback.lock().len(), MAX_FAILURES);

        fallback.remember(failure_for(MAX_FAILURES), began + fallback.failure_ttl);
        assert!(remembers(7) && remembers(MAX_FAILURES));
        assert_eq!(fallback.lock().len(), 2);
    }
}
