//! The future of a request that answers challenges, written out.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    attempt::{Answer401, Attempted},
    refresh::Refreshing,
};
use crate::{
    body::Body,
    client::{
        discard::discard,
        failing::{UNSENT, failed},
    },
    error::{BoxError, Error, ForeignError},
    request::described,
};

pin_project! {
    /// The future of a [`WithAuth`](super::WithAuth).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request that is under way, and no other is sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct Answering<S>
    where
        S: Service<Request<Body>>,
    {
        // `None` for a request that this layer leaves alone.
        answerer: Option<Box<Answerer<S>>>,
        #[pin]
        state: AnsweringState<S::Future, S::Response>,
    }
}

pin_project! {
    #[project = StateProj]
    enum AnsweringState<F, R> {
        Sending { #[pin] response: F },
        /// Until the service is ready for this request.
        Waiting { request: Option<Box<Request<Body>>> },
        /// Until the credentials are there.
        Refreshing { refreshing: Refreshing, paused: Option<Box<Paused<R>>> },
        Failed { error: Option<Error> },
    }
}

/// Sends the request again with credentials.
struct Answerer<S> {
    service: S,
    attempted: Attempted,
}

/// What is sent or returned after the wait.
enum Paused<R> {
    Request(Request<Body>),
    /// A 401: the result if there is no answer to it.
    Challenge(R),
}

/// What comes after a response, or a wait.
enum Then<F, R> {
    Continue(AnsweringState<F, R>),
    Result(R),
}

impl<S: Service<Request<Body>>> Answering<S> {
    /// The response to a request that this layer leaves alone.
    #[inline]
    pub(super) fn passing(response: S::Future) -> Self {
        Self { answerer: None, state: AnsweringState::Sending { response } }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self { answerer: None, state: AnsweringState::Failed { error: Some(error) } }
    }

    pub(super) fn new(
        mut service: S,
        mut attempted: Attempted,
        mut request: Request<Body>,
    ) -> Self {
        let state = match attempted.first() {
            Answer401::Wait(refreshing) => {
                let paused = Some(Box::new(Paused::Request(request)));
                AnsweringState::Refreshing { refreshing, paused }
            }
            Answer401::Nothing => AnsweringState::Sending { response: service.call(request) },
            Answer401::Say(value) => {
                attempted.say(value, &mut request);
                AnsweringState::Sending { response: service.call(request) }
            }
        };
        Self { answerer: Some(Box::new(Answerer { service, attempted })), state }
    }
}

impl<S, RB> Future for Answering<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: http_body::Body,
{
    type Output = Result<Response<RB>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.answerer {
            None => poll_passing(this.state, cx),
            Some(answerer) => answerer.poll(this.state, cx),
        }
    }
}

/// A request that this layer leaves alone: its response is the result.
#[inline]
fn poll_passing<F, RB, E>(
    mut state: Pin<&mut AnsweringState<F, Response<RB>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RB>, Error>>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
{
    let polled = match state.as_mut().project() {
        StateProj::Sending { response } => response.poll(cx),
        StateProj::Failed { error } => {
            return Poll::Ready(Err(error.take().unwrap_or_else(Error::polled_again)));
        }
        _ => return Poll::Ready(Err(Error::polled_again())),
    };
    if polled.is_ready() {
        state.set(AnsweringState::Failed { error: None });
    }
    polled.map_err(|error| failed(error, ForeignError::LAYER))
}

impl<S, RB> Answerer<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: http_body::Body,
{
    fn poll(
        &mut self,
        mut state: Pin<&mut AnsweringState<S::Future, S::Response>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RB>, Error>> {
        let Self { service, attempted } = self;
        loop {
            let then = match state.as_mut().project() {
                StateProj::Sending { response } => match ready!(response.poll(cx)) {
                    Ok(response) => answered(attempted, response, cx),
                    Err(error) => fails(attempted, error, ForeignError::LAYER),
                },
                StateProj::Waiting { request } => {
                    match (ready!(service.poll_ready(cx)), request.take()) {
                        (Ok(()), Some(request)) => {
                            let response = service.call(*request);
                            Then::Continue(AnsweringState::Sending { response })
                        }
                        (Ok(()), None) => Then::Continue(AnsweringState::Failed { error: None }),
                        (Err(error), _) => fails(attempted, error, UNSENT),
                    }
                }
                StateProj::Refreshing { refreshing, paused } => {
                    let outcome = ready!(attempted.poll_refreshed(refreshing, cx));
                    refreshed(attempted, outcome, paused.take(), cx)
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().unwrap_or_else(Error::polled_again)));
                }
            };
            match then {
                Then::Continue(next) => state.set(next),
                Then::Result(response) => {
                    state.set(AnsweringState::Failed { error: None });
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

/// Says something to a challenge, or returns the response.
fn answered<F, RB: http_body::Body>(
    attempted: &mut Attempted,
    response: Response<RB>,
    cx: &mut Context<'_>,
) -> Then<F, Response<RB>> {
    match attempted.next(response.status(), response.headers()) {
        Answer401::Nothing => Then::Result(response),
        Answer401::Wait(refreshing) => {
            let paused = Some(Box::new(Paused::Challenge(response)));
            Then::Continue(AnsweringState::Refreshing { refreshing, paused })
        }
        Answer401::Say(value) => {
            // Before the request is sent again, so that its connection is free for it.
            discard(response.into_body(), cx);
            let request = attempted.again().map(|request| attempted.said(value, request));
            Then::Continue(AnsweringState::Waiting { request: request.map(Box::new) })
        }
    }
}

/// Goes on after a wait.
fn refreshed<F, RB: http_body::Body>(
    attempted: &mut Attempted,
    outcome: Result<Option<HeaderValue>, Error>,
    paused: Option<Box<Paused<Response<RB>>>>,
    cx: &mut Context<'_>,
) -> Then<F, Response<RB>> {
    let value = match outcome {
        Ok(value) => value,
        Err(error) => return Then::Continue(AnsweringState::Failed { error: Some(error) }),
    };
    let request = match (paused.map(|paused| *paused), &value) {
        (Some(Paused::Challenge(challenge)), None) => return Then::Result(challenge),
        (Some(Paused::Challenge(challenge)), Some(_)) => {
            discard(challenge.into_body(), cx);
            attempted.again()
        }
        (Some(Paused::Request(request)), _) => Some(request),
        (None, _) => None,
    };
    let request = request.map(|request| match value {
        Some(value) => attempted.said(value, request),
        None => request,
    });
    Then::Continue(AnsweringState::Waiting { request: request.map(Box::new) })
}

/// The error of the service. A request that was refused was sent.
fn fails<F, R>(
    attempted: &Attempted,
    error: impl Into<BoxError>,
    foreign: ForeignError,
) -> Then<F, R> {
    let error = described(error.into(), foreign, attempted.uri());
    let error = if attempted.was_refused() { error.sent(true) } else { error };
    Then::Continue(AnsweringState::Failed { error: Some(error) })
}

impl<S: Service<Request<Body>>> fmt::Debug for Answering<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
