//! The steps of one request, wherever it is: choose, wait, send, and look at what came of it.

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

use crate::{
    connection::{Connection, Progress, SendError},
    error::{Error, Kind, Phase},
    options::Timeouts,
    patience::Total,
    pool::{
        FailsFast,
        body::PoolBody,
        book::{Turn, Wish},
        lease::{Fitness, Lease},
        local_key::LocalKey,
        retry::{Failure, TRIES, is_idempotent, pause},
        shared::{Key, Shared, Waiting, name_of},
        told::Told,
    },
    rt::{Fault, Sleep, TaskDropped},
    upgrade::Pending,
};

/// One request, wherever it is.
pub(super) struct Trip<C: Connection<Request<B>>, B: 'static, K: Key> {
    step: Step<C, B, K>,
    /// The request until it is sent, and then the same once more, if it may have to be sent again and can be.
    request: Option<Request<B>>,
    pool: Arc<Shared<C, B, K>>,
    pub(super) key: LocalKey<K>,
    /// What is left of it: all waits together are bounded by one.
    pool_timeout: Option<Duration>,
    /// Seldom, as the next, so the room that it takes is not everyone's.
    total: Option<Box<Total>>,
    wait: Option<Box<Wait>>,
    tries: u32,
    /// Shared connections that were not fit for it.
    rejected: u32,
    /// Its place in the line, if it had a connection before: who has to come again goes before who came later.
    turn: Option<Turn>,
    /// An earlier try may have reached the peer.
    was_sent: bool,
    is_idempotent: bool,
    is_connect: bool,
    /// If anybody is.
    told: Option<Box<Told>>,
}

enum Step<C: Connection<Request<B>>, B: 'static, K: Key> {
    Choosing,
    Waiting(Waiting<C, B, K>),
    Pausing(Sleep),
    Leased(Lease<C, B, K>),
    Sending(Lease<C, B, K>),
    Done,
}

/// A wait that is going on, for a connection or for one to be ready.
struct Wait {
    deadline: Option<Sleep>,
    since: Instant,
}

impl<C, B, K, RB> Trip<C, B, K>
where
    C: Connection<Request<B>, Response = Response<RB>>,
    B: 'static,
    K: Key,
    RB: Body + Unpin + Send + 'static,
{
    pub(super) fn poll(
        &mut self,
        mut sending: Pin<&mut Option<C::Future>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<PoolBody<RB>>, Error>> {
        self.follow();
        loop {
            match &mut self.step {
                Step::Choosing => self.choose()?,
                Step::Pausing(sleep) => {
                    ready!(Pin::new(sleep).poll(cx));
                    self.step = Step::Choosing;
                }
                Step::Waiting(_) => ready!(self.poll_served(cx))?,
                Step::Leased(lease) => match lease.poll_fit(cx) {
                    Poll::Ready(fitness) => sending.set(self.send(fitness)?),
                    Poll::Pending => ready!(self.poll_deadline(cx))?,
                },
                Step::Sending(_) => {
                    let Some(sent) = sending.as_mut().as_pin_mut() else {
                        return Poll::Ready(Err(polled_again()));
                    };
                    let outcome = ready!(sent.poll(cx));
                    sending.set(None);
                    match outcome {
                        Ok(response) => return Poll::Ready(self.answered(response)),
                        Err(error) => self.failed(error)?,
                    }
                }
                Step::Done => return Poll::Ready(Err(polled_again())),
            }
        }
    }
}

impl<C: Connection<Request<B>>, B: 'static, K: Key> Trip<C, B, K> {
    pub(super) fn new(pool: Arc<Shared<C, B, K>>, key: LocalKey<K>, request: Request<B>) -> Self {
        let timeouts: &Timeouts = request.extensions().get().unwrap_or(&pool.timeouts);
        let total = |limit| Box::new(Total::new(limit, name_of(&key), &pool.runtime));
        let told = pool.audience.told_of(&request, &pool.runtime).map(Told::new);
        Self {
            told,
            step: Step::Choosing,
            is_idempotent: is_idempotent(&request),
            is_connect: request.method() == Method::CONNECT,
            pool_timeout: timeouts.pool,
            total: timeouts.total.map(total),
            request: Some(request),
            pool,
            key,
            wait: None,
            tries: 0,
            rejected: 0,
            turn: None,
            was_sent: false,
        }
    }

    /// A request that is polled in another runtime than before looks for a connection there: what it waits for may need
    /// somebody to drive the runtime where it was, or have ended with it.
    fn follow(&mut self) {
        let may_move = matches!(self.step, Step::Waiting(_) | Step::Leased(_));
        if may_move && self.key.runtime != self.pool.runtime.current() {
            self.step = Step::Choosing;
        }
    }

    /// Reuse or join, else stand in line.
    fn choose(&mut self) -> Result<(), Error> {
        self.key.runtime = self.pool.runtime.current();
        self.step = match self.pool.checkout(&self.key) {
            Some(lease) => Step::Leased(lease),
            None => {
                // Where nothing can be timed, the limits on waiting would be silently dropped.
                if let Some(fault @ Fault::Timerless) = self.pool.runtime.fault() {
                    let text = format!("{}: {fault}", waiting_for(&self.key));
                    return Err(Error::new(Kind::Canceled, text));
                }
                let waiting = self.pool.wait(&self.key, self.turn, self.wish());
                Step::Waiting(waiting.map_err(|error| self.turned_away(error))?)
            }
        };
        Ok(())
    }

    /// A pool that is closed, or one whose new connection is, does not say for whom.
    fn turned_away(&self, error: Error) -> Error {
        let is_nameless = error.is_closed() || error.is_canceled() && error.is_io();
        if is_nameless { error.during(waiting_for(&self.key)) } else { error }
    }

    /// What it wishes of a dial that it may cause.
    fn wish(&self) -> Wish {
        let extensions = self.request.as_ref().map(Request::extensions);
        let fails_fast = extensions.is_some_and(|it| it.get::<FailsFast>().is_some());
        let scope = self.told.as_ref().map(|told| told.scope());
        Wish { limit: self.timeouts().connect, fails_fast, scope }
    }

    /// Its own, or those of the pool.
    fn timeouts(&self) -> &Timeouts {
        let own: Option<&Timeouts> = self.request.as_ref().and_then(|it| it.extensions().get());
        own.unwrap_or(&self.pool.timeouts)
    }

    fn poll_served(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Step::Waiting(waiting) = &mut self.step else { return Poll::Ready(Ok(())) };
        let Poll::Ready(served) = Pin::new(&mut waiting.served).poll(cx) else {
            return self.poll_deadline(cx);
        };
        let lease = served.unwrap_or_else(|gone| {
            Err(Error::new(Kind::Canceled, waiting_for(&self.key)).because(gone))
        });
        self.step = Step::Leased(lease.map_err(|error| self.turned_away(error))?);
        Poll::Ready(Ok(()))
    }

    /// An error when it has waited too long. The time runs until a connection is found that takes the request.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (runtime, patience) = (&self.pool.runtime, self.pool_timeout);
        let wait = self.wait.get_or_insert_with(|| {
            let deadline = patience.map(|patience| runtime.sleep(patience));
            Box::new(Wait { deadline, since: runtime.now() })
        });
        let Some(deadline) = &mut wait.deadline else { return Poll::Pending };
        ready!(Pin::new(deadline).poll(cx));
        let limit = self.timeouts().pool.unwrap_or_default();
        Poll::Ready(Err(Error::timed_out(Phase::Pool, limit, waiting_for(&self.key))))
    }

    /// Whether it is over before anything is done: its total is zero.
    pub(super) fn has_no_time(&self) -> bool {
        self.total.as_ref().is_some_and(|total| total.is_over_at_once())
    }

    /// An error when all of it has taken too long. What a connection has done with the request is not known.
    pub(super) fn poll_total(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let Some(total) = &mut self.total else { return Poll::Pending };
        match self.step {
            Step::Sending(_) => total.poll("waiting for the answer of", cx).map(|e| e.sent(true)),
            _ => total.poll("waiting for a connection to", cx),
        }
    }

    fn waited(&mut self) {
        let Some(wait) = self.wait.take() else { return };
        let waited = self.pool.runtime.now().saturating_duration_since(wait.since);
        let left = self.pool_timeout.map(|patience| patience.saturating_sub(waited));
        self.pool_timeout = left;
    }

    /// Sends the request on a connection that is fit for it. One that was closed meanwhile is not the last.
    fn send(&mut self, fitness: Fitness) -> Result<Option<C::Future>, Error> {
        let Step::Leased(lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return Ok(None);
        };
        self.turn = self.turn.or(Some(lease.turn()));
        let may_try_another = match &fitness {
            // A fresh one that failed is not tried again, but one that was only closed may be at a server that leaves.
            Fitness::Closed(error) if !lease.was_used() => {
                let is_worth_it = lease.is_shared() || is_task_dropped(error);
                is_worth_it && error.is_canceled() && self.rejected < 2
            }
            _ => lease.is_reused() && self.rejected < TRIES,
        };
        // Each exclusive one that is rejected is one less; a shared one may come back.
        let counts = lease.is_shared() || lease.served() <= 1;
        self.rejected += u32::from(!matches!(fitness, Fitness::Fit) && counts);
        match fitness {
            Fitness::InDoubt if may_try_another => lease.doubt(),
            Fitness::Closed(_) if may_try_another => lease.retire(),
            Fitness::Closed(error) => {
                lease.retire();
                return Err(error);
            }
            Fitness::Fit | Fitness::InDoubt => return Ok(self.begin(lease)),
        }
        self.step = Step::Choosing;
        Ok(None)
    }

    fn begin(&mut self, mut lease: Lease<C, B, K>) -> Option<C::Future> {
        self.waited();
        let mut request = self.request.take()?;
        self.tries += 1;
        self.request = if lease.is_worth_a_copy() { self.copy(&request) } else { None };
        if let Some(told) = &mut self.told {
            request.extensions_mut().insert(told.acquired(lease.id(), lease.was_used()));
        }
        let sending = lease.begin()?.call(request);
        self.step = Step::Sending(lease);
        Some(sending)
    }

    /// Once more, if that does no harm and can be done.
    fn failed(&mut self, error: SendError<Request<B>>) -> Result<(), Error> {
        let Step::Sending(lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return Err(error.into_error());
        };
        // The end of a runtime says nothing of the peer, whatever the connection has served.
        let reused = lease.was_used() || error.error.downcast_ref().is_some_and(is_task_dropped);
        let (progress, shared) = (error.progress, lease.is_shared());
        if error.is_the_requests_fault() {
            lease.finish();
            return Err(error.into_error());
        }
        let lacks_stream = error.lacks_only_a_stream();
        match progress {
            // The book knows by now how many streams there are.
            Progress::Unsent if lacks_stream => lease.finish(),
            // Whatever the book believes, it takes no requests: the next try must find another.
            Progress::Unsent => lease.retire(),
            // Who refuses is there and says so: the next request may well go the same way, if the connection is ready.
            Progress::Refused => lease.finish(),
            _ => drop(lease),
        }
        let (idempotent, tries) = (self.is_idempotent, self.tries);
        if error.is_too_late()
            || !(Failure { progress, reused, shared, idempotent, tries }).may_retry()
        {
            return Err(error.into_error());
        }
        let SendError { error, request, .. } = error;
        self.request = request.or_else(|| self.request.take());
        if self.request.is_none() {
            return Err(SendError::<()>::after(progress, error).into_error());
        }
        self.was_sent |= progress > Progress::Unsent;
        if progress != Progress::Refused && !lacks_stream {
            self.pool.distrust(&self.key);
        }
        if let Some(told) = &mut self.told {
            told.retries(progress);
        }
        self.step = match pause(progress, tries) {
            Some(pause) => Step::Pausing(self.pool.runtime.sleep(pause)),
            None => Step::Choosing,
        };
        Ok(())
    }

    /// From here on the body of the response holds the connection.
    fn answered<RB>(&mut self, mut response: Response<RB>) -> Result<Response<PoolBody<RB>>, Error>
    where
        C: Connection<Request<B>, Response = Response<RB>>,
        RB: Body + Unpin + Send + 'static,
    {
        let Step::Sending(lease) = std::mem::replace(&mut self.step, Step::Done) else {
            return Err(polled_again());
        };
        if let Some(info) = lease.info() {
            let info = info.after(lease.served()).on_stream(C::stream_id(&response));
            response.extensions_mut().insert(info);
        }
        let told = self.told.take().map(|told| told.answered(&mut response));
        let is_tunnel = self.is_connect && response.status().is_success();
        if is_tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(told) = told {
                told.ended();
            }
            return Ok(switched(response, lease));
        }
        let total = self.total.take();
        Ok(response.map(|body| PoolBody::new(body, lease, total, told)))
    }

    /// It is over; what it has held is let go of.
    pub(super) fn ended(&mut self, error: Error) -> Error {
        self.step = Step::Done;
        let error = if self.was_sent { error.sent(true) } else { error };
        if let Some(told) = self.told.take() {
            told.failed(&error);
        }
        error
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

/// The connection speaks something else from now on. Of a shared one, a stream is gone until whoever has its bytes
/// drops them; an exclusive one holds its place itself.
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

/// Whether a connection failed because its runtime ended.
fn is_task_dropped(error: &Error) -> bool {
    error.cause::<TaskDropped>().is_some()
}

fn waiting_for(key: &impl fmt::Display) -> String {
    format!("waiting for a connection to {}", name_of(key))
}

pub(super) fn polled_again() -> Error {
    Error::new(Kind::Canceled, "the request was over already")
}
