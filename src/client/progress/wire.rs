//! How much of a decoded body was read from the wire. Twin of `no_wire.rs`.

use http::Extensions;

use crate::client::decode::Decoded;

/// What decoding tells, if the body is decoded.
pub(super) struct WireLength(Option<Decoded>);

impl WireLength {
    pub(super) fn of(response: &Extensions) -> Self {
        Self(response.get().cloned())
    }

    /// How many bytes there will be.
    pub(super) fn total(&self) -> Option<u64> {
        self.0.as_ref()?.length()
    }

    /// How many bytes there were so far.
    pub(super) fn read(&self) -> Option<u64> {
        self.0.as_ref().map(Decoded::read)
    }
}
