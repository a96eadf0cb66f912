//! The decoding of a client.

use tower_layer::Layer;

use super::ClientBuilder;
use crate::client::decode::{Decode, DecodeLayer, Decoding};

/// The service of the layer that decodes bodies.
pub type DecodeOver<S> = Decode<S>;

/// Has no limit: bodies that are read whole are limited by `MaxBody`, and streamed bodies are not limited.
#[derive(Debug, Default)]
pub(in crate::client) struct DecodeChoice {
    is_off: bool,
}

impl DecodeChoice {
    pub(in crate::client) fn layer<S>(&self, inner: S) -> DecodeOver<S> {
        DecodeLayer::new().limit(None).layer(inner)
    }

    /// Adds `Decoding::off` to requests without a `Decoding` if decoding is off.
    pub(in crate::client) fn extend(&self, extensions: &mut http::Extensions) {
        if self.is_off {
            extensions.get_or_insert(Decoding::off());
        }
    }
}

impl<C> ClientBuilder<C> {
    /// Leaves bodies as they come, and says nothing of codings in requests, unless a request has a
    /// [`Decoding`] of its own.
    pub fn no_decoding(mut self) -> Self {
        self.choices.decoding.is_off = true;
        self
    }
}
