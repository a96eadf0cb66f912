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
        failing::{UNSENT, failed},
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
        // `None` for a request that is sent once, the default. Boxed: keeps this future small.
        repeater: Option<Box<Repeater<S>>>,
        #[pin]
        state: RepeatingState<S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum RepeatingState<F> {
        Sending { #[pin] response: F },
        Pausing { sleep: Sleep },
        /// Until the service is ready.
        Waiting,
        Over,
    }
}

/// What sends a request again.
struct Repeater<S> {
    service: S,
    tries: Tries,
}

impl<S: Service<Request<Body>>> Repeating<S> {
    /// The response to a request that is sent once.
    #[inline]
    pub(super) fn once(response: S::Future) -> Self {
        Self { repeater: None, state: RepeatingState::Sending { response } }
    }

    pub(super) fn new(mut service: S, tries: Tries, request: Request<Body>) -> Self {
        let state = RepeatingState::Sending { response: service.call(request) };
        Self { repeater: Some(Box::new(Repeater { service, tries })), state }
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
        let this = self.project();
        match this.repeater {
            None => poll_once(this.state, cx),
            Some(repeater) => repeater.poll(this.state, cx),
        }
    }
}

/// A request without another try: most are.
#[inline]
fn poll_once<F, RB, E>(
    mut state: Pin<&mut RepeatingState<F>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<RB>, Error>>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
{
    let StateProj::Sending { response } = state.as_mut().project() else {
        return Poll::Ready(Err(Error::polled_again()));
    };
    let polled = response.poll(cx);
    if polled.is_ready() {
        state.set(RepeatingState::Over);
    }
    polled.map_err(|error| failed(error, ForeignError::LAYER))
}

impl<S, RB> Repeater<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
    RB: http_body::Body,
{
    fn poll(
        &mut self,
        mut state: Pin<&mut RepeatingState<S::Future>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RB>, Error>> {
        let Self { service, tries } = self;
        loop {
            let outcome = match state.as_mut().project() {
                StateProj::Sending { response } => ready!(response.poll(cx))
                    .map_err(|error| described(error.into(), ForeignError::LAYER, tries.uri())),
                StateProj::Pausing { sleep } => {
                    ready!(Pin::new(sleep).poll(cx));
                    state.set(RepeatingState::Waiting);
                    continue;
                }
                StateProj::Waiting => match ready!(service.poll_ready(cx)) {
                    Ok(()) => {
                        state.set(match tries.again() {
                            Some(request) => {
                                RepeatingState::Sending { response: service.call(request) }
                            }
                            None => RepeatingState::Over,
                        });
                        continue;
                    }
                    Err(error) => {
                        // A service whose `poll_ready` failed must not be polled again.
                        state.set(RepeatingState::Over);
                        let error = described(error.into(), UNSENT, tries.uri());
                        return Poll::Ready(Err(tries.error(error)));
                    }
                },
                StateProj::Over => return Poll::Ready(Err(Error::polled_again())),
            };
            let pause = match &outcome {
                Ok(response) => tries.answered(response.status(), response.headers()),
                Err(error) => tries.failed(error),
            };
            let Some(sleep) = pause else {
                state.set(RepeatingState::Over);
                return Poll::Ready(outcome.map_err(|error| tries.error(error)));
            };
            // Before the pause, so that its connection is free meanwhile.
            if let Ok(response) = outcome {
                discard(response.into_body(), cx);
            }
            state.set(RepeatingState::Pausing { sleep });
        }
    }
}

impl<S: Service<Request<Body>>> fmt::Debug for Repeating<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeating").finish_non_exhaustive()
    }
}
