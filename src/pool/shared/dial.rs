//! A dial: it belongs to the pool, and ends with it.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, Weak},
    task::Poll,
    time::Duration,
};

use http::Request;

use super::{Key, Shared, name_of};
use crate::{
    connect::ConnectInfo,
    connection::Connection,
    error::{BoxError, Error, Kind, Phase, ProxyFault},
    events::{self, AttemptTimedOut, ConnectAttempt, Span, Step},
    few::Few,
    lock,
    pool::{
        cancel::Canceled,
        local_key::LocalKey,
        state::{Dial, DialOptions, FailureScope, SlotId},
    },
    rt::{self, Runtime},
};

/// Starts permitted dials one after the other. A dial that fails at once, because there is no runtime, permits the next
/// one, which would recurse.
pub(super) struct DialStarter<K> {
    queue: Mutex<DialQueue<K>>,
}

struct DialQueue<K> {
    permits: VecDeque<Dial<K>>,
    /// A thread works through the queue.
    is_served: bool,
}

impl<K> DialStarter<K> {
    pub(super) fn new() -> Self {
        Self { queue: Mutex::new(DialQueue { permits: VecDeque::new(), is_served: false }) }
    }

    /// Starts these dials, unless another thread works through the queue already.
    pub(super) fn begin(&self, permits: Few<Dial<K>>, dial: impl Fn(Dial<K>)) {
        if permits.is_empty() {
            return;
        }
        {
            let mut queue = self.lock();
            queue.permits.extend(permits);
            // The serving thread will find these permits: it clears the flag only with an empty queue.
            if std::mem::replace(&mut queue.is_served, true) {
                return;
            }
        }
        let serving = QueueWorker { dials: self, is_over: false };
        serving.for_each(dial);
    }

    fn lock(&self) -> MutexGuard<'_, DialQueue<K>> {
        lock::lock(&self.queue)
    }
}

/// Works through the queue; on drop during a panic, lets another thread continue.
struct QueueWorker<'a, K> {
    dials: &'a DialStarter<K>,
    is_over: bool,
}

impl<K> Iterator for QueueWorker<'_, K> {
    type Item = Dial<K>;

    fn next(&mut self) -> Option<Dial<K>> {
        let mut queue = self.dials.lock();
        let next = queue.permits.pop_front();
        // Under the lock, so that a permit pushed later finds the queue unserved.
        self.is_over = next.is_none();
        queue.is_served = !self.is_over;
        next
    }
}

impl<K> Drop for QueueWorker<'_, K> {
    fn drop(&mut self) {
        if !self.is_over {
            self.dials.lock().is_served = false;
        }
    }
}

/// The permission to dial. Dropped without a report, it reports failure.
pub(super) struct Dialing<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Weak<Shared<C, B, K>>,
    slot: SlotId,
    key: Arc<LocalKey<K>>,
    span: Span,
    is_over: bool,
}

/// A dial before its start, for the connector.
pub(in crate::pool) struct DialTask<C: Connection<Request<B>>, B: 'static, K: Key> {
    dialing: Dialing<C, B, K>,
    limit: Option<Duration>,
    runtime: Runtime,
    canceled: Canceled,
}

/// An elapsed limit, `None` for a canceled dial, or the connector's result.
type Outcome<C> = Result<Option<Result<C, BoxError>>, AttemptTimedOut>;

impl<C: Connection<Request<B>>, B: 'static, K: Key> DialTask<C, B, K> {
    /// Connects, within the limit and until canceled, and reports to the pool.
    pub(in crate::pool) async fn run<F>(self, connect: impl FnOnce(K) -> F)
    where
        F: Future<Output = Result<C, BoxError>>,
    {
        let Self { dialing, limit, runtime, canceled } = self;
        // The connector's future is dropped before the pool learns of the end: then the slot is really free.
        let outcome = {
            let mut connecting = pin!(connect(dialing.key.key.clone()));
            let (scope, mut attempt) = (dialing.span.scope(), ConnectAttempt::new(limit));
            poll_fn(|cx| {
                // Asked first, so that a canceled dial does no more work.
                if canceled.poll(cx).is_ready() {
                    return Poll::Ready(Ok(None));
                }
                let _turn = events::enter_scope(scope.clone());
                attempt.poll(connecting.as_mut(), &runtime, cx).map_ok(Some)
            })
            .await
        };
        dialing.ended(limit, outcome);
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Dialing<C, B, K> {
    /// Starts the dial in the runtime of its waiters.
    pub(super) fn begin(pool: &Arc<Shared<C, B, K>>, permit: Dial<LocalKey<K>>) {
        let Dial { slot, key, options: DialOptions { limit, scope, .. }, canceled } = permit;
        let scope = scope.map(|scope| scope.detached().on(pool.connection_id(slot)));
        let target = || Step::Connect { target: name_of(&*key), version: None };
        let span = scope.map(|scope| scope.start(target())).unwrap_or_default();
        let (here, cell) = (key.runtime.clone(), canceled.cell());
        let dialing = Self { pool: Arc::downgrade(pool), slot, key, span, is_over: false };
        let runtime = pool.settings.runtime.clone();
        let task = (pool.make)(DialTask { dialing, limit, runtime, canceled });
        pool.settings.runtime.spawn_in(&cell, &here, task);
    }

    fn ended(self, limit: Option<Duration>, outcome: Outcome<C>) {
        match outcome {
            Ok(Some(Ok(connection))) => self.succeed(connection),
            Ok(Some(Err(error))) => {
                let error = Error::from_connector(error, self.doing());
                self.fail(error, FailureScope::Dependents);
            }
            // The state machine canceled it: no waiter gets this error.
            Ok(None) => drop(self),
            Err(out_of_time) => {
                let error = self.timed_out(limit.unwrap_or_default(), out_of_time);
                self.fail(error, limit.map_or(FailureScope::All, FailureScope::NotOutwaiting));
            }
        }
    }

    fn doing(&self) -> String {
        format!("connecting to {}", name_of(&*self.key))
    }

    /// Names the timeout, and the operation it interrupted.
    fn timed_out(&self, limit: Duration, at: AttemptTimedOut) -> Error {
        let doing = at.doing.map_or_else(|| self.doing(), |it| format!("{}, {it}", self.doing()));
        let error = Error::timed_out(Phase::Connect, limit, doing);
        if at.is_proxy { error.by_proxy(ProxyFault::Failed) } else { error }
    }

    fn succeed(mut self, connection: C) {
        let Some(pool) = self.pool.upgrade() else { return };
        // A foreign connection may panic in `info`: the drop of `self` then reports failure.
        let spoken = connection.info().and_then(ConnectInfo::version);
        let mut span = std::mem::take(&mut self.span);
        span.record(|step| {
            if let Step::Connect { version, .. } = step {
                *version = spoken;
            }
        });
        // Before the pool can use the connection and report that.
        span.complete();
        // The foreign connection may panic in here, too: `is_over` is set only after it.
        let outcome = pool.dialed(self.slot, connection, self.key.runtime.clone());
        self.is_over = true;
        if let Err(error) = outcome {
            pool.dial_failed(self.slot, error, FailureScope::Dependents);
        }
    }

    fn fail(mut self, error: Error, scope: FailureScope) {
        self.is_over = true;
        std::mem::take(&mut self.span).fail(|| error.clone());
        if let Some(pool) = self.pool.upgrade() {
            pool.dial_failed(self.slot, error, scope);
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Drop for Dialing<C, B, K> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Some(pool) = self.pool.upgrade() {
            let fault = pool.settings.runtime.fault().map(|fault| fault.to_string());
            let why = fault.unwrap_or_else(|| rt::why_dropped().to_owned());
            let error = Error::new(Kind::Canceled, format!("{}: {why}", self.doing()));
            // The runtime has ended, or foreign code has panicked: another dial would fail, too.
            pool.dial_failed(self.slot, error, FailureScope::All);
        }
    }
}
