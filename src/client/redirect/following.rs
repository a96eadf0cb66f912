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
    client::{discard::discard, failing::UNSENT},
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
        // `None` after a mistake in the settings. Boxed: each layer above moves this future once.
        follower: Option<Box<Follower<S>>>,
        #[pin]
        state: FollowingState<S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum FollowingState<F> {
        Sending { #[pin] response: F },
        /// Until the service is ready for the next request.
        Waiting { request: Option<Box<Request<Body>>> },
        Refusing { unfollowed: Box<Unfollowed> },
        Failed { error: Option<Error> },
    }
}

/// What sends the next requests.
struct Follower<S> {
    service: S,
    trail: Trail,
}

impl<S: Service<Request<Body>>> Redirecting<S> {
    #[inline]
    pub(super) fn new(service: S, trail: Trail, request: Request<Body>) -> Self {
        let mut follower = Box::new(Follower { service, trail });
        let response = follower.service.call(request);
        Self { follower: Some(follower), state: FollowingState::Sending { response } }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self { follower: None, state: FollowingState::Failed { error: Some(error) } }
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
                    let Some(Follower { trail, .. }) = this.follower.as_deref_mut() else {
                        return Poll::Ready(Err(Error::polled_again()));
                    };
                    let polled = response.poll(cx);
                    let response = match polled {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(response)) if !trail.is_at_its_end(response.status()) => {
                            response
                        }
                        _ => {
                            // Nearly always: it is not taken apart.
                            this.state.set(FollowingState::Failed { error: None });
                            return polled
                                .map_err(|error| failed(trail, error, ForeignError::LAYER));
                        }
                    };
                    match answered(trail, response, cx) {
                        Ok(Onward::Next(next)) => next,
                        Ok(Onward::Result(response)) => {
                            this.state.set(FollowingState::Failed { error: None });
                            return Poll::Ready(Ok(response));
                        }
                        Err(error) => FollowingState::Failed { error: Some(error) },
                    }
                }
                StateProj::Waiting { request } => {
                    let Some(Follower { service, trail }) = this.follower.as_deref_mut() else {
                        return Poll::Ready(Err(Error::polled_again()));
                    };
                    match (ready!(service.poll_ready(cx)), request.take()) {
                        (Ok(()), Some(request)) => {
                            FollowingState::Sending { response: service.call(*request) }
                        }
                        (Ok(()), None) => FollowingState::Failed { error: None },
                        (Err(error), _) => {
                            FollowingState::Failed { error: Some(failed(trail, error, UNSENT)) }
                        }
                    }
                }
                StateProj::Refusing { unfollowed } => {
                    FollowingState::Failed { error: ready!(unfollowed.poll(cx)) }
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().unwrap_or_else(Error::polled_again)));
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
