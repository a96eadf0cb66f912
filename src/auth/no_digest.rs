//! Stands in for Digest without its feature: no challenge can be answered.

use http::HeaderValue;

use super::{Credentials, challenge::Challenge};

/// The name of the scheme.
pub(super) const SCHEME: &str = "Digest";

pub(super) enum DigestChallenge {}

pub(super) enum NonceUse {}

#[derive(Default)]
pub(super) struct Nonces {}

impl DigestChallenge {
    pub(super) fn strongest(_: &[Challenge]) -> Option<Self> {
        None
    }
}

impl Nonces {
    pub(super) fn use_nonce(
        &mut self,
        offer: DigestChallenge,
        _: Option<&HeaderValue>,
    ) -> Option<NonceUse> {
        match offer {}
    }

    pub(super) fn reuse_nonce(&mut self) -> Option<NonceUse> {
        None
    }

    pub(super) fn latest_was_used_in(&self, _: &HeaderValue) -> bool {
        false
    }
}

impl NonceUse {
    pub(super) fn answer(&self, _: &Credentials, _: &[u8], _: &[u8]) -> Option<HeaderValue> {
        match *self {}
    }
}
