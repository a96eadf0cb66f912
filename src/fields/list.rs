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

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONNECTION};

    use super::*;

    #[test]
    fn a_member_counts_whatever_stands_beside_it_and_on_whichever_line() {
        let mut headers = HeaderMap::new();
        for line in [&b"x-a, \xff,,\t x-b "[..], b"x-c"] {
            headers.append(CONNECTION, HeaderValue::from_bytes(line).unwrap());
        }
        let found: Vec<_> = all_members(&headers, CONNECTION).collect();
        assert_eq!(found, [&b"x-a"[..], b"\xff", b"", b"x-b", b"x-c"]);
        assert_eq!(members(b"").collect::<Vec<_>>(), [b""]);
    }
}
