//! One request's way through a pool: reuse, join or wait; send; and, if that is safe, once more.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    lease::{Fitness, Lease, PoolBody},
    retry::{Failure, TRIES, is_idempotent},
    shared::{Key, Shared, Waiting},
};
use crate::{
    connection::{Connection, Progress, SendError},
    error::{Error, Kind, Phase},
    options::Timeouts,
    rt::Sleep,
};

pin_project! {
    /// The future of a [`Pool`](super::Pool): the response, whose body holds the connection.
    ///
    /// # Cancellation
    ///
    /// Dropped while it waits, it leaves the line; a connection that was being made for it is kept for others. Dropped
    /// after the request was begun, it costs an exclusive connection, and a stream of a shared one.
    pub struct Checkout<C, B, K>
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        trip: Option<Trip<C, B, K>>,
        #[pin]
        state: State<C, B, K>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<C, B, K>
    where
        C: Connection<Request<B>>,
        B: 'static,
        K: Key,
    {
        Rejected { error: Option<Error> },
        Choosing { request: Option<Request<B>> },
        Waiting { request: Option<Request<B>>, waiting: Waiting<C, B, K>, deadline: Option<Sleep>, since: Instant },
        Leased { request: Option<Request<B>>, lease: Option<Lease<C, B, K>> },
        Sending { #[pin] sending: C::Future, sent: Option<Sent<C, B, K>> },
        Done,
    }
}

/// What stays the same from one try to the next.
struct Trip<C: Connection<Request<B>>, B: 'static, K: Key> {
    pool: Arc<Shared<C, B, K>>,
    key: K,
    timeouts: Timeouts,
    /// How long it may still wait: all waits together are bounded by one pool timeout.
    patience: Option<Duration>,
    tries: u32,
}

/// What is kept of a request while it is on its way.
struct Sent<C: Connection<Request<B>>, B: 'static, K: Key> {
    lease: Lease<C, B, K>,
    /// The request once more, if it may have to be sent again and can be.
    again: Option<Request<B>>,
    idempotent: bool,
    method: Method,
}

impl<C, B, K> Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, request: Request<B>) -> Self {
        let timeouts = request.extensions().get().copied().unwrap_or(pool.timeouts);
        match (pool.key)(&request) {
            Ok(key) => {
                let patience = timeouts.pool;
                let trip = Trip { pool, key, timeouts, patience, tries: 0 };
                Self { trip: Some(trip), state: State::Choosing { request: Some(request) } }
            }
            Err(error) => Self { trip: None, state: State::Rejected { error: Some(error) } },
        }
    }
}

impl<C, B, K, RB> Future for Checkout<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    type Output = Result<Response<PoolBody<RB>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(trip) = this.trip else {
            let StateProj::Rejected { error } = this.state.project() else { return polled_again() };
            return error.take().map_or_else(polled_again, |error| Poll::Ready(Err(error)));
        };
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Choosing { request } => trip.choose(request.take())?,
                StateProj::Waiting { request, waiting, deadline, since } => {
                    let lease = ready!(trip.poll_wait(waiting, deadline, *since, cx))?;
                    State::Leased { request: request.take(), lease: Some(lease) }
                }
                StateProj::Leased { request, lease } => ready!(trip.poll_send(request, lease, cx)),
                StateProj::Sending { sending, sent } => {
                    let outcome = ready!(sending.poll(cx));
                    let Some(sent) = sent.take() else { return polled_again() };
                    match outcome {
                        Ok(response) => {
                            this.state.set(State::Done);
                            return Poll::Ready(Ok(sent.answered(response)));
                        }
                        Err(error) => trip.failed(error, sent)?,
                    }
                }
                StateProj::Rejected { .. } | StateProj::Done => return polled_again(),
            };
            this.state.set(next);
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Trip<C, B, K> {
    /// Reuse or join, else stand in line.
    fn choose(&self, request: Option<Request<B>>) -> Result<State<C, B, K>, Error> {
        if let Some(lease) = self.pool.checkout(&self.key) {
            return Ok(State::Leased { request, lease: Some(lease) });
        }
        let waiting = self.pool.wait(&self.key, self.timeouts.connect)?;
        let deadline = self.patience.map(|patience| self.pool.runtime.sleep(patience));
        Ok(State::Waiting { request, waiting, deadline, since: self.pool.runtime.now() })
    }

    fn poll_wait(
        &mut self,
        waiting: &mut Waiting<C, B, K>,
        deadline: &mut Option<Sleep>,
        since: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Lease<C, B, K>, Error>> {
        if let Poll::Ready(served) = Pin::new(&mut waiting.served).poll(cx) {
            let waited = self.pool.runtime.now().saturating_duration_since(since);
            self.patience = self.patience.map(|patience| patience.saturating_sub(waited));
            let canceled = |gone| {
                Error::new(Kind::Canceled, format!("waiting for {}", self.key)).because(gone)
            };
            return Poll::Ready(served.unwrap_or_else(|gone| Err(canceled(gone))));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(Pin::new(deadline).poll(cx));
        let text = format!("waiting for a connection to {}", self.key);
        Poll::Ready(Err(Error::new(Kind::Timeout(Phase::Pool), text)))
    }

    /// Sends the request as soon as the connection says it is ready. One that was closed meanwhile is not the last.
    fn poll_send(
        &mut self,
        request: &mut Option<Request<B>>,
        lease: &mut Option<Lease<C, B, K>>,
        cx: &mut Context<'_>,
    ) -> Poll<State<C, B, K>> {
        let fitness = match lease {
            Some(lease) => ready!(lease.poll_fit(cx)),
            None => Fitness::Closed,
        };
        let (Some(lease), Some(request)) = (lease.take(), request.take()) else {
            return Poll::Ready(State::Done);
        };
        if fitness != Fitness::Fit && lease.is_reused() && self.tries + 1 < TRIES {
            self.tries += u32::from(lease.is_shared());
            lease.reject(fitness);
            return Poll::Ready(State::Choosing { request: Some(request) });
        }
        Poll::Ready(self.send(request, lease))
    }

    fn send(&mut self, request: Request<B>, mut lease: Lease<C, B, K>) -> State<C, B, K> {
        self.tries += 1;
        let again = if lease.is_reused() { self.copy(&request) } else { None };
        let (idempotent, method) = (is_idempotent(&request), request.method().clone());
        let Some(connection) = lease.begin() else { return State::Done };
        let sending = connection.call(request);
        State::Sending { sending, sent: Some(Sent { lease, again, idempotent, method }) }
    }

    /// Once more, if that does no harm and can be done.
    fn failed(
        &self,
        error: SendError<Request<B>>,
        sent: Sent<C, B, K>,
    ) -> Result<State<C, B, K>, Error> {
        let Sent { lease, again, idempotent, .. } = sent;
        let (progress, reused) = (error.progress, lease.is_reused());
        if error.is_the_requests_fault() {
            lease.finish();
            return Err(error.into_error());
        }
        match progress {
            // Whatever the book believes, it takes no requests: the next try must find another.
            Progress::Unsent => lease.reject(Fitness::Closed),
            _ => drop(lease),
        }
        if !(Failure { progress, reused, idempotent, tries: self.tries }).may_retry() {
            return Err(error.into_error());
        }
        let SendError { error, request, .. } = error;
        match request.or(again) {
            Some(request) => {
                self.pool.distrust(&self.key);
                Ok(State::Choosing { request: Some(request) })
            }
            None => Err(SendError::<()>::after(progress, error).into_error()),
        }
    }

    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        let mut again = Request::new((self.pool.replay)(request.body())?);
        *again.method_mut() = request.method().clone();
        *again.uri_mut() = request.uri().clone();
        *again.version_mut() = request.version();
        *again.headers_mut() = request.headers().clone();
        *again.extensions_mut() = request.extensions().clone();
        Some(again)
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Sent<C, B, K> {
    /// From here on the body of the response holds the connection.
    fn answered<RB>(self, mut response: Response<RB>) -> Response<PoolBody<RB>>
    where
        RB: Body + Unpin + Send + 'static,
    {
        let Self { lease, method, .. } = self;
        let served = lease.served();
        if let Some(info) = lease.info() {
            let info = info.after(served);
            response.extensions_mut().insert(info);
        }
        let tunnel = method == Method::CONNECT && response.status().is_success();
        if tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|body| PoolBody::upgraded(body, lease));
        }
        response.map(|body| PoolBody::new(body, lease))
    }
}

fn polled_again<T>() -> Poll<Result<T, Error>> {
    Poll::Ready(Err(Error::new(Kind::Canceled, "the request was over already")))
}

impl<C, B, K> fmt::Debug for Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout")
            .field("key", &self.trip.as_ref().map(|trip| trip.key.to_string()))
            .finish()
    }
}
