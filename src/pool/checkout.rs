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
    book::Turn,
    lease::{Fitness, Lease, PoolBody},
    retry::{Failure, TRIES, is_idempotent, pause},
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
        // Beside the steps and not in one of them, because it is large: so it is not moved with them. It comes first,
        // because a stream must be given up before the lease says that it is free.
        #[pin]
        sending: Option<C::Future>,
        trip: Result<Trip<C, B, K>, Option<Error>>,
    }
}

/// One request, wherever it is.
struct Trip<C: Connection<Request<B>>, B: 'static, K: Key> {
    step: Step<C, B, K>,
    /// The request until it is sent, and then the same once more, if it may have to be sent again and can be.
    request: Option<Request<B>>,
    pool: Arc<Shared<C, B, K>>,
    key: K,
    timeouts: Timeouts,
    /// How long it may still wait: all waits together are bounded by one pool timeout.
    patience: Option<Duration>,
    tries: u32,
    /// Its place in the line, if it had a connection before: who has to come again goes before who came later.
    turn: Option<Turn>,
    is_idempotent: bool,
    is_connect: bool,
}

enum Step<C: Connection<Request<B>>, B: 'static, K: Key> {
    Choosing,
    Waiting { waiting: Waiting<C, B, K>, deadline: Option<Sleep>, since: Instant },
    Pausing(Sleep),
    Leased(Lease<C, B, K>),
    Sending(Lease<C, B, K>),
    Done,
}

impl<C, B, K> Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, request: Request<B>) -> Self {
        let trip = match (pool.key)(&request) {
            Ok(key) => Ok(Trip::new(pool, key, request)),
            Err(error) => Err(Some(error)),
        };
        Self { sending: None, trip }
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
        let trip = match this.trip {
            Ok(trip) => trip,
            Err(error) => return Poll::Ready(Err(error.take().unwrap_or_else(polled_again))),
        };
        loop {
            match &mut trip.step {
                Step::Choosing => trip.choose()?,
                Step::Pausing(sleep) => {
                    ready!(Pin::new(sleep).poll(cx));
                    trip.step = Step::Choosing;
                }
                Step::Waiting { .. } => ready!(trip.poll_wait(cx))?,
                Step::Leased(lease) => {
                    let fitness = ready!(lease.poll_fit(cx));
                    if let Some(sending) = trip.send(fitness) {
                        this.sending.set(Some(sending));
                    }
                }
                Step::Sending(_) => {
                    let Some(sending) = this.sending.as_mut().as_pin_mut() else {
                        return Poll::Ready(Err(polled_again()));
                    };
                    let outcome = ready!(sending.poll(cx));
                    this.sending.set(None);
                    match outcome {
                        Ok(response) => return Poll::Ready(trip.answered(response)),
                        Err(error) => trip.failed(error)?,
                    }
                }
                Step::Done => return Poll::Ready(Err(polled_again())),
            }
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Trip<C, B, K> {
    fn new(pool: Arc<Shared<C, B, K>>, key: K, request: Request<B>) -> Self {
        let timeouts: Timeouts = request.extensions().get().copied().unwrap_or(pool.timeouts);
        Self {
            step: Step::Choosing,
            is_idempotent: is_idempotent(&request),
            is_connect: request.method() == Method::CONNECT,
            request: Some(request),
            pool,
            key,
            timeouts,
            patience: timeouts.pool,
            tries: 0,
            turn: None,
        }
    }

    /// Reuse or join, else stand in line.
    fn choose(&mut self) -> Result<(), Error> {
        self.step = match self.pool.checkout(&self.key) {
            Some(lease) => Step::Leased(lease),
            None => Step::Waiting {
                waiting: self.pool.wait(&self.key, self.turn, self.timeouts.connect)?,
                deadline: self.patience.map(|patience| self.pool.runtime.sleep(patience)),
                since: self.pool.runtime.now(),
            },
        };
        Ok(())
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Step::Waiting { waiting, deadline, since } = &mut self.step else {
            return Poll::Ready(Ok(()));
        };
        if let Poll::Ready(served) = Pin::new(&mut waiting.served).poll(cx) {
            let waited = self.pool.runtime.now().saturating_duration_since(*since);
            self.patience = self.patience.map(|patience| patience.saturating_sub(waited));
            let lease = served.unwrap_or_else(|gone| {
                let text = format!("waiting for a connection to {}", self.key);
                Err(Error::new(Kind::Canceled, text).because(gone))
            })?;
            self.step = Step::Leased(lease);
            return Poll::Ready(Ok(()));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        ready!(Pin::new(deadline).poll(cx));
        let text = format!("waiting for a connection to {}", self.key);
        Poll::Ready(Err(Error::new(Kind::Timeout(Phase::Pool), text)))
    }

    /// Sends the request on a connection that is fit for it. One that was closed meanwhile is not the last.
    fn send(&mut self, fitness: Fitness) -> Option<C::Future> {
        let Step::Leased(mut lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return None;
        };
        self.turn = self.turn.or(Some(lease.turn()));
        if fitness != Fitness::Fit && lease.is_reused() && self.tries + 1 < TRIES {
            self.tries += u32::from(lease.is_shared());
            self.step = Step::Choosing;
            lease.reject(fitness);
            return None;
        }
        let request = self.request.take()?;
        self.tries += 1;
        self.request = if lease.is_reused() { self.copy(&request) } else { None };
        let sending = lease.begin()?.call(request);
        self.step = Step::Sending(lease);
        Some(sending)
    }

    /// Once more, if that does no harm and can be done.
    fn failed(&mut self, error: SendError<Request<B>>) -> Result<(), Error> {
        let Step::Sending(lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return Err(error.into_error());
        };
        let (progress, reused, shared) = (error.progress, lease.served() > 1, lease.is_shared());
        if error.is_the_requests_fault() {
            lease.finish();
            return Err(error.into_error());
        }
        match progress {
            // Whatever the book believes, it takes no requests: the next try must find another.
            Progress::Unsent => lease.reject(Fitness::Closed),
            _ => drop(lease),
        }
        let (idempotent, tries) = (self.is_idempotent, self.tries);
        if !(Failure { progress, reused, shared, idempotent, tries }).may_retry() {
            return Err(error.into_error());
        }
        let SendError { error, request, .. } = error;
        self.request = request.or_else(|| self.request.take());
        if self.request.is_none() {
            return Err(SendError::<()>::after(progress, error).into_error());
        }
        self.pool.distrust(&self.key);
        self.step = match pause(progress, tries) {
            Some(pause) => Step::Pausing(self.pool.runtime.sleep(pause)),
            None => Step::Choosing,
        };
        Ok(())
    }

    /// From here on the body of the response holds the connection.
    fn answered<RB>(&mut self, mut response: Response<RB>) -> Result<Response<PoolBody<RB>>, Error>
    where
        RB: Body + Unpin + Send + 'static,
    {
        let Step::Sending(lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return Err(polled_again());
        };
        if let Some(info) = lease.info() {
            let info = info.after(lease.served());
            response.extensions_mut().insert(info);
        }
        let is_tunnel = self.is_connect && response.status().is_success();
        if is_tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response.map(|body| PoolBody::upgraded(body, lease)));
        }
        Ok(response.map(|body| PoolBody::new(body, lease)))
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

fn polled_again() -> Error {
    Error::new(Kind::Canceled, "the request was over already")
}

impl<C, B, K> fmt::Debug for Checkout<C, B, K>
where
    C: Connection<Request<B>>,
    B: 'static,
    K: Key,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.trip.as_ref().ok().map(|trip| trip.key.to_string());
        f.debug_struct("Checkout").field("key", &key).finish_non_exhaustive()
    }
}
