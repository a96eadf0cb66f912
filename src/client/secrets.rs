//! What may be told an origin that it is not meant for. Pure.

use http::{HeaderName, header};

/// The fields that give another origin no right at the one before, besides `Accept…` and `Content-…`. A request without its
/// condition does something else: a guarded `PUT` overwrites, and a download that is resumed goes on with another file.
const HARMLESS: [HeaderName; 10] = [
    header::USER_AGENT,
    header::RANGE,
    header::CACHE_CONTROL,
    header::TE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::IF_RANGE,
    HeaderName::from_static("idempotency-key"),
];

/// An extension of a request that is to go to `https` alone, on every hop.
#[derive(Clone, Copy, Debug)]
pub(super) struct HttpsOnly;

/// Marks a request from which a redirect to another origin removed secrets. Layers do not add them again when the caller
/// sends it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stripped;

/// Whether a field may be told any origin, if its value is not marked as sensitive.
pub(super) fn is_harmless(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("accept") || text.starts_with("content-") || HARMLESS.contains(name)
}
