//! The future of a request that follows redirects, written out.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    refusal::Unfollowed,
    trail::{Decision, Trail},
};
use crate::{
    body::Body,
    client::{
        discard::discard,
        failing::{UNSENT, polled_again},
    },
    error::{BoxError, Error, ForeignError},
    request::described,
};

pin_project! {
    /// The future of a [`Redirect`](super::Redirect).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request that is under way, and no other is sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct Redirecting<S>
    where
        S: Service<Request<Body>>,
    {
        service: S,
        // Boxed: this future is moved once for each layer above it.
        trail: Option<Box<Trail>>,
        #[pin]
        state: FollowingState<S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum FollowingState<F> {
        Sending { #[pin] response: F },
        /// For the service, with the next request.
        Waiting { request: Option<Box<Request<Body>>> },
        Refusing { unfollowed: Box<Unfollowed> },
        Failed { error: Option<Error> },
    }
}

impl<S: Service<Request<Body>>> Redirecting<S> {
    pub(super) fn new(mut service: S, trail: Box<Trail>, request: Request<Body>) -> Self {
        let response = service.call(request);
        Self { service, trail: Some(trail), state: FollowingState::Sending { response } }
    }

    pub(super) fn failed(service: S, error: Error) -> Self {
        Self { service, trail: None, state: FollowingState::Failed { error: Some(error) } }
    }
}

impl<S, RB> Future for Redirecting<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<RB>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Sending { response } => {
                    let outcome = ready!(response.poll(cx));
                    let Some(trail) = this.trail else { return Poll::Ready(Err(polled_again())) };
                    let outcome = match outcome {
                        // Nearly always: it is not taken apart.
                        Ok(response) if trail.is_at_its_end(response.status()) => {
                            this.state.set(FollowingState::Failed { error: None });
                            return Poll::Ready(Ok(response));
                        }
                        Ok(response) => answered(trail, response, cx),
                        Err(error) => Err(failed(trail, error, ForeignError::LAYER)),
                    };
                    match outcome {
                        Ok(Onward::Next(next)) => next,
                        Ok(Onward::Result(response)) => {
                            this.state.set(FollowingState::Failed { error: None });
                            return Poll::Ready(Ok(response));
                        }
                        Err(error) => FollowingState::Failed { error: Some(error) },
                    }
                }
                StateProj::Waiting { request } => {
                    let ready = ready!(this.service.poll_ready(cx));
                    match (ready, request.take(), &this.trail) {
                        (Ok(()), Some(request), _) => {
                            FollowingState::Sending { response: this.service.call(*request) }
                        }
                        (Err(error), _, Some(trail)) => {
                            FollowingState::Failed { error: Some(failed(trail, error, UNSENT)) }
                        }
                        _ => FollowingState::Failed { error: None },
                    }
                }
                StateProj::Refusing { unfollowed } => {
                    FollowingState::Failed { error: ready!(unfollowed.poll(cx)) }
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().unwrap_or_else(polled_again)));
                }
            };
            this.state.set(next);
        }
    }
}

/// What comes after a response.
enum Onward<F, RB> {
    Next(FollowingState<F>),
    Result(Response<RB>),
}

fn answered<F, RB>(
    trail: &mut Trail,
    response: Response<RB>,
    cx: &mut Context<'_>,
) -> Result<Onward<F, RB>, Error>
where
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let (mut head, body) = response.into_parts();
    let next = match trail.decide(&head) {
        Decision::Done => None,
        Decision::Unfollowed(next) => next,
        Decision::Follow(next) => {
            // Before the next request is sent, so that its connection is free for it.
            discard(body, cx);
            let request = Some(Box::new(trail.follow(next, head)?));
            return Ok(Onward::Next(FollowingState::Waiting { request }));
        }
        Decision::Refuse(error) => {
            let unfollowed = Box::new(Unfollowed::new(error, head, Body::response(body)));
            return Ok(Onward::Next(FollowingState::Refusing { unfollowed }));
        }
    };
    trail.finish(&mut head, next);
    Ok(Onward::Result(Response::from_parts(head, body)))
}

fn failed(trail: &Trail, error: impl Into<BoxError>, foreign: ForeignError) -> Error {
    trail.failed(described(error.into(), foreign, trail.uri()))
}

impl<S: Service<Request<Body>>> fmt::Debug for Redirecting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirecting").finish_non_exhaustive()
    }
}
