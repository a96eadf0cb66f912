//! The reason phrase of a response, which HTTP/1.1 leaves in the extensions.

use http::Extensions;

/// The phrase that the server sent. `None` if it is the usual one or not UTF-8.
pub(super) fn phrase(extensions: &Extensions) -> Option<&str> {
    let phrase = extensions.get::<hyper::ext::ReasonPhrase>()?;
    std::str::from_utf8(phrase.as_bytes()).ok()
}
