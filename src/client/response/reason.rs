//! The reason phrase of a response, which hyper's HTTP/1.1 and ours leave in the extensions.

use http::Extensions;

/// The phrase that the server sent, if it is text and not the usual one.
pub(super) fn phrase(extensions: &Extensions) -> Option<&str> {
    let phrase = extensions.get::<hyper::ext::ReasonPhrase>()?;
    std::str::from_utf8(phrase.as_bytes()).ok()
}
