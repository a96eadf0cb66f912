//! The state machine of one request: choose, wait, send, judge the outcome.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use super::{
    attempt::{Attempt, AttemptProj},
    failure::{copy, is_task_dropped},
};
use crate::{
    connection::{Connection, Progress, SendError},
    error::Error,
    options::{Deadline, Timeouts},
    pool::{
        body::PoolBody,
        local_key::LocalKey,
        request_trace::RequestTrace,
        retry::{FailedAttempt, TRIES, is_idempotent, pause},
        shared::{Key, Lease, QueuedRequest, Readiness, Shared, name_of},
        state::Seq,
    },
    rt::Sleep,
    timeout::Total,
    upgrade::Pending,
};

mod choose;

/// One request on its way. Rare parts are boxed, because the task moves with its future.
pub(super) struct RequestTask<C: Connection<Request<B>>, B: 'static, K: Key> {
    state: TaskState<C, B, K>,
    /// Of a sent request that may have to be sent again, if it can be copied and its connection does not give it back.
    copy: Option<Box<Request<B>>>,
    pool: Arc<Shared<C, B, K>>,
    /// `None` while the URI suffices to find a connection.
    key: Option<Arc<LocalKey<K>>>,
    total: Option<Box<Total>>,
    wait: Option<WaitTimer>,
    /// `None` without listeners.
    trace: Option<Box<RequestTrace>>,
    /// Time of past waits: one timeout bounds all waits together.
    waited: Duration,
    /// Queue position, kept across retries.
    seq: Option<Seq>,
    tries: u32,
    /// Connections that were not fit for it.
    rejected: u32,
    /// An earlier attempt may have reached the peer.
    was_sent: bool,
    is_idempotent: bool,
    is_connect: bool,
}

enum TaskState<C: Connection<Request<B>>, B: 'static, K: Key> {
    Choosing,
    Waiting(QueuedRequest<C, B, K>),
    Pausing(Sleep),
    /// With a connection.
    Leased(Lease<C, B, K>),
    /// Its key is an error.
    Refused(Error),
    Done,
}

type TotalStart<C, B, K> = (TaskState<C, B, K>, Option<Arc<LocalKey<K>>>, Option<Box<Total>>);

/// The current wait, for a connection or for its readiness.
struct WaitTimer {
    deadline: Option<Sleep>,
    since: Instant,
}

impl<C, B, K, RB> RequestTask<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    pub(super) fn poll(
        &mut self,
        mut attempt: Pin<&mut Attempt<C::Future, B>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<PoolBody<RB>>, Error>> {
        // A sent request stays with its connection, whichever runtime polls it.
        if !attempt.is_sent() {
            self.follow();
        }
        loop {
            if let AttemptProj::Sent { response } = attempt.as_mut().project() {
                let outcome = ready!(response.poll(cx));
                // First, because the future must be gone before its lease is given back.
                attempt.set(Attempt::Over);
                match outcome {
                    Ok(response) => return Poll::Ready(self.answered(response)),
                    Err(error) => attempt.set(Attempt::unsent(self.failed(error)?)),
                }
            }
            let Some(request) = attempt.request() else {
                return Poll::Ready(Err(Error::polled_again()));
            };
            match &mut self.state {
                TaskState::Choosing => self.choose(request)?,
                TaskState::Pausing(sleep) => {
                    ready!(Pin::new(sleep).poll(cx));
                    self.state = TaskState::Choosing;
                }
                TaskState::Waiting(_) => ready!(self.poll_served(request, cx))?,
                TaskState::Leased(lease) => match lease.poll_readiness(cx) {
                    Poll::Ready(readiness) => {
                        if self.may_begin(readiness)? {
                            self.begin(attempt.as_mut());
                        }
                    }
                    Poll::Pending => ready!(self.poll_deadline(request, cx))?,
                },
                TaskState::Refused(_) => return Poll::Ready(Err(self.refused())),
                TaskState::Done => return Poll::Ready(Err(Error::polled_again())),
            }
        }
    }

    /// Moves the connection into the response body.
    fn answered(&mut self, mut response: Response<RB>) -> Result<Response<PoolBody<RB>>, Error> {
        let TaskState::Leased(lease) = std::mem::replace(&mut self.state, TaskState::Done) else {
            return Err(Error::polled_again());
        };
        let stream_id = C::stream_id(&response);
        let info = lease.info().map(|info| info.on_stream(stream_id));
        let trace = self.trace.take().map(|trace| trace.answered(&mut response));
        let is_tunnel = self.is_connect && response.status().is_success();
        if is_tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(trace) = trace {
                trace.ended();
            }
            return Ok(switched(response, lease).map(|body| body.with_info(info)));
        }
        let total = self.total.take();
        Ok(response.map(|body| PoolBody::new(body, lease, total, trace).with_info(info)))
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> RequestTask<C, B, K> {
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, request: &Request<B>) -> Self {
        let timeouts: &Timeouts = request.extensions().get().unwrap_or(&pool.settings.timeouts);
        let (settings, limit) = (&pool.settings, timeouts.total);
        let deadline = request.extensions().get().copied();
        let trace =
            settings.listeners.start_request(request, &settings.runtime).map(RequestTrace::new);
        let (state, key, total) = match (limit, deadline) {
            (None, None) => (TaskState::Choosing, None, None),
            _ => Self::limit_total(&pool, request, limit, deadline),
        };
        Self {
            state,
            is_idempotent: is_idempotent(request),
            is_connect: request.method() == Method::CONNECT,
            copy: None,
            pool,
            key,
            total,
            wait: None,
            trace,
            waited: Duration::ZERO,
            seq: None,
            tries: 0,
            rejected: 0,
            was_sent: false,
        }
    }

    /// Starts the total timeout. Builds the key at once, because the timeout's error names it.
    fn limit_total(
        pool: &Shared<C, B, K>,
        request: &Request<B>,
        limit: Option<Duration>,
        deadline: Option<Deadline>,
    ) -> TotalStart<C, B, K> {
        match (pool.keys.of)(request) {
            Ok(key) => {
                let runtime = &pool.settings.runtime;
                let total = Box::new(Total::new(limit, deadline, name_of(&key), runtime));
                let key = Arc::new(LocalKey { key, runtime: runtime.current() });
                (TaskState::Choosing, Some(key), Some(total))
            }
            Err(error) => (TaskState::Refused(error), None, None),
        }
    }

    /// Whether the total timeout is zero: it fails before anything is done.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.total.as_ref().is_some_and(|total| total.is_over_at_once())
    }

    /// Ready with an error once the total time is over. The peer may have received the request.
    pub(super) fn poll_total(&mut self, is_sent: bool, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(total) = &mut self.total else { return Poll::Pending };
        match is_sent {
            true => total.poll("waiting for the answer of", cx).map(|error| error.sent(true)),
            false => total.poll("waiting for a connection to", cx),
        }
    }

    /// Whether to send the request on its connection. Otherwise the connection is rejected, and it tries another.
    fn may_begin(&mut self, readiness: Readiness) -> Result<bool, Error> {
        if let Readiness::Ready = readiness {
            return Ok(true);
        }
        let TaskState::Leased(lease) = &mut self.state else { return Ok(false) };
        self.seq = self.seq.or(lease.seq());
        let may_try_another = match &readiness {
            // A fresh connection that failed is not retried; one that was only closed may belong to a server that leaves.
            Readiness::Closed(error) if !lease.was_used() => {
                let is_worth_it = lease.is_shared() || is_task_dropped(error);
                is_worth_it && error.is_canceled() && self.rejected < 2
            }
            _ => lease.is_reused() && self.rejected < TRIES,
        };
        // Each rejected exclusive connection is gone; a shared one may be offered again, so count it.
        self.rejected += u32::from(lease.is_shared() || lease.served() <= 1);
        if let Readiness::Suspect = readiness
            && !may_try_another
        {
            return Ok(true);
        }
        let rejected = std::mem::replace(&mut self.state, TaskState::Choosing);
        let TaskState::Leased(lease) = rejected else { return Ok(false) };
        match readiness {
            Readiness::Closed(error) => {
                lease.retire();
                if may_try_another { Ok(false) } else { Err(error) }
            }
            Readiness::Suspect | Readiness::Ready => {
                lease.suspect();
                Ok(false)
            }
        }
    }

    /// Creates the send future in place: both it and the request are large.
    fn begin(&mut self, mut attempt: Pin<&mut Attempt<C::Future, B>>) {
        // The pool timeout counts only the time without a connection.
        self.stop_waiting();
        let TaskState::Leased(lease) = &mut self.state else { return };
        let Some(mut request) = attempt.as_mut().take_request() else { return };
        self.tries += 1;
        if lease.needs_a_copy(&request) {
            self.copy = copy(&request, self.pool.replay).map(Box::new);
        }
        if let (Some(trace), Some(id)) = (&mut self.trace, lease.id()) {
            request.extensions_mut().insert(trace.acquired(id, lease.was_used()));
        }
        if let Some(connection) = lease.begin() {
            attempt.set(Attempt::Sent { response: connection.call(request) });
        }
    }

    /// The request, if it is safe and possible to send it again.
    fn failed(&mut self, error: SendError<Request<B>>) -> Result<Request<B>, Error> {
        let TaskState::Leased(lease) = std::mem::replace(&mut self.state, TaskState::Done) else {
            return Err(error.into_error());
        };
        self.seq = self.seq.or(lease.seq());
        // The end of a runtime says nothing about the peer, whatever the connection has served.
        let reused = lease.was_used() || error.error.downcast_ref().is_some_and(is_task_dropped);
        let (progress, shared, key) = (error.progress, lease.is_shared(), lease.key_id());
        if error.is_the_requests_fault() {
            lease.finish();
            return Err(error.into_error());
        }
        let lacks_stream = error.lacks_only_a_stream();
        match progress {
            // The state knows the number of streams by now.
            Progress::Unsent if lacks_stream => lease.finish(),
            // The connection takes no requests, whatever the state believes: the retry must find another.
            Progress::Unsent => lease.retire(),
            // A refusing peer is alive: if the connection is ready, it may serve the next request.
            Progress::Refused => lease.finish(),
            // Half sent or half read: dropped, an exclusive connection is discarded.
            _ => drop(lease),
        }
        let (idempotent, tries) = (self.is_idempotent, self.tries);
        if error.is_too_late()
            || error.is_the_bodys_fault()
            || !(FailedAttempt { progress, reused, shared, idempotent, tries }).may_retry()
        {
            return Err(error.into_error());
        }
        let SendError { error, request, .. } = error;
        let copy = self.copy.take();
        let Some(request) = request.or_else(|| copy.map(|copy| *copy)) else {
            return Err(SendError::<()>::after(progress, error).into_error());
        };
        self.was_sent |= progress > Progress::Unsent;
        // A peer that refuses or is full is alive: only a dead connection casts doubt on idle ones.
        if let Some(key) = key.filter(|_| progress != Progress::Refused && !lacks_stream) {
            self.pool.distrust(key);
        }
        if let Some(trace) = &mut self.trace {
            trace.retries(progress);
        }
        self.state = match pause(progress, tries) {
            Some(pause) => TaskState::Pausing(self.pool.settings.runtime.sleep(pause)),
            None => TaskState::Choosing,
        };
        Ok(request)
    }

    /// Drops all it holds, and marks the error if an attempt may have reached the peer.
    pub(super) fn ended(&mut self, error: Error) -> Error {
        self.state = TaskState::Done;
        let error = if self.was_sent { error.sent(true) } else { error };
        if let Some(trace) = self.trace.take() {
            trace.failed(&error);
        }
        error
    }
}

/// After an upgrade: a stream of a shared connection stays leased until the owner of its bytes drops them; an
/// exclusive connection keeps its slot by itself.
fn switched<C, B, K, RB>(response: Response<RB>, lease: Lease<C, B, K>) -> Response<PoolBody<RB>>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    let Some(lease) = lease.upgraded() else { return response.map(PoolBody::free) };
    match response.extensions().get::<Pending>() {
        Some(pending) => {
            pending.hold(lease);
            response.map(PoolBody::free)
        }
        None => response.map(|body| PoolBody::new(body, lease, None, None)),
    }
}
