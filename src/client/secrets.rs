//! What may be told an origin that it is not meant for. Pure.

use http::{HeaderName, header};

/// The fields that tell another origin nothing of the one before, besides `Accept…` and `Content-…`.
const HARMLESS: [HeaderName; 4] =
    [header::USER_AGENT, header::RANGE, header::CACHE_CONTROL, header::TE];

/// An extension of a request that is to go to `https` alone, on every hop.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpsOnly;

/// An extension of a request that secrets were taken off on the way to another origin: they are not added again where it is
/// sent by hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stripped;

/// Whether a field may be told any origin, if its value is not marked as sensitive.
pub(super) fn is_harmless(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("accept") || text.starts_with("content-") || HARMLESS.contains(name)
}
