//! A client in a build without decoders.

/// The service of the layer that decodes bodies: none in this build.
pub type DecodeOver<S> = S;

/// Nothing to choose.
#[derive(Debug, Default)]
pub(in crate::client) struct DecodeChoice {}

impl DecodeChoice {
    pub(in crate::client) fn layer<S>(&self, inner: S) -> DecodeOver<S> {
        inner
    }

    /// What is put on each request: nothing.
    pub(in crate::client) fn extend(&self, _: &mut http::Extensions) {}
}
