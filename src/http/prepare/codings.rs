//! Validates a request's `Transfer-Encoding` (RFC 9112 §6.1, §7).

use http::{HeaderMap, header::TRANSFER_ENCODING};

use crate::{
    error::Error,
    fields::{is_tchar, list::members},
};

/// The codings that the caller declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codings {
    None,
    /// Only `chunked`.
    Chunked,
    /// Others before or instead of it: the body is encoded already.
    Others,
}

/// The declared codings, if valid: each is a token, and `chunked` comes last and once.
///
/// If `chunked` is missing, the writer of the request adds it.
pub(crate) fn codings(headers: &HeaderMap) -> Result<Codings, Error> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(Codings::None);
    }
    let (mut count, mut is_chunked) = (0, false);
    for line in headers.get_all(TRANSFER_ENCODING) {
        for coding in members(line.as_bytes()) {
            if is_chunked {
                return Err(wrong("`chunked` is not the last of its codings"));
            }
            is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            if !is_chunked {
                check(coding)?;
            }
            count += 1;
        }
    }
    Ok(if is_chunked && count == 1 { Codings::Chunked } else { Codings::Others })
}

/// Validates a coding other than `chunked`.
fn check(coding: &[u8]) -> Result<(), Error> {
    let mut parts = coding.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    if !is_token(name) {
        return Err(wrong("one of its codings is not a token"));
    }
    if !parts.all(is_parameter) {
        return Err(wrong("one of its codings has an invalid parameter"));
    }
    if name.eq_ignore_ascii_case(b"chunked") {
        return Err(wrong("`chunked` has no parameters"));
    }
    if name.eq_ignore_ascii_case(b"identity") {
        return Err(wrong("`identity` is no coding (RFC 9112 §7)"));
    }
    Ok(())
}

/// A `transfer-parameter` (RFC 9112 §7).
///
/// A quoted value has no comma, semicolon, quote, backslash or byte beyond ASCII, though the grammar allows them: a receiver
/// that reads them otherwise than its neighbour would find another framing.
fn is_parameter(parameter: &[u8]) -> bool {
    let Some(equals) = parameter.iter().position(|byte| *byte == b'=') else { return false };
    let value = parameter[equals + 1..].trim_ascii_start();
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    is_token(parameter[..equals].trim_ascii_end())
        && quoted.map_or_else(|| is_token(value), |text| text.iter().all(|byte| is_plain(*byte)))
}

/// What every receiver takes for text within quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~') && !b"\"\\,;".contains(&byte)
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

fn wrong(why: &str) -> Error {
    Error::builder(format!("`Transfer-Encoding` of the request: {why}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn chunked_comes_last_and_once() {
        let table: [(&[&'static str], Option<Codings>); 33] = [
            (&[], Some(Codings::None)),
            (&["chunked"], Some(Codings::Chunked)),
            (&[" Chunked\t"], Some(Codings::Chunked)),
            (&["gzip, chunked"], Some(Codings::Others)),
            (&["gzip", "chunked"], Some(Codings::Others)),
            (&["x-own;level=\"9\" , chunked"], Some(Codings::Others)),
            (&["gzip"], Some(Codings::Others)),
            (&["chunked, gzip"], None),
            (&["chunked", "gzip"], None),
            (&["chunked, chunked"], None),
            (&["chunked", "chunked"], None),
            (&["chunked, identity"], None),
            (&["identity"], None),
            (&["chunked;a=b"], None),
            (&[""], None),
            (&["chunked,"], None),
            (&[", chunked"], None),
            (&["x;a=1 ; b = \"c d\"", "chunked"], Some(Codings::Others)),
            (&["x;"], None),
            (&["x;a"], None),
            (&["x;=1"], None),
            (&["x;a="], None),
            (&["x;a=\""], None),
            (&["x;a=\"b, chunked"], None),
            (&["x;a=\"b, chunked\""], None),
            (&["x;a=\"b\\\", chunked"], None),
            (&["x;a=\"b\"c\", chunked"], None),
            (&["x;a=\"b;c\", chunked"], None),
            (&["x;a=\"\u{e9}\", chunked"], None),
            (&["x;\u{e9}", "chunked"], None),
            (&["gzip chunked"], None),
            (&["\"chunked\""], None),
            (&["chunked\u{e9}"], None),
        ];
        for (lines, expected) in table {
            let values = lines.iter().map(|line| HeaderValue::from_bytes(line.as_bytes()).unwrap());
            let headers = values.map(|value| (TRANSFER_ENCODING, value)).collect();
            let found = codings(&headers).inspect_err(|error| assert!(error.is_builder()));
            assert_eq!(found.ok(), expected, "{lines:?}");
        }
    }
}
