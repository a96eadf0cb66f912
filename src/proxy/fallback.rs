//! Takes the first way that can be gone, and remembers for a while which could not.

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

/// So many ways are remembered: more than that are made up by requests, one for each.
const REMEMBERED: usize = 1024;

/// Which ways could not be gone. Clones share it.
#[derive(Clone)]
pub(super) struct Fallback {
    pub(super) attempt_timeout: Duration,
    pub(super) remembered: Duration,
    /// All ways of a list together are likely to be given no more.
    pub(super) planned_time: Option<Duration>,
    failed: Arc<Mutex<HashMap<Way, Instant>>>,
}

/// What may fail: proxies and sockets for all alike, anything else for one origin alone.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    route: Route,
    origin: Option<Origin>,
}

impl Default for Fallback {
    fn default() -> Self {
        Self {
            attempt_timeout: Duration::from_secs(3),
            remembered: Duration::from_secs(60),
            planned_time: None,
            failed: Arc::default(),
        }
    }
}

impl Fallback {
    /// Requires each setting to be in its range.
    pub(super) fn check(&self) -> Result<(), Error> {
        setting::longer_than_zero("ProxyLayer::attempt_timeout", self.attempt_timeout)
    }

    /// The bytes of the first way that can be gone. A proxy that was reached has the last word, whatever it says.
    pub(super) async fn first_of(
        &self,
        routes: &[Route],
        target: &Target,
        runtime: &Runtime,
        reach: impl Fn(Target, Option<Duration>) -> Connecting<Box<dyn Io>>,
    ) -> Result<Connected<Box<dyn Io>>, Error> {
        let stall = self.stall(routes.len());
        let mut ways = self.in_order(routes, target, runtime.now()).into_iter();
        let mut why = None;
        while let Some(way) = ways.next() {
            let mut target = target.clone();
            target.route = way.route.clone();
            let stall = (!ways.as_slice().is_empty()).then_some(stall);
            match reach(target, stall).await {
                Ok(connected) => {
                    self.forget(&way);
                    return Ok(connected);
                }
                Err(error) if !is_in_the_way(&way.route, &error) => return Err(error),
                Err(error) => why = Some(error),
            }
            self.remember(way, runtime.now());
        }
        let doing = format!("connecting to {target}, {} ways tried", routes.len());
        Err(match why {
            Some(last) => last.during(doing),
            None => Error::builder(doing),
        })
    }

    /// Of so many ways each has its share of the time, so that the last has its turn before all is over.
    fn stall(&self, ways: usize) -> Duration {
        let ways = u32::try_from(ways).unwrap_or(u32::MAX).max(1);
        self.planned_time.map_or(self.attempt_timeout, |time| self.attempt_timeout.min(time / ways))
    }

    /// Those that failed lately come last, the one that failed first before the others.
    fn in_order(&self, routes: &[Route], target: &Target, now: Instant) -> Vec<Way> {
        let mut ways: Vec<_> = routes.iter().map(|route| Way::of(route, target)).collect();
        let failed = self.lock();
        ways.sort_by_key(|way| {
            let at = failed.get(way).copied();
            at.filter(|at| now.saturating_duration_since(*at) < self.remembered)
        });
        ways
    }

    fn forget(&self, way: &Way) {
        // Dropped after the lock is released: a proxy may hold what is somebody else's.
        let gone = self.lock().remove_entry(way);
        drop(gone);
    }

    fn remember(&self, way: Way, now: Instant) {
        let mut failed = self.lock();
        let is_old = |at: &mut Instant| now.saturating_duration_since(*at) >= self.remembered;
        let gone: Vec<_> = match failed.len() >= REMEMBERED {
            true => failed.extract_if(|_, at| is_old(at)).collect(),
            false => Vec::new(),
        };
        let has_room = failed.len() < REMEMBERED;
        let unused = match failed.get_mut(&way) {
            Some(at) => {
                *at = now;
                Some(way)
            }
            None if has_room => {
                failed.insert(way, now);
                None
            }
            None => Some(way),
        };
        drop(failed);
        drop((gone, unused));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Way, Instant>> {
        lock::lock(&self.failed)
    }
}

impl Way {
    fn of(route: &Route, target: &Target) -> Self {
        let is_for_all = matches!(route, Route::Proxies(_) | Route::Unix(_));
        let origin = (!is_for_all).then(|| target.origin.clone());
        Self { route: route.clone(), origin }
    }
}

/// Whether another way may be gone where this could not. What a proxy that was reached has said holds, also if it was
/// said on a way inside this one. And one on which somebody shows a wrong certificate is not left for another: whoever is in
/// the middle would choose the way.
fn is_in_the_way(route: &Route, error: &Error) -> bool {
    let is_unreachable = match route {
        Route::Proxies(_) => error.is_proxy_unreachable(),
        _ if error.is_proxy() => error.is_proxy_unreachable(),
        _ => error.is_connect(),
    };
    is_unreachable && is_temporary(error)
}
