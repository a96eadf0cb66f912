//! Reads the charset of a `Content-Type` (RFC 9110 §8.3, WHATWG MIME Sniffing §4.4). Pure.

use http::HeaderValue;

/// The label of the first parameter `charset`, without quotes; `None` without one. It is read as leniently as browsers do: a
/// quote that is not closed ends with the value.
pub(crate) fn charset_label(content_type: &HeaderValue) -> Option<String> {
    let text = String::from_utf8_lossy(content_type.as_bytes());
    let (_, mut rest) = text.split_once(';')?;
    loop {
        let end = rest.find([';', '=']).unwrap_or(rest.len());
        let name = rest[..end].trim_ascii();
        let Some(value) = rest[end..].strip_prefix('=') else {
            rest = rest[end..].strip_prefix(';')?;
            continue;
        };
        let (value, behind) = value_of(value);
        if name.eq_ignore_ascii_case("charset") && !value.is_empty() {
            return Some(value);
        }
        rest = behind?;
    }
}

/// The value of a parameter, and what stands behind the next semicolon.
fn value_of(text: &str) -> (String, Option<&str>) {
    let text = text.trim_ascii_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, behind) = match text.split_once(';') {
            Some((value, behind)) => (value, Some(behind)),
            None => (text, None),
        };
        return (value.trim_ascii().to_owned(), behind);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let behind = quoted[at + 1..].split_once(';').map(|(_, behind)| behind);
                return (value.trim_ascii().to_owned(), behind);
            }
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value.trim_ascii().to_owned(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_charset_of_a_content_type_is_read() {
        let table = [
            ("text/html; charset=utf-8", Some("utf-8")),
            ("text/html;charset=UTF-8", Some("UTF-8")),
            ("text/html; CharSet = latin1 ", Some("latin1")),
            ("text/html; charset=\"utf-8\"", Some("utf-8")),
            ("text/html; charset=\"utf-8", Some("utf-8")),
            ("text/html; charset=\"shift\\-jis\"; x", Some("shift-jis")),
            ("text/html; charset=\"a;b\"", Some("a;b")),
            ("text/html; x=\"; charset=no\"; charset=yes", Some("yes")),
            ("text/html; x; charset=a; charset=b", Some("a")),
            ("text/html; charset=; charset=b", Some("b")),
            ("text/html;; ; charset=a", Some("a")),
            ("; charset=a", Some("a")),
            ("text/html; charset='a'", Some("'a'")),
            ("text/html; xcharset=a", None),
            ("text/html; charset", None),
            ("text/html; charset=", None),
            ("text/html; charset=\"", None),
            ("text/html; charset=\"\\", None),
            ("text/html", None),
            ("charset=a", None),
            ("", None),
        ];
        for (content_type, expected) in table {
            let label = charset_label(&HeaderValue::from_static(content_type));
            assert_eq!(label.as_deref(), expected, "{content_type}");
        }
        let latin1 = HeaderValue::from_bytes(b"text/\xfc; charset=\xfc").unwrap();
        assert_eq!(charset_label(&latin1).as_deref(), Some("\u{fffd}"));
    }
}
