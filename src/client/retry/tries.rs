//! The tries of one request.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use http::{HeaderMap, Request, StatusCode, Uri};

use super::{
    RetrySettings,
    after::retry_after,
    plan::{RetryBudget, Try, TryOutcome},
};
use crate::{
    body::Body,
    client::kept::Kept,
    error::{Error, Kind},
    options::{Deadline, Retries, is_idempotent},
    rt::Sleep,
    target::Origin,
};

pub(super) struct Tries {
    settings: Arc<RetrySettings>,
    /// Of the request, or else of the layer.
    retries: Retries,
    kept: Kept,
    origin: Origin,
    is_idempotent: bool,
    deadline: Option<Deadline>,
    tries: u32,
    was_sent: bool,
}

impl Tries {
    pub(super) fn new(
        settings: Arc<RetrySettings>,
        retries: Retries,
        kept: Kept,
        origin: Origin,
        request: &Request<Body>,
    ) -> Self {
        let is_idempotent = is_idempotent(request);
        let deadline = request.extensions().get().copied();
        let (tries, was_sent) = (1, false);
        Self { settings, retries, kept, origin, is_idempotent, deadline, tries, was_sent }
    }

    /// The pause after an answer, if there is another try.
    pub(super) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) -> Option<Sleep> {
        self.was_sent = true;
        if !self.retries.statuses.contains(status) {
            return None;
        }
        let after = retry_after(headers, self.settings.runtime.time_of_day());
        self.pause(TryOutcome::Status(status, after))
    }

    /// The pause after an error, if there is another try.
    pub(super) fn failed(&mut self, error: &Error) -> Option<Sleep> {
        self.was_sent |= !error.is_unsent();
        self.pause(outcome(error))
    }

    fn pause(&mut self, outcome: TryOutcome) -> Option<Sleep> {
        let now = self.settings.runtime.now();
        let left = self.deadline.map(|deadline| deadline.left(now));
        let Self { tries, is_idempotent, .. } = *self;
        let chance = RandomState::new().hash_one(tries);
        let pause = Try { tries, is_idempotent, outcome, left }.pause(&self.retries, chance)?;
        if !self.settings.budgets.change(&self.origin, now, RetryBudget::spend) {
            return None;
        }
        self.tries += 1;
        Some(self.settings.runtime.sleep(pause))
    }

    pub(super) fn again(&self) -> Option<Request<Body>> {
        self.kept.again()
    }

    /// The error of the last try. Those before it may have been sent.
    pub(super) fn error(&self, error: Error) -> Error {
        if self.was_sent && error.is_unsent() { error.sent(true) } else { error }
    }

    pub(super) fn uri(&self) -> &Uri {
        self.kept.uri()
    }
}

/// Whether another try may succeed after this error.
fn outcome(error: &Error) -> TryOutcome {
    let is_final = match error.kind() {
        Kind::Builder | Kind::Unsupported | Kind::Closed | Kind::Body => true,
        Kind::Redirect | Kind::Status | Kind::Decode | Kind::Data => true,
        // A certificate is refused again; a peer that broke off may be there the next time.
        Kind::Tls => !error.is_io(),
        _ => error.is_denied(),
    };
    if is_final {
        return TryOutcome::Hopeless;
    }
    if error.is_unsent() {
        return TryOutcome::Unsent;
    }
    let is_broken = error.is_io() || error.is_canceled();
    if is_broken && !error.is_timeout() { TryOutcome::Broken } else { TryOutcome::Hopeless }
}
