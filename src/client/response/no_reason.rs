//! The reason phrase of a response without HTTP/1.1: no other version has one.

use http::Extensions;

pub(super) fn phrase(_: &Extensions) -> Option<&str> {
    None
}
