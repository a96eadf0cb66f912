//! The state of one request through its challenges.

use std::task::{Context, Poll};

use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header::AUTHORIZATION};

use super::{
    credentials::{Auth, AuthMethod},
    refresh::{AuthRequest, Refreshing},
};
use crate::{
    auth::{Asker, Authorizing},
    body::Body,
    client::kept::Kept,
    error::{Error, ForeignError},
    options::RawTarget,
    request_target::path,
    target::Origin,
};

/// A server that refuses for ever is not answered for ever.
const MOST_ANSWERS: usize = 3;

/// One request with credentials.
pub(super) struct Attempted {
    method: AuthMethod,
    origin: Origin,
    target: String,
    kept: Kept,
    said: Option<HeaderValue>,
    refusals: usize,
}

/// The next step.
pub(super) enum Answer401 {
    /// Nothing: the response is the result.
    Nothing,
    Say(HeaderValue),
    Wait(Refreshing),
}

impl Attempted {
    /// Fails for credentials that are no valid header value.
    pub(super) fn new(auth: &Auth, origin: Origin, request: &Request<Body>) -> Result<Self, Error> {
        let raw = request.extensions().get::<RawTarget>().map(RawTarget::to_string);
        let target = match raw {
            Some(raw) => raw,
            None => path(request.uri())?.as_str().to_owned(),
        };
        let (method, kept) = (auth.method(&origin)?, Kept::of(request));
        Ok(Self { method, origin, target, kept, said: None, refusals: 0 })
    }

    /// The credentials to send before a challenge.
    pub(super) fn first(&mut self) -> Answer401 {
        match &self.method {
            AuthMethod::Known(known) => match known.first(self.kept.method(), &self.target) {
                Some(value) => Answer401::Say(value),
                None => Answer401::Nothing,
            },
            AuthMethod::Refreshed(refresh) => {
                Answer401::Wait(refresh.clone().refresh(self.asked(&HeaderMap::new())))
            }
        }
    }

    /// The answer to a response that may be a challenge.
    pub(super) fn next(&mut self, status: StatusCode, challenge: &HeaderMap) -> Answer401 {
        let can_go_on = self.refusals < MOST_ANSWERS && self.kept.body.is_some();
        if status != StatusCode::UNAUTHORIZED || !can_go_on {
            return Answer401::Nothing;
        }
        self.refusals += 1;
        match &self.method {
            AuthMethod::Known(known) => {
                let next = known.next(&Authorizing {
                    asker: Asker::Origin,
                    method: self.kept.method(),
                    target: &self.target,
                    challenge,
                    refused: self.said.as_ref(),
                });
                next.map_or(Answer401::Nothing, Answer401::Say)
            }
            AuthMethod::Refreshed(refresh) => {
                Answer401::Wait(refresh.clone().refresh(self.asked(challenge)))
            }
        }
    }

    /// The credentials; `None` if there are none, or only those that were refused.
    pub(super) fn poll_refreshed(
        &self,
        refreshing: &mut Refreshing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<HeaderValue>, Error>> {
        let was_sent = self.refusals > 0;
        refreshing.as_mut().poll(cx).map(|outcome| match outcome {
            Ok(value) => Ok(value.filter(|value| Some(value) != self.said.as_ref())),
            Err(error) => {
                let doing = format!("authorizing a request to {}", self.origin);
                let foreign = ForeignError { sent: Some(was_sent), ..ForeignError::LAYER };
                let error = Error::adopt(error, foreign, doing);
                Err(if was_sent { error.sent(true) } else { error })
            }
        })
    }

    /// Says it in the request.
    pub(super) fn say(&mut self, mut value: HeaderValue, request: &mut Request<Body>) {
        value.set_sensitive(true);
        self.said = Some(value.clone());
        request.headers_mut().insert(AUTHORIZATION, value);
    }

    pub(super) fn said(&mut self, value: HeaderValue, mut request: Request<Body>) -> Request<Body> {
        self.say(value, &mut request);
        request
    }

    /// The request once more, without an authorization.
    pub(super) fn again(&self) -> Option<Request<Body>> {
        self.kept.again()
    }

    pub(super) fn was_refused(&self) -> bool {
        self.refusals > 0
    }

    fn asked(&self, challenge: &HeaderMap) -> AuthRequest {
        AuthRequest {
            origin: self.origin.clone(),
            method: self.kept.method().clone(),
            target: self.target.clone(),
            challenge: challenge.clone(),
            refused: self.said.clone(),
            refusals: self.refusals,
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        self.kept.uri()
    }
}
