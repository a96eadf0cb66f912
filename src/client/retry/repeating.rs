//! The future of a request that may be sent again, written out.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::tries::Tries;
use crate::{
    body::Body,
    client::{
        discard::discard,
        failing::{UNSENT, failed, polled_again},
    },
    error::{BoxError, Error, ForeignError},
    request::described,
    rt::Sleep,
};

pin_project! {
    /// The future of a [`Retry`](super::Retry).
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the request that is under way, and no other is sent.
    #[must_use = "futures do nothing unless polled"]
    pub struct Repeating<S>
    where
        S: Service<Request<Body>>,
    {
        service: S,
        // `None` for a request that is sent once. Boxed: by default it is.
        tries: Option<Box<Tries>>,
        #[pin]
        state: RepeatingState<S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum RepeatingState<F> {
        Sending { #[pin] response: F },
        Pausing { sleep: Sleep },
        /// For the service.
        Waiting,
        Over,
    }
}

impl<S: Service<Request<Body>>> Repeating<S> {
    pub(super) fn new(mut service: S, tries: Option<Tries>, request: Request<Body>) -> Self {
        let state = RepeatingState::Sending { response: service.call(request) };
        Self { service, tries: tries.map(Box::new), state }
    }
}

impl<S, RB> Future for Repeating<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: http_body::Body,
{
    type Output = Result<Response<RB>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let outcome = match this.state.as_mut().project() {
                StateProj::Sending { response } => {
                    let outcome = ready!(response.poll(cx));
                    match (outcome, &this.tries) {
                        (Ok(response), None) => {
                            this.state.set(RepeatingState::Over);
                            return Poll::Ready(Ok(response));
                        }
                        (Ok(response), Some(_)) => Ok(response),
                        (Err(error), tries) => Err(failure(tries, error, ForeignError::LAYER)),
                    }
                }
                StateProj::Pausing { sleep } => {
                    ready!(Pin::new(sleep).poll(cx));
                    this.state.set(RepeatingState::Waiting);
                    continue;
                }
                StateProj::Waiting => match ready!(this.service.poll_ready(cx)) {
                    Ok(()) => {
                        let request = this.tries.as_ref().and_then(|tries| tries.again());
                        this.state.set(match request {
                            Some(request) => {
                                RepeatingState::Sending { response: this.service.call(request) }
                            }
                            None => RepeatingState::Over,
                        });
                        continue;
                    }
                    Err(error) => {
                        // A service that failed to be ready is done with: it must not be polled again.
                        let error = last(this.tries, failure(this.tries, error, UNSENT));
                        this.state.set(RepeatingState::Over);
                        return Poll::Ready(Err(error));
                    }
                },
                StateProj::Over => return Poll::Ready(Err(polled_again())),
            };
            let pause = this.tries.as_mut().and_then(|tries| match &outcome {
                Ok(response) => tries.answered(response.status(), response.headers()),
                Err(error) => tries.failed(error),
            });
            let Some(sleep) = pause else {
                this.state.set(RepeatingState::Over);
                return Poll::Ready(outcome.map_err(|error| last(this.tries, error)));
            };
            // Before the pause, so that its connection is free meanwhile.
            if let Ok(response) = outcome {
                discard(response.into_body(), cx);
            }
            this.state.set(RepeatingState::Pausing { sleep });
        }
    }
}

/// The error of the last try, as the result.
fn last(tries: &Option<Box<Tries>>, error: Error) -> Error {
    match tries {
        Some(tries) => tries.error(error),
        None => error,
    }
}

fn failure(tries: &Option<Box<Tries>>, error: impl Into<BoxError>, foreign: ForeignError) -> Error {
    match tries {
        Some(tries) => described(error.into(), foreign, tries.uri()),
        None => failed(error, foreign),
    }
}

impl<S: Service<Request<Body>>> fmt::Debug for Repeating<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeating").finish_non_exhaustive()
    }
}
