//! Percent-encodes paths and queries.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The path and query percent-encode sets of the WHATWG URL standard (§1.3), except for `'` in a query, which RFC
/// 3986 allows. They include everything that is not ASCII.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');
const PATH: &AsciiSet = &QUERY.add(b'^').add(b'`').add(b'{').add(b'}');

/// Encodes a path with its optional query as browsers do. `%` is not encoded: the text may be encoded already.
pub(crate) fn encoded(path_and_query: &str) -> Cow<'_, str> {
    let end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    let path: Cow<'_, str> = utf8_percent_encode(path, PATH).into();
    let query: Cow<'_, str> = utf8_percent_encode(query, QUERY).into();
    match (path, query) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => path_and_query.into(),
        (path, query) => (path.into_owned() + &query).into(),
    }
}

/// Whether encoding would change nothing. May return false for a query with characters that only a path must encode.
pub(super) fn is_plain(path_and_query: &str) -> bool {
    path_and_query.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>^`{}".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_encode_is_encoded() {
        let table = [
            ("/\"<>^`{} é", "/%22%3C%3E%5E%60%7B%7D%20%C3%A9"),
            ("/?\"<> é", "/?%22%3C%3E%20%C3%A9"),
            ("?a b", "?a%20b"),
            ("/a b?c d?e", "/a%20b?c%20d?e"),
        ];
        for (written, sent) in table {
            assert_eq!(encoded(written), sent);
            assert!(!is_plain(written));
        }
    }

    #[test]
    fn all_else_is_left_as_it_is() {
        for written in
            ["/%C3%a9%zz?%20%", "/!$&'()*+,;=:@-._~|[]\\", "/?^`{}|'[]\\/?:@!$&()*+,;=", "*", ""]
        {
            assert!(matches!(encoded(written), Cow::Borrowed(same) if same == written));
        }
    }

    #[test]
    fn what_is_plain_is_left_as_it_is() {
        for byte in 0..128 {
            for text in [format!("/{}", char::from(byte)), format!("/?{}", char::from(byte))] {
                assert!(!is_plain(&text) || matches!(encoded(&text), Cow::Borrowed(_)), "{text:?}");
            }
        }
        assert!(is_plain("/a/b?c=d&e=%20") && !is_plain("/\u{e4}"));
    }
}
