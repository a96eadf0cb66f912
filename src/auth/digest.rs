//! Answers in the Digest scheme (RFC 7616), and RFC 2069 where that is asked for. Pure.
//!
//! A nonce is used for many requests, on many connections at once: each takes a [`Turn`], with a count of its own. Under
//! the lock of those who share the nonces, a turn is all that is taken; hashing is done with it, outside.
//!
//! `Authentication-Info` is not read: neither is the server's own proof checked, nor its `nextnonce` used, so a nonce
//! lives until it is refused as stale. The integrity of bodies (`qop=auth-int`) is not spoken.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use self::{
    algorithm::{Algorithm, Function},
    said::Said,
};
use super::{Credentials, challenge::Challenge};

mod algorithm;
mod said;

/// The name of the scheme.
pub(super) const SCHEME: &str = "Digest";

/// How many nonces are known at a time. One that comes back must not be counted from the beginning, and a server that
/// gives out more at once gives each connection its own.
const MOST_NONCES: usize = 32;

/// All but the `attr-char` of RFC 8187 §3.2.1.
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
pub(super) struct Offer {
    algorithm: Algorithm,
    /// As it was spelled, because that is what a server looks for; `None` if it was silent.
    algorithm_name: Option<Vec<u8>>,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    /// `qop=auth`, without which RFC 2069 holds.
    has_qop: bool,
    hashes_user: bool,
    is_utf8: bool,
    is_stale: bool,
}

/// The nonces that were given to us, and how often each was used.
pub(super) struct Nonces {
    /// The latest last.
    known: Vec<Known>,
    new_cnonce: fn() -> String,
}

struct Known {
    offer: Arc<Offer>,
    /// One for the life of the nonce: the key of a `-sess` algorithm is made of the first (RFC 7616 §3.4.2).
    cnonce: Arc<str>,
    count: u32,
}

/// The right to use a nonce once.
pub(super) struct Turn {
    offer: Arc<Offer>,
    cnonce: Arc<str>,
    count: u32,
}

/// What matters of an answer once it has been refused.
struct Refused {
    nonce: Vec<u8>,
    is_first: bool,
}

impl Offer {
    /// The one with the strongest algorithm of those that can be answered; of equals, the first.
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

    /// Whether it may be answered after this was refused. It may if it is not of ours; if the nonce was too old; and if
    /// it was not the first answer to that nonce, because servers forget nonces without a word when they start anew.
    /// Otherwise it is the password that was wrong.
    fn is_worth_answering_after(&self, refused: &HeaderValue) -> bool {
        Refused::read(refused).is_none_or(|refused| {
            refused.nonce != self.nonce && (self.is_stale || !refused.is_first)
        })
    }
}

impl Nonces {
    /// A turn at the nonce of this offer; `None` if what was refused is the best we can say.
    pub(super) fn turn(&mut self, offer: Offer, refused: Option<&HeaderValue>) -> Option<Turn> {
        if refused.is_some_and(|refused| !offer.is_worth_answering_after(refused)) {
            return None;
        }
        let before = self.known.iter().position(|known| known.offer.nonce == offer.nonce);
        let offer = Arc::new(offer);
        let mut latest = match before {
            Some(at) => Known { offer, ..self.known.remove(at) },
            None => Known { offer, cnonce: (self.new_cnonce)().into(), count: 0 },
        };
        let turn = latest.turn();
        self.known.push(latest);
        self.known.drain(..self.known.len().saturating_sub(MOST_NONCES));
        turn
    }

    /// One more turn at the latest nonce.
    pub(super) fn another_turn(&mut self) -> Option<Turn> {
        self.known.last_mut()?.turn()
    }

    /// Whether this was said with the latest nonce.
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

impl Known {
    /// `None` when the eight digits are used up.
    fn turn(&mut self) -> Option<Turn> {
        self.count = self.count.checked_add(1)?;
        let (offer, cnonce) = (Arc::clone(&self.offer), Arc::clone(&self.cnonce));
        Some(Turn { offer, cnonce, count: self.count })
    }
}

impl Turn {
    /// `None` if it does not fit into a header field.
    pub(super) fn answer(
        &self,
        credentials: &Credentials,
        method: &[u8],
        target: &[u8],
    ) -> Option<HeaderValue> {
        let Offer { algorithm, algorithm_name, realm, nonce, opaque, has_qop, .. } = &*self.offer;
        let response = self.response(credentials, method, target);
        let mut said = Said::new(SCHEME);
        self.say_user(credentials, &mut said);
        said.quoted("realm", realm).quoted("nonce", nonce).quoted("uri", target);
        if let Some(name) = algorithm_name {
            said.plain("algorithm", name);
        }
        if *has_qop || algorithm.is_session {
            said.quoted("cnonce", self.cnonce.as_bytes());
        }
        if *has_qop {
            said.plain("nc", self.nc().as_bytes()).plain("qop", b"auth");
        }
        said.quoted("response", response.as_bytes());
        if let Some(opaque) = opaque {
            said.quoted("opaque", opaque);
        }
        said.into_value()
    }

    /// RFC 7616 §3.4.1 to §3.4.3.
    fn response(&self, credentials: &Credentials, method: &[u8], target: &[u8]) -> String {
        let Offer { algorithm, realm, nonce, has_qop, .. } = &*self.offer;
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

    /// As a hash, in quotes, or in the extended notation. That is for control characters, and for what is not ASCII
    /// where the server has said that it knows UTF-8: those who do not say so know `username` alone.
    fn say_user(&self, credentials: &Credentials, said: &mut Said) {
        let Offer { algorithm, realm, hashes_user, is_utf8, .. } = &*self.offer;
        let user = credentials.user();
        if *hashes_user {
            let hash = algorithm.function.of(&[user.as_bytes(), realm]);
            said.quoted("username", hash.as_bytes()).plain("userhash", b"true");
        } else if user.contains(|c: char| c.is_ascii_control()) || *is_utf8 && !user.is_ascii() {
            let user = percent_encode(user.as_bytes(), ESCAPED);
            said.plain("username*", format!("UTF-8''{user}").as_bytes());
        } else {
            said.quoted("username", user.as_bytes());
        }
    }

    fn nc(&self) -> String {
        format!("{:08x}", self.count)
    }
}

impl Refused {
    /// `None` if it is not of this scheme.
    fn read(value: &HeaderValue) -> Option<Self> {
        let said = Challenge::read([value.as_bytes()]).into_iter().find(|said| said.is(SCHEME))?;
        let is_first = said.param("nc").is_none_or(|nc| nc == b"00000001");
        Some(Self { nonce: said.param("nonce")?.to_vec(), is_first })
    }
}

/// Of a list of tokens.
fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b',' | b' ' | b'\t')).filter(|token| !token.is_empty())
}

/// 128 bits of keyed hashes. Whoever has not the key, which is the process's own, cannot tell the next from the last.
fn unpredictable() -> String {
    let hash = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", hash(), hash())
}

#[cfg(test)]
mod tests;
