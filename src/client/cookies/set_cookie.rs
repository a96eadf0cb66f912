//! Reads one `Set-Cookie` field (RFC 6265bis §5.6).

use super::{date, same_site::SameSite};

/// Name and value together may have so many bytes.
pub(super) const LONGEST_PAIR: usize = 4096;

/// A longer attribute is ignored.
const LONGEST_ATTRIBUTE: usize = 1024;

/// What a server says of a cookie, before it is known whether it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetCookie<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Without a leading dot; empty is as none.
    pub(super) domain: &'a [u8],
    /// `None` for the default path.
    pub(super) path: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub(super) expires: Option<i64>,
    /// Seconds from now on; zero or less is the past.
    pub(super) max_age: Option<i64>,
    pub(super) is_secure: bool,
    pub(super) is_http_only: bool,
    pub(super) same_site: Option<SameSite>,
}

/// Reads the value of a field; `None` if there is no cookie in it that may be kept.
pub(super) fn parse(field: &[u8]) -> Option<SetCookie<'_>> {
    let mut parts = field.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let (name, value) = match split_at_equals(pair) {
        (name, Some(value)) => (name, value),
        // What has no `=` is a value without a name.
        (value, None) => (&[][..], value),
    };
    if !is_pair(name, value) || field.iter().any(|byte| is_control(*byte)) {
        return None;
    }
    let mut cookie = SetCookie { name, value, ..SetCookie::default() };
    for attribute in parts {
        let (name, value) = split_at_equals(attribute);
        cookie.apply(name, value.unwrap_or_default());
    }
    Some(cookie)
}

/// Whether a cookie of this name and value can be kept and sent.
///
/// A tab inside is allowed by the RFC, but not kept: it would make another cookie of this one in a `cookies.txt`.
pub(super) fn is_pair(name: &[u8], value: &[u8]) -> bool {
    let length = name.len() + value.len();
    (1..=LONGEST_PAIR).contains(&length)
        && !name.iter().chain(value).any(|byte| is_control(*byte) || *byte == b'\t')
}

pub(super) fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// Both sides of the first `=`, without the spaces around them.
fn split_at_equals(part: &[u8]) -> (&[u8], Option<&[u8]>) {
    match part.iter().position(|byte| *byte == b'=') {
        Some(at) => (trim(&part[..at]), Some(trim(&part[at + 1..]))),
        None => (trim(part), None),
    }
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

impl<'a> SetCookie<'a> {
    /// The last attribute of a name holds; one that cannot be read is as if it were not there.
    fn apply(&mut self, name: &[u8], value: &'a [u8]) {
        if value.len() > LONGEST_ATTRIBUTE {
            return;
        }
        match &*name.to_ascii_lowercase() {
            b"expires" => self.expires = date::parse(value).or(self.expires),
            b"max-age" => self.max_age = max_age(value).or(self.max_age),
            b"domain" => self.domain = value.strip_prefix(b".").unwrap_or(value),
            b"path" => self.path = Some(value).filter(|path| is_path(path)),
            b"secure" => self.is_secure = true,
            b"httponly" => self.is_http_only = true,
            b"samesite" => self.same_site = SameSite::parse(value),
            _ => {}
        }
    }
}

/// One with a tab would be two fields in a `cookies.txt`.
fn is_path(value: &[u8]) -> bool {
    value.starts_with(b"/") && !value.contains(&b'\t')
}

/// Digits, perhaps behind a minus. More of them than a number takes are a time without end.
fn max_age(text: &[u8]) -> Option<i64> {
    let (digits, is_negative) = match text.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let all = !text.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = |digits: &[u8]| {
        digits.iter().fold(0i64, |number, digit| {
            number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
        })
    };
    all.then(|| if is_negative { -number(digits) } else { number(digits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(field: &str) -> Option<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        parse(field.as_bytes()).map(|cookie| (text(cookie.name), text(cookie.value)))
    }

    #[test]
    fn the_first_equals_sign_parts_name_and_value_and_spaces_around_both_go() {
        let table = [
            ("foo=bar", "foo", "bar"),
            ("foo = bar", "foo", "bar"),
            ("\t foo\t=\t bar \t;x", "foo", "bar"),
            ("foo=", "foo", ""),
            ("foo= ; a=b", "foo", ""),
            ("foo=bar=baz", "foo", "bar=baz"),
            ("foo==bar", "foo", "=bar"),
            ("foo=bar;", "foo", "bar"),
            ("foo=bar;;;", "foo", "bar"),
            ("foo=\"bar\"", "foo", "\"bar\""),
            ("foo=\"bar baz\"", "foo", "\"bar baz\""),
            ("foo=\"bar;baz\"", "foo", "\"bar"),
            ("foo=bar, baz=qux", "foo", "bar, baz=qux"),
            ("foo bar=baz qux", "foo bar", "baz qux"),
            ("=bar", "", "bar"),
            ("bar", "", "bar"),
            ("=", "", ""),
            (" ", "", ""),
            ("", "", ""),
            (";", "", ""),
            ("$Version=1; foo=bar", "$Version", "1"),
            ("foo=\u{e9}\u{20ac}", "foo", "\u{e9}\u{20ac}"),
        ];
        for (field, name, value) in table {
            let expected = (name, value) != ("", "");
            let expected = expected.then(|| (name.to_owned(), value.to_owned()));
            assert_eq!(pair(field), expected, "{field:?}");
        }
    }

    #[test]
    fn a_field_with_a_control_character_or_a_pair_with_a_tab_is_no_cookie() {
        for field in
            ["a=b\0", "a=b\x01", "a\r=b", "a=b\nc=d", "a=b; path=/\x7f", "a\tb=c", "a=b\tc"]
        {
            assert_eq!(pair(field), None, "{field:?}");
        }
        assert!(pair("a=b;\tpath=/").is_some());
    }

    #[test]
    fn name_and_value_have_4096_bytes_together_at_the_most() {
        assert!(pair(&format!("ab={}", "x".repeat(4094))).is_some());
        assert!(pair(&format!("ab={}", "x".repeat(4095))).is_none());
        assert!(pair(&format!("{}=", "x".repeat(4096))).is_some());
        assert!(pair(&"x".repeat(4097)).is_none());
        assert!(
            pair(&format!("a=b; {}", "x".repeat(1 << 20))).is_some(),
            "attributes do not count"
        );
    }

    #[test]
    fn attributes_are_read_whatever_their_case_and_the_last_of_a_name_holds() {
        let read = |field: &'static str| parse(field.as_bytes()).unwrap();
        let all = read(
            "a=b; dOmAiN=.Example.com; PATH=/x; secure; HTTPONLY; Max-Age=10; SameSite=lax; \
             EXPIRES=Thu, 01 Jan 1970 00:00:01 GMT; unknown=1",
        );
        let expected = SetCookie {
            name: b"a",
            value: b"b",
            domain: b"Example.com",
            path: Some(b"/x"),
            expires: Some(1),
            max_age: Some(10),
            is_secure: true,
            is_http_only: true,
            same_site: Some(SameSite::Lax),
        };
        assert_eq!(all, expected);
        assert_eq!(read("a=b; path=/x; path=/y").path, Some(&b"/y"[..]));
        assert_eq!(read("a=b; path=/x; path=y").path, None);
        assert_eq!(read("a=b; path=/x; path=").path, None);
        assert_eq!(read("a=b; path=/x\ty").path, None);
        assert_eq!(read("a=b; domain=x.y; domain=").domain, b"");
        assert_eq!(read("a=b; domain=..x").domain, b".x");
        assert_eq!(
            read("a=b; expires=Thu, 01 Jan 1970 00:00:01 GMT; expires=soon").expires,
            Some(1)
        );
        assert!(read("a=b; secure=no").is_secure);
        assert_eq!(read("a=b; samesite=strict; samesite=what").same_site, None);
        let long = format!("a=b; path=/{}", "x".repeat(1024));
        assert_eq!(parse(long.as_bytes()).unwrap().path, None);
    }

    #[test]
    fn max_age_is_a_number_of_any_length() {
        let table = [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("-", Some(0)),
            ("10", Some(10)),
            ("010", Some(10)),
            ("99999999999999", Some(99_999_999_999_999)),
            ("99999999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999999", Some(-i64::MAX)),
            ("", None),
            ("+1", None),
            ("1.5", None),
            ("1a", None),
            ("--1", None),
            ("\"1\"", None),
        ];
        for (text, expected) in table {
            assert_eq!(max_age(text.as_bytes()), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(field: Vec<u8>) {
            if let Some(cookie) = parse(&field) {
                proptest::prop_assert!(is_pair(cookie.name, cookie.value));
            }
        }
    }
}
