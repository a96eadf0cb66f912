//! How a request gets a connection: it reuses or joins one, or waits in the queue of its key.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Request;

use super::{RequestTask, TaskState, WaitTimer};
use crate::{
    connection::Connection,
    error::{Error, Kind, Phase},
    options::Timeouts,
    pool::{
        FailsFast,
        checkout::failure::waiting_for,
        local_key::LocalKey,
        shared::{Key, name_of},
        state::DialOptions,
    },
    rt::Fault,
};

impl<C: Connection<Request<B>>, B: 'static, K: Key> RequestTask<C, B, K> {
    /// Builds the key if needed, for the current runtime.
    fn key_here(&mut self, request: &Request<B>) -> Result<(), Error> {
        let runtime = self.pool.settings.runtime.current();
        match &mut self.key {
            Some(key) if key.runtime == runtime => {}
            Some(key) => Arc::make_mut(key).runtime = runtime,
            None => {
                let key = (self.pool.keys.of)(request)?;
                self.key = Some(Arc::new(LocalKey { key, runtime }));
            }
        }
        Ok(())
    }

    /// Needs the request while its URI suffices to find a connection.
    pub(in crate::pool::checkout) fn key_name(
        &self,
        request: Option<&Request<B>>,
    ) -> Option<String> {
        if let Some(key) = &self.key {
            return Some(name_of(&**key));
        }
        let key = (self.pool.keys.of)(request?).ok()?;
        Some(name_of(&key))
    }

    /// Restarts the search if the request is polled in another runtime: the former one may have ended, or may not be
    /// driven.
    pub(super) fn follow(&mut self) {
        let runtime = match &self.state {
            TaskState::Waiting(_) => self.key.as_ref().map(|key| &key.runtime),
            TaskState::Leased(lease) => lease.runtime(),
            _ => return,
        };
        // Dropping the state leaves the queue, or gives the connection back.
        if runtime != Some(&self.pool.settings.runtime.current()) {
            self.state = TaskState::Choosing;
        }
    }

    /// Reuses or joins a connection, else enters the queue.
    pub(super) fn choose(&mut self, request: &Request<B>) -> Result<(), Error> {
        if let Some(lease) = self.pool.checkout_by_uri(request) {
            self.state = TaskState::Leased(lease);
            self.begin_trace();
            return Ok(());
        }
        if let Err(error) = self.key_here(request) {
            self.state = TaskState::Refused(error);
            return Ok(());
        }
        self.begin_trace();
        let Some(key) = &self.key else { return Err(Error::polled_again()) };
        if let Some(lease) = self.pool.checkout(key, request) {
            self.state = TaskState::Leased(lease);
            return Ok(());
        }
        // Without timers the wait limits would be silently ignored.
        if let Some(fault @ Fault::Timerless) = self.pool.settings.runtime.fault() {
            let text = format!("{}: {fault}", waiting_for(&**key));
            return Err(Error::new(Kind::Canceled, text));
        }
        let waiting = self.pool.wait(key, self.seq, self.dial_options(request));
        self.state = TaskState::Waiting(waiting.map_err(|error| self.with_target(error, request))?);
        Ok(())
    }

    fn begin_trace(&mut self) {
        if let Some(trace) = &mut self.trace {
            trace.begin();
        }
    }

    /// Takes the error of the key: no connection was searched.
    pub(super) fn refused(&mut self) -> Error {
        let TaskState::Refused(error) = std::mem::replace(&mut self.state, TaskState::Done) else {
            return Error::polled_again();
        };
        error
    }

    /// Adds the target to the error of a closed pool, or of a connection that closed at once.
    fn with_target(&self, error: Error, request: &Request<B>) -> Error {
        let is_nameless = error.is_closed() || error.is_canceled() && error.is_io();
        if is_nameless { error.during(self.waiting(request)) } else { error }
    }

    fn waiting(&self, request: &Request<B>) -> String {
        waiting_for(self.key_name(Some(request)).unwrap_or_default())
    }

    /// Options for the dial that it may cause.
    fn dial_options(&self, request: &Request<B>) -> DialOptions {
        let fails_fast = request.extensions().get::<FailsFast>().is_some();
        let scope = self.trace.as_ref().map(|trace| trace.scope());
        DialOptions { limit: self.timeouts(request).connect, fails_fast, scope }
    }

    /// Its own timeouts, or the pool's.
    fn timeouts<'a>(&'a self, request: &'a Request<B>) -> &'a Timeouts {
        request.extensions().get().unwrap_or(&self.pool.settings.timeouts)
    }

    pub(super) fn poll_served(
        &mut self,
        request: &Request<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let TaskState::Waiting(waiting) = &mut self.state else { return Poll::Ready(Ok(())) };
        let Poll::Ready(served) = Pin::new(&mut waiting.served).poll(cx) else {
            return self.poll_deadline(request, cx);
        };
        let lease = served.unwrap_or_else(|gone| {
            Err(Error::new(Kind::Canceled, self.waiting(request)).because(gone))
        });
        let lease = lease.map_err(|error| self.with_target(error, request))?;
        if let Some(key) = &self.key {
            self.pool.remember_uri(request, key, &lease);
        }
        self.state = TaskState::Leased(lease);
        Poll::Ready(Ok(()))
    }

    /// Ready with an error once it has waited too long. The time runs until a connection takes the request.
    pub(super) fn poll_deadline(
        &mut self,
        request: &Request<B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let limit = self.timeouts(request).pool;
        let (runtime, left) =
            (&self.pool.settings.runtime, limit.map(|it| it.saturating_sub(self.waited)));
        let wait = self.wait.get_or_insert_with(|| {
            let deadline = left.map(|left| runtime.sleep(left));
            WaitTimer { deadline, since: runtime.now() }
        });
        let Some(deadline) = &mut wait.deadline else { return Poll::Pending };
        ready!(Pin::new(deadline).poll(cx));
        let limit = limit.unwrap_or_default();
        Poll::Ready(Err(Error::timed_out(Phase::Pool, limit, self.waiting(request))))
    }

    pub(super) fn stop_waiting(&mut self) {
        if let Some(wait) = self.wait.take() {
            let now = self.pool.settings.runtime.now();
            self.waited += now.saturating_duration_since(wait.since);
        }
    }
}
