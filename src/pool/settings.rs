//! The settings of a pool.

use std::{sync::Arc, time::Duration};

use http::Request;

use super::budget::Budget;
use crate::{error::Error, events::Listeners, options::Timeouts, rt::Runtime, setting};

/// Limits; the setters of [`PoolLayer`](super::PoolLayer) document them.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) connections_per_key: usize,
    pub(crate) idle: usize,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) requests: Option<u64>,
    pub(crate) waiters: usize,
    pub(crate) abandon_dials: bool,
    /// A connection with requests is counted in the pool of those requests, not here.
    pub(crate) is_counted_by_users: bool,
}

/// Settings that do not depend on the key.
#[derive(Clone, Default)]
pub(super) struct PoolSettings {
    pub(super) limits: Limits,
    /// Shared with other pools.
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) timeouts: Timeouts,
    pub(super) listeners: Listeners,
    pub(super) runtime: Runtime,
}

/// How keys are derived from requests.
pub(super) struct Keys<B, K> {
    pub(super) of: KeyOf<B, K>,
    /// Whether the scheme and the authority of the URI alone decide the key, so that another such request with the same
    /// two has an equal key.
    pub(super) is_by_uri: fn(&Request<B>) -> bool,
    pub(super) is_exclusive: fn(&K) -> bool,
}

pub(super) type KeyOf<B, K> = Arc<dyn Fn(&Request<B>) -> Result<K, Error> + Send + Sync>;

impl Limits {
    /// Requires each setting to be in its range.
    fn check(&self) -> Result<(), Error> {
        setting::at_least_one("max_connections", self.connections as u64)?;
        let per_key = self.connections_per_key as u64;
        setting::at_least_one("max_connections_per_host", per_key)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100,
            connections_per_key: usize::MAX,
            idle: usize::MAX,
            idle_timeout: Some(Duration::from_secs(90)),
            max_age: None,
            requests: None,
            waiters: usize::MAX,
            abandon_dials: false,
            is_counted_by_users: false,
        }
    }
}

impl PoolSettings {
    pub(super) fn check(&self) -> Result<(), Error> {
        self.limits.check()?;
        self.timeouts.check()
    }
}

impl<B, K> Keys<B, K> {
    pub(super) fn new(
        of: impl Fn(&Request<B>) -> Result<K, Error> + Send + Sync + 'static,
    ) -> Self {
        Self { of: Arc::new(of), is_by_uri: |_| false, is_exclusive: |_| false }
    }
}

impl<B, K> Clone for Keys<B, K> {
    fn clone(&self) -> Self {
        let Self { of, is_by_uri, is_exclusive } = self;
        Self { of: of.clone(), is_by_uri: *is_by_uri, is_exclusive: *is_exclusive }
    }
}
