//! Selects the credentials to send, in advance or as an answer, and remembers challenges. Pure.
//!
//! ```text
//! first ─ what was prepared for this request after its challenge
//!       ─ own scheme, what it says now
//!       ─ Digest, if that was asked for last ─ the latest nonce, one count further
//!       ─ Basic, if that was asked for last, or nothing was and it may be said unasked
//!
//! next ── own scheme, unless it says once more what was refused
//!      ── Digest with the strongest algorithm that is offered, unless the password was wrong
//!      ── Basic, unless it was refused
//! ```

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
};

use http::{HeaderMap, HeaderValue, Method};

use super::{
    Asker, Authenticate, Authorizing, Challenge, Credentials, basic,
    digest::{self, DigestChallenge, NonceUse, Nonces},
};
use crate::lock;

/// Credentials for one proxy or origin, and a memory of its challenges that clones share. Instances are equal if they
/// give the same answers, whatever they remember.
#[derive(Clone)]
pub(crate) struct Authenticator {
    asker: Asker,
    credentials: Option<Credentials>,
    /// The Basic encoding of the credentials, the same in every request.
    basic: Option<HeaderValue>,
    scheme: Option<Arc<dyn Authenticate>>,
    preemptive: bool,
    /// Replaced when the credentials change. Never calls or drops a foreign type under its lock.
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    asked: LastChallenge,
    nonces: Nonces,
    /// The answers that are still to be sent, the oldest first. Several requests may be asked at once.
    prepared: Vec<PreparedAnswer>,
}

/// The most answers kept: requests that were dropped before they were sent again leave theirs behind.
const MAX_PREPARED: usize = 128;

/// The last challenge to the credentials.
#[derive(Clone, Copy, Default)]
enum LastChallenge {
    #[default]
    Nothing,
    Basic,
    Digest,
}

/// An answer to the challenge of a request that is being sent again.
struct PreparedAnswer {
    method: Method,
    target: Box<str>,
    value: HeaderValue,
}

impl Authenticator {
    /// For origins, which ask by 401.
    #[cfg(feature = "auth")]
    pub(crate) fn for_origins() -> Self {
        Self { asker: Asker::Origin, ..Self::default() }
    }

    /// Never sends the password in the clear, whatever the challenge.
    #[cfg(feature = "auth")]
    pub(crate) fn forbid_basic(&mut self) {
        (self.basic, self.preemptive) = (None, false);
    }

    /// The same credentials without memory: for another origin, which has nonces of its own.
    #[cfg(feature = "auth")]
    pub(crate) fn unasked(&self) -> Self {
        Self { memory: Arc::default(), ..self.clone() }
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.basic = basic::answer(&credentials);
        self.credentials = Some(credentials);
        self.memory = Arc::default();
    }

    /// Whether Basic can express the credentials.
    #[cfg(feature = "auth")]
    pub(crate) fn can_use_basic(&self) -> bool {
        self.basic.is_some()
    }

    pub(crate) fn set_scheme(&mut self, scheme: Arc<dyn Authenticate>) {
        self.scheme = Some(scheme);
        self.memory = Arc::default();
    }

    /// Whether Basic credentials are sent in advance.
    pub(crate) fn set_preemptive(&mut self, preemptive: bool) {
        self.preemptive = preemptive;
        self.memory = Arc::default();
    }

    pub(crate) fn is_preemptive(&self) -> bool {
        self.preemptive
    }

    pub(crate) fn has_scheme(&self) -> bool {
        self.scheme.is_some()
    }

    /// Whether any challenge can be answered.
    pub(crate) fn can_answer(&self) -> bool {
        self.credentials.is_some() || self.scheme.is_some()
    }

    /// The value to send in advance, or for the remembered challenge.
    pub(crate) fn first(
        &self,
        method: &Method,
        target: &(impl fmt::Display + ?Sized),
    ) -> Option<HeaderValue> {
        if self.is_always_basic() {
            return self.basic.clone();
        }
        let target = &*target.to_string();
        let prepared = self.memory().take_prepared(method, target);
        let by_scheme = || self.scheme_first(method, target);
        prepared.or_else(by_scheme).or_else(|| self.credentials_first(method, target))
    }

    /// Whether the value is always Basic; the usual case, which skips everything else.
    fn is_always_basic(&self) -> bool {
        let memory = self.memory();
        let is_said = match memory.asked {
            LastChallenge::Nothing => self.preemptive,
            LastChallenge::Basic => true,
            LastChallenge::Digest => false,
        };
        is_said && self.scheme.is_none() && memory.prepared.is_empty()
    }

    /// Whether a better answer exists than the refused one, for a challenge that [`first`](Self::first) then answers
    /// on the repeated request: answering here as well would count the nonce twice, and make a wrong password look
    /// like a stale nonce.
    pub(crate) fn prepare(&self, request: &Authorizing<'_>) -> bool {
        let better = self.next(request);
        let Some(value) = better else { return false };
        let (method, target) = (request.method.clone(), request.target.into());
        let unused = self.memory().prepare(PreparedAnswer { method, target, value });
        // Dropped after the lock is released: its bytes may be of a foreign type.
        drop(unused);
        true
    }

    /// The answer to this challenge after `refused`, or `None` if there is no better one.
    ///
    /// A server may declare every nonce stale, and a user's scheme may always return a new value: the caller must
    /// limit its attempts.
    pub(crate) fn next(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        self.scheme_next(request).or_else(|| self.credentials_next(request))
    }

    fn scheme_first(&self, method: &Method, target: &str) -> Option<HeaderValue> {
        let challenge = &HeaderMap::new();
        let request = Authorizing { asker: self.asker, method, target, challenge, refused: None };
        self.scheme.as_ref()?.authorize(&request).map(sensitive)
    }

    fn scheme_next(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        let value = self.scheme.as_ref()?.authorize(request).map(sensitive)?;
        if request.refused == Some(&value) {
            return None;
        }
        Some(value)
    }

    fn credentials_first(&self, method: &Method, target: &str) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref()?;
        let asked = self.memory().asked;
        match asked {
            LastChallenge::Digest => {
                let turn = self.memory().nonces.reuse_nonce()?;
                turn.answer(credentials, method.as_str().as_bytes(), target.as_bytes())
            }
            LastChallenge::Basic => self.basic.clone(),
            // A user's scheme that waits for a challenge must not be preempted by a password in the clear.
            LastChallenge::Nothing if self.preemptive && self.scheme.is_none() => {
                self.basic.clone()
            }
            LastChallenge::Nothing => None,
        }
    }

    fn credentials_next(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref()?;
        let challenges = request.challenges();
        let Some(offer) = DigestChallenge::strongest(&challenges) else {
            return self.basic_next(&challenges, request.refused);
        };
        let turn = self.memory().use_nonce(offer, request.refused)?;
        turn.answer(credentials, request.method.as_str().as_bytes(), request.target.as_bytes())
    }

    fn basic_next(
        &self,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
    ) -> Option<HeaderValue> {
        let offers = |scheme| challenges.iter().any(|challenge| challenge.is(scheme));
        // Without `preemptive`, Basic is never the fallback for a Digest challenge that cannot be answered here.
        if !offers(basic::SCHEME) || !self.preemptive && offers(digest::SCHEME) {
            return None;
        }
        let value = self.basic.clone().filter(|value| Some(value) != refused)?;
        self.memory().asked = LastChallenge::Basic;
        Some(value)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock::lock(&self.memory)
    }
}

impl Memory {
    fn take_prepared(&mut self, method: &Method, target: &str) -> Option<HeaderValue> {
        let is_this = |it: &PreparedAnswer| it.method == method && *it.target == *target;
        let at = self.prepared.iter().position(is_this)?;
        Some(self.prepared.remove(at).value)
    }

    /// Keeps it for [`take_prepared`](Self::take_prepared). Above the limit it returns the oldest, for the caller to drop.
    fn prepare(&mut self, answer: PreparedAnswer) -> Option<PreparedAnswer> {
        let is_full = self.prepared.len() == MAX_PREPARED;
        let unused = is_full.then(|| self.prepared.remove(0));
        self.prepared.push(answer);
        unused
    }

    fn use_nonce(
        &mut self,
        offer: DigestChallenge,
        refused: Option<&HeaderValue>,
    ) -> Option<NonceUse> {
        let turn = self.nonces.use_nonce(offer, refused);
        if turn.is_some() {
            self.asked = LastChallenge::Digest;
        } else if refused.is_some_and(|refused| self.is_latest(refused)) {
            self.asked = LastChallenge::Nothing;
        }
        turn
    }

    /// Whether it is still the latest answer: another request may have received a newer nonce.
    fn is_latest(&self, refused: &HeaderValue) -> bool {
        matches!(self.asked, LastChallenge::Digest) && self.nonces.latest_was_used_in(refused)
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl Default for Authenticator {
    /// No credentials. Credentials are sent in advance, which saves a round trip.
    fn default() -> Self {
        let (credentials, basic, scheme) = (None, None, None);
        let asker = Asker::default();
        Self { asker, credentials, basic, scheme, preemptive: true, memory: Arc::default() }
    }
}

impl PartialEq for Authenticator {
    fn eq(&self, other: &Self) -> bool {
        // Destructured without `..`, so that a new field cannot be forgotten. `basic` derives from the credentials.
        let Self { asker, credentials, basic: _, scheme, preemptive, memory: _ } = self;
        let same_scheme = match (scheme, &other.scheme) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        let same_way = *asker == other.asker && *preemptive == other.preemptive;
        same_scheme && same_way && *credentials == other.credentials
    }
}

impl Eq for Authenticator {}

impl Hash for Authenticator {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { asker, credentials, basic: _, scheme, preemptive, memory: _ } = self;
        (asker, credentials, preemptive).hash(state);
        scheme.as_ref().map(|scheme| Arc::as_ptr(scheme).cast::<()>()).hash(state);
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
