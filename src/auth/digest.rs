//! The Digest scheme (RFC 7616), and RFC 2069 for servers without `qop`. Pure.
//!
//! A nonce serves many requests, on many connections at once. Each takes a [`NonceUse`] with its own count under the
//! lock of the shared nonces; hashing happens outside of it.
//!
//! `Authentication-Info` is not read: the server's own proof is not checked, and `nextnonce` is not used, so a nonce
//! lives until it is stale. The integrity of bodies (`qop=auth-int`) is not supported.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use self::{
    algorithm::{Algorithm, Function},
    auth_params::AuthParams,
};
use super::{Credentials, challenge::Challenge};

mod algorithm;
mod auth_params;

/// The name of the scheme.
pub(super) const SCHEME: &str = "Digest";

/// The most nonces remembered. A nonce that is offered again must not be counted from the start; a server that issues
/// more gives each connection its own.
const MAX_NONCES: usize = 32;

/// All bytes but the `attr-char` of RFC 8187 §3.2.1.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A challenge that can be answered.
pub(super) struct DigestChallenge {
    algorithm: Algorithm,
    /// As the server spelled it, for servers that compare it; `None` without the parameter.
    algorithm_name: Option<Vec<u8>>,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// `qop=auth`; without it RFC 2069 applies.
    has_qop: bool,
    hashes_user: bool,
    is_utf8: bool,
    is_stale: bool,
}

/// The nonces received, and their use counts.
pub(super) struct Nonces {
    /// The latest is last.
    known: Vec<KnownNonce>,
    new_cnonce: fn() -> String,
}

struct KnownNonce {
    offer: Arc<DigestChallenge>,
    /// One for the life of the nonce: it is part of the key of a `-sess` algorithm (RFC 7616 §3.4.2).
    cnonce: Arc<str>,
    count: u32,
}

/// One use of a nonce.
pub(super) struct NonceUse {
    offer: Arc<DigestChallenge>,
    cnonce: Arc<str>,
    count: u32,
}

/// The parts of a refused answer that matter.
struct Refused {
    nonce: Vec<u8>,
    /// Whether it was the first use of the nonce; `None` without `qop`, where answers are not counted.
    is_first: Option<bool>,
}

impl DigestChallenge {
    /// The challenge with the strongest supported algorithm; of equals, the first.
    pub(super) fn strongest(challenges: &[Challenge]) -> Option<Self> {
        let offers = challenges.iter().filter_map(Self::of);
        offers.reduce(|best, other| match other.strength() > best.strength() {
            true => other,
            false => best,
        })
    }

    fn of(challenge: &Challenge) -> Option<Self> {
        let is = |name, value: &[u8]| {
            challenge.param(name).is_some_and(|given| given.eq_ignore_ascii_case(value))
        };
        let param = |name| challenge.param(name).map(<[u8]>::to_vec);
        let qop = challenge.param("qop").unwrap_or_default();
        let has_qop = tokens(qop).any(|token| token.eq_ignore_ascii_case(b"auth"));
        if !challenge.is(SCHEME) || !has_qop && tokens(qop).next().is_some() {
            return None;
        }
        let algorithm_name = param("algorithm");
        Some(Self {
            algorithm: Algorithm::named(algorithm_name.as_deref().unwrap_or(b"MD5"))?,
            algorithm_name,
            realm: param("realm")?,
            nonce: param("nonce")?,
            opaque: param("opaque"),
            has_qop,
            hashes_user: is("userhash", b"true"),
            is_utf8: is("charset", b"utf-8"),
            is_stale: is("stale", b"true"),
        })
    }

    fn strength(&self) -> Function {
        self.algorithm.function
    }
}

impl Nonces {
    /// A use of this challenge's nonce; `None` if no better answer than the refused one exists.
    pub(super) fn use_nonce(
        &mut self,
        offer: DigestChallenge,
        refused: Option<&HeaderValue>,
    ) -> Option<NonceUse> {
        if refused.is_some_and(|refused| !self.is_worth_answering(&offer, refused)) {
            return None;
        }
        let before = self.known.iter().position(|known| known.offer.nonce == offer.nonce);
        let offer = Arc::new(offer);
        let mut latest = match before {
            Some(at) => KnownNonce { offer, ..self.known.remove(at) },
            None => KnownNonce { offer, cnonce: (self.new_cnonce)().into(), count: 0 },
        };
        let turn = latest.use_nonce();
        self.known.push(latest);
        self.known.drain(..self.known.len().saturating_sub(MAX_NONCES));
        turn
    }

    /// Whether to answer after this refusal: if the refused answer was not Digest; if the nonce is stale; or if it
    /// was not the first use of the nonce, because servers forget nonces silently when they restart. Otherwise the
    /// password is wrong.
    fn is_worth_answering(&self, offer: &DigestChallenge, refused: &HeaderValue) -> bool {
        Refused::read(refused).is_none_or(|refused| {
            refused.nonce != offer.nonce && (offer.is_stale || !self.was_first_use(&refused))
        })
    }

    fn was_first_use(&self, refused: &Refused) -> bool {
        refused.is_first.unwrap_or_else(|| {
            let known = self.known.iter().find(|known| known.offer.nonce == refused.nonce);
            known.is_none_or(|known| known.count == 1)
        })
    }

    /// Another use of the latest nonce.
    pub(super) fn reuse_nonce(&mut self) -> Option<NonceUse> {
        self.known.last_mut()?.use_nonce()
    }

    /// Whether this answer used the latest nonce.
    pub(super) fn latest_was_used_in(&self, refused: &HeaderValue) -> bool {
        let latest = self.known.last().map(|known| &known.offer.nonce);
        Refused::read(refused).is_some_and(|refused| Some(&refused.nonce) == latest)
    }
}

impl Default for Nonces {
    fn default() -> Self {
        Self { known: Vec::new(), new_cnonce: unpredictable }
    }
}

impl KnownNonce {
    /// `None` when the count exceeds its eight digits.
    fn use_nonce(&mut self) -> Option<NonceUse> {
        self.count = self.count.checked_add(1)?;
        let (offer, cnonce) = (Arc::clone(&self.offer), Arc::clone(&self.cnonce));
        Some(NonceUse { offer, cnonce, count: self.count })
    }
}

impl NonceUse {
    /// `None` if it contains bytes that no header field allows.
    pub(super) fn answer(
        &self,
        credentials: &Credentials,
        method: &[u8],
        target: &[u8],
    ) -> Option<HeaderValue> {
        let DigestChallenge { algorithm, algorithm_name, realm, nonce, opaque, has_qop, .. } =
            &*self.offer;
        let response = self.response(credentials, method, target);
        let mut params = AuthParams::new(SCHEME);
        self.push_user(credentials, &mut params);
        params.quoted("realm", realm).quoted("nonce", nonce).quoted("uri", target);
        if let Some(name) = algorithm_name {
            params.plain("algorithm", name);
        }
        if *has_qop || algorithm.is_session {
            params.quoted("cnonce", self.cnonce.as_bytes());
        }
        if *has_qop {
            params.plain("nc", self.nc().as_bytes()).plain("qop", b"auth");
        }
        params.quoted("response", response.as_bytes());
        if let Some(opaque) = opaque {
            params.quoted("opaque", opaque);
        }
        params.into_value()
    }

    /// RFC 7616 §3.4.1 to §3.4.3.
    fn response(&self, credentials: &Credentials, method: &[u8], target: &[u8]) -> String {
        let DigestChallenge { algorithm, realm, nonce, has_qop, .. } = &*self.offer;
        let function = algorithm.function;
        let (user, password) = (credentials.user(), credentials.password());
        let cnonce = self.cnonce.as_bytes();
        let mut key = function.of(&[user.as_bytes(), realm, password.as_bytes()]);
        if algorithm.is_session {
            key = function.of(&[key.as_bytes(), nonce, cnonce]);
        }
        let request = function.of(&[method, target]);
        let (key, request) = (key.as_bytes(), request.as_bytes());
        match has_qop {
            true => function.of(&[key, nonce, self.nc().as_bytes(), cnonce, b"auth", request]),
            false => function.of(&[key, nonce, request]),
        }
    }

    /// As a hash, quoted, or in the extended notation: for control characters, and for a name that is not ASCII if
    /// the server declares UTF-8. Other servers know `username` alone.
    fn push_user(&self, credentials: &Credentials, params: &mut AuthParams) {
        let DigestChallenge { algorithm, realm, hashes_user, is_utf8, .. } = &*self.offer;
        let user = credentials.user();
        if *hashes_user {
            let hash = algorithm.function.of(&[user.as_bytes(), realm]);
            params.quoted("username", hash.as_bytes()).plain("userhash", b"true");
        } else if user.contains(|c: char| c.is_ascii_control()) || *is_utf8 && !user.is_ascii() {
            let user = percent_encode(user.as_bytes(), ESCAPED);
            params.plain("username*", format!("UTF-8''{user}").as_bytes());
        } else {
            params.quoted("username", user.as_bytes());
        }
    }

    fn nc(&self) -> String {
        format!("{:08x}", self.count)
    }
}

impl Refused {
    /// `None` if it is not Digest.
    fn read(value: &HeaderValue) -> Option<Self> {
        let mut read = Challenge::read([value.as_bytes()]).into_iter();
        let params = read.find(|challenge| challenge.is(SCHEME))?;
        let is_first = params.param("nc").map(|nc| nc == b"00000001");
        Some(Self { nonce: params.param("nonce")?.to_vec(), is_first })
    }
}

/// The tokens of a list.
fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b',' | b' ' | b'\t')).filter(|token| !token.is_empty())
}

/// 128 bits of keyed hashes, unpredictable without the key, which is the process's own.
fn unpredictable() -> String {
    let hash = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", hash(), hash())
}

#[cfg(test)]
mod tests;
