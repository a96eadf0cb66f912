//! Reads fields that are comma-separated lists (RFC 9110 §5.6.1).

use http::{HeaderMap, HeaderName};

/// The members of a line, empty ones included.
#[inline]
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// The members of all lines of a field.
pub(crate) fn all_members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).into_iter().flat_map(|value| members(value.as_bytes()))
}
