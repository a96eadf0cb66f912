//! Chooses what is said, unasked or to a challenge, and remembers what was asked. Pure.
//!
//! ```text
//! first ─ own scheme ─ what it said last to this request, or what it says now
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
    digest::{self, Nonces, Offer, Turn},
};
use crate::lock;

/// Who we are to one proxy, and what it has asked before, which clones share. Equal are those that say the same to the
/// same question, whatever they remember.
#[derive(Clone)]
pub(crate) struct Authenticator {
    asker: Asker,
    credentials: Option<Credentials>,
    /// What they are in Basic: the same in every request.
    basic: Option<HeaderValue>,
    scheme: Option<Arc<dyn Authenticate>>,
    preemptive: bool,
    /// Made anew when somebody else is to be authorized. Nothing of the user's is called or dropped under its lock.
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    asked: Asked,
    nonces: Nonces,
    answered: Option<Answered>,
}

/// What credentials were asked for last.
#[derive(Clone, Copy, Default)]
enum Asked {
    #[default]
    Nothing,
    Basic,
    Digest,
}

/// What is to be said when the same is asked for again.
struct Answered {
    method: Method,
    target: Box<str>,
    value: HeaderValue,
}

impl Authenticator {
    /// Who we are to origins: one that is refused answers 401.
    #[cfg(feature = "auth")]
    pub(crate) fn for_origins() -> Self {
        Self { asker: Asker::Origin, ..Self::default() }
    }

    /// Never says the password in the clear, whatever is asked for.
    #[cfg(feature = "auth")]
    pub(crate) fn forbid_basic(&mut self) {
        (self.basic, self.preemptive) = (None, false);
    }

    /// The same who has not been asked yet: by another origin, whose nonces are its own.
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

    pub(crate) fn set_scheme(&mut self, scheme: Arc<dyn Authenticate>) {
        self.scheme = Some(scheme);
        self.memory = Arc::default();
    }

    /// Whether credentials may be said in Basic before they are asked for.
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

    /// Whether there is anything that could be said to a challenge.
    pub(crate) fn can_answer(&self) -> bool {
        self.credentials.is_some() || self.scheme.is_some()
    }

    /// What is said unasked, or to what was asked before.
    pub(crate) fn first(
        &self,
        method: &Method,
        target: &(impl fmt::Display + ?Sized),
    ) -> Option<HeaderValue> {
        if self.says_basic_to_all() {
            return self.basic.clone();
        }
        let target = &*target.to_string();
        let is_this = |it: &mut Answered| it.method == method && *it.target == *target;
        let answered = self.memory().answered.take_if(is_this).map(|answered| answered.value);
        let by_scheme = || self.scheme_first(method, target);
        answered.or_else(by_scheme).or_else(|| self.credentials_first(method, target))
    }

    /// Whether it does not matter what is asked for: nearly always, so that nothing more is looked at.
    fn says_basic_to_all(&self) -> bool {
        let memory = self.memory();
        let is_said = match memory.asked {
            Asked::Nothing => self.preemptive,
            Asked::Basic => true,
            Asked::Digest => false,
        };
        is_said && self.scheme.is_none() && memory.answered.is_none()
    }

    /// Whether there is anything better to say than what was refused. [`first`](Self::first) says it when the same is asked
    /// for again: a nonce that would be counted twice by then makes a wrong password look like an old nonce.
    pub(crate) fn prepare(&self, request: &Authorizing<'_>) -> bool {
        let better = self.next(request);
        let is_any = better.is_some();
        if let Some(value) = better {
            self.remember(request, value);
        }
        is_any
    }

    /// What is said to this challenge, after `refused` was not enough; `None` if there is nothing better to say. It is
    /// remembered, so that [`first`](Self::first) says it the next time.
    ///
    /// A server may call each nonce stale that it has given out, and a scheme of the user's may always find something new
    /// to say: it is for the caller to count how often it asks.
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
        // An origin is answered by whoever sends again at once; a proxy may have to be reached by another connection first.
        if self.asker == Asker::Proxy {
            self.remember(request, value.clone());
        }
        Some(value)
    }

    fn remember(&self, request: &Authorizing<'_>, value: HeaderValue) {
        let (method, target) = (request.method.clone(), request.target.into());
        let answered = Answered { method, target, value };
        // What was there is dropped after the lock is released: its bytes may be of a foreign type.
        let before = self.memory().answered.replace(answered);
        drop(before);
    }

    fn credentials_first(&self, method: &Method, target: &str) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref()?;
        let asked = self.memory().asked;
        match asked {
            Asked::Digest => {
                let turn = self.memory().nonces.another_turn()?;
                turn.answer(credentials, method.as_str().as_bytes(), target.as_bytes())
            }
            Asked::Basic => self.basic.clone(),
            // A scheme of the user's that waits is not to be overtaken by a password in the clear.
            Asked::Nothing if self.preemptive && self.scheme.is_none() => self.basic.clone(),
            Asked::Nothing => None,
        }
    }

    fn credentials_next(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        let credentials = self.credentials.as_ref()?;
        let challenges = request.challenges();
        let Some(offer) = Offer::strongest(&challenges) else {
            return self.basic_next(&challenges, request.refused);
        };
        let turn = self.memory().turn(offer, request.refused)?;
        turn.answer(credentials, request.method.as_str().as_bytes(), request.target.as_bytes())
    }

    fn basic_next(
        &self,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
    ) -> Option<HeaderValue> {
        let offers = |scheme| challenges.iter().any(|challenge| challenge.is(scheme));
        // Who would rather wait for Digest is not content with Basic because this Digest cannot be answered here.
        if !offers(basic::SCHEME) || !self.preemptive && offers(digest::SCHEME) {
            return None;
        }
        let value = self.basic.clone().filter(|value| Some(value) != refused)?;
        self.memory().asked = Asked::Basic;
        Some(value)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock::lock(&self.memory)
    }
}

impl Memory {
    fn turn(&mut self, offer: Offer, refused: Option<&HeaderValue>) -> Option<Turn> {
        let turn = self.nonces.turn(offer, refused);
        if turn.is_some() {
            self.asked = Asked::Digest;
        } else if refused.is_some_and(|refused| self.is_latest(refused)) {
            self.asked = Asked::Nothing;
        }
        turn
    }

    /// Whether it would be said again: another may have got a better nonce in the meantime.
    fn is_latest(&self, refused: &HeaderValue) -> bool {
        matches!(self.asked, Asked::Digest) && self.nonces.latest_was_used_in(refused)
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

impl Default for Authenticator {
    /// Nobody. Credentials are said unasked, which saves a round trip.
    fn default() -> Self {
        let (credentials, basic, scheme) = (None, None, None);
        let asker = Asker::default();
        Self { asker, credentials, basic, scheme, preemptive: true, memory: Arc::default() }
    }
}

impl PartialEq for Authenticator {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart without `..`, so that a new field cannot be forgotten. Basic is made of the credentials.
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
