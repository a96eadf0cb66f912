//! Digest where it was not built in: there is no challenge that could be answered.

use http::HeaderValue;

use super::{Credentials, challenge::Challenge};

/// The name of the scheme.
pub(super) const SCHEME: &str = "Digest";

pub(super) enum Offer {}

pub(super) enum Turn {}

#[derive(Default)]
pub(super) struct Nonces {}

impl Offer {
    pub(super) fn strongest(_: &[Challenge]) -> Option<Self> {
        None
    }
}

impl Nonces {
    pub(super) fn turn(&mut self, offer: Offer, _: Option<&HeaderValue>) -> Option<Turn> {
        match offer {}
    }

    pub(super) fn another_turn(&mut self) -> Option<Turn> {
        None
    }

    pub(super) fn latest_was_used_in(&self, _: &HeaderValue) -> bool {
        false
    }
}

impl Turn {
    pub(super) fn answer(&self, _: &Credentials, _: &[u8], _: &[u8]) -> Option<HeaderValue> {
        match *self {}
    }
}
