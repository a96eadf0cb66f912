//! Writes the heads of the parts of a form (RFC 7578, RFC 2046 §5.1). Pure.

use std::{borrow::Cow, fmt::Write};

use http::{HeaderMap, HeaderValue};

use crate::error::Error;

/// RFC 2046 §5.1.1.
const LONGEST_BOUNDARY: usize = 70;

/// Requires a boundary that every reader takes (RFC 2046 §5.1.1). The text is not repeated: it may be of another's making.
pub(super) fn check_boundary(boundary: &str) -> Result<(), Error> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
    let wrong = if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        Some("it has 1 to 70 characters".to_owned())
    } else if boundary.ends_with(' ') {
        Some("it does not end in a space".to_owned())
    } else {
        let wrong = boundary.chars().find(|c| !is_allowed(*c));
        wrong.map(|c| format!("it holds a {c:?}"))
    };
    wrong.map_or(Ok(()), |why| Err(Error::builder(format!("the boundary of the form: {why}"))))
}

/// The `Content-Type` of a form whose boundary is checked.
pub(super) fn content_type(boundary: &str) -> Result<HeaderValue, Error> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "'+_-.".contains(c);
    let quote = if boundary.chars().all(is_token) { "" } else { "\"" };
    let text = format!("multipart/form-data; boundary={quote}{boundary}{quote}");
    HeaderValue::try_from(text)
        .map_err(|error| Error::builder("the boundary of the form is not valid").because(error))
}

/// What stands before the content of a part.
///
/// Name and file name are escaped as browsers do it (WHATWG HTML, "multipart/form-data encoding algorithm"): nothing in them
/// ends a quoted string or a line.
pub(super) fn part_head(
    boundary: &str,
    name: &str,
    file_name: Option<&str>,
    headers: &HeaderMap,
) -> Result<Vec<u8>, Error> {
    let mut head =
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", escaped(name)?);
    if let Some(file_name) = file_name {
        // Writing to a string cannot fail.
        let _ = write!(head, "; filename=\"{}\"", escaped(file_name)?);
    }
    head.push_str("\r\n");
    let mut head = head.into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Ok(head)
}

/// What stands behind the last part.
pub(super) fn end(boundary: &str) -> String {
    format!("--{boundary}--\r\n")
}

/// A NUL is refused: it ends a text for readers in C, so that two readers would see different names.
fn escaped(text: &str) -> Result<Cow<'_, str>, Error> {
    if text.contains('\0') {
        return Err(Error::builder("the name of a part of the form holds a NUL"));
    }
    if !text.contains(['"', '\r', '\n']) {
        return Ok(text.into());
    }
    Ok(text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A").into())
}

/// Whether a content would be read as two parts: it holds the boundary at the beginning of a line.
pub(super) fn holds_boundary(content: &[u8], boundary: &str) -> bool {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The line break before the content belongs to the delimiter, too.
    content.starts_with(&delimiter[2..])
        || content.windows(delimiter.len()).any(|window| window == delimiter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_as_browsers_do_it() {
        let table = [
            ("plain", "plain"),
            ("a\"b", "a%22b"),
            ("a\r\nX: y", "a%0D%0AX: y"),
            ("a\rb\nc", "a%0Db%0Ac"),
            ("ü 😇\t\\'%22", "ü 😇\t\\'%22"),
        ];
        for (name, expected) in table {
            assert_eq!(escaped(name).unwrap(), expected, "{name:?}");
        }
        assert!(escaped("a\0b").unwrap_err().is_builder());
    }

    #[test]
    fn a_boundary_is_one_by_rfc_2046() {
        let longest = "a".repeat(70);
        for boundary in ["a", "----WebKit7MA4YWxk", "a b", "'()+_,-./:=?", &longest] {
            assert!(check_boundary(boundary).is_ok(), "{boundary}");
        }
        let too_long = "a".repeat(71);
        for boundary in
            ["", "a ", "a\r\nX: y", "a\0", "a\"b", "ü", "a;b", "a\\", "a\tb", "a\n", &too_long]
        {
            let error = check_boundary(boundary).unwrap_err();
            assert!(error.is_builder() && !error.to_string().contains("X: y"), "{boundary:?}");
        }
    }

    #[test]
    fn a_boundary_is_quoted_where_it_is_no_token() {
        assert_eq!(content_type("a-b").unwrap(), "multipart/form-data; boundary=a-b");
        assert_eq!(content_type("a b:c").unwrap(), "multipart/form-data; boundary=\"a b:c\"");
    }

    #[test]
    fn a_head_holds_the_fields_of_its_part() {
        let headers = HeaderMap::from_iter([
            (http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
            (http::HeaderName::from_static("x-a"), HeaderValue::from_static("1")),
        ]);
        let head = part_head("B", "f", Some("a.txt"), &headers).unwrap();
        let expected = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
            content-type: text/plain\r\nx-a: 1\r\n\r\n";
        assert_eq!(String::from_utf8(head).unwrap(), expected);
        assert_eq!(end("B"), "--B--\r\n");
    }

    #[test]
    fn a_content_with_the_boundary_in_it_is_found() {
        for content in ["--B", "--Bx", "a\r\n--B--", "\r\n--B"] {
            assert!(holds_boundary(content.as_bytes(), "B"), "{content:?}");
        }
        for content in ["", "B", "-B", "a--B", "a\n--B", "\r\n-B"] {
            assert!(!holds_boundary(content.as_bytes(), "B"), "{content:?}");
        }
    }
}
