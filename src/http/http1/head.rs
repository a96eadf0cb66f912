//! Parses the head of a response, and derives the framing of its body (RFC 9112 §4–§6).

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use httparse::{Header, ParserConfig, Status};

use super::{config::HeadLimits, copies::Copies};
use crate::{fields::list::members, http::prepare::RequestKind};

/// The head of a response, and the framing of what follows.
#[derive(Debug)]
pub(in crate::http) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// The reason phrase, if it is not the canonical one.
    pub(super) reason: Option<Bytes>,
    pub(super) framing: Framing,
    /// The peer keeps the connection open.
    pub(super) keeps_alive: bool,
    /// The seconds of `Keep-Alive: timeout`.
    pub(super) keep_alive: Option<u64>,
    /// Bytes of the head, and of the body that came with it.
    pub(super) length: usize,
    /// The whole body, if it came with the head and is short.
    pub(super) body: Option<Bytes>,
}

/// What ends a body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    /// The end of the connection.
    Close,
    /// Another protocol follows.
    Upgrade,
}

/// Why a head is malformed.
pub(in crate::http) type Malformed = &'static str;

/// A body up to this size is copied together with its head, so that the buffer can be reused.
const COPIED: usize = 4 * 1024;
/// The number of fields that are parsed without an allocation.
const FIELDS: usize = 100;

/// Reused memory for a head.
pub(super) struct HeadRoom<'a> {
    /// An empty map.
    pub(super) headers: &'a mut HeaderMap,
    pub(super) copies: &'a mut Copies,
}

/// Parses the head at the start of `bytes`; `None` if it is incomplete.
pub(super) fn parse(
    bytes: &[u8],
    kind: RequestKind,
    limits: HeadLimits,
    room: HeadRoom<'_>,
) -> Result<Option<Head>, Malformed> {
    if limits.fields <= FIELDS {
        let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; FIELDS];
        return parse_into(bytes, kind, &mut fields[..limits.fields], room);
    }
    let mut fields: Vec<MaybeUninit<Header<'_>>> = Vec::new();
    fields.resize_with(limits.fields, MaybeUninit::uninit);
    parse_into(bytes, kind, &mut fields, room)
}

fn parse_into<'b>(
    bytes: &'b [u8],
    kind: RequestKind,
    fields: &mut [MaybeUninit<Header<'b>>],
    room: HeadRoom<'_>,
) -> Result<Option<Head>, Malformed> {
    let mut config = ParserConfig::default();
    config.allow_obsolete_multiline_headers_in_responses(true);
    let mut parsed = httparse::Response::new(&mut []);
    let length = match config.parse_response_with_uninit_headers(&mut parsed, bytes, fields) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(describe(error)),
    };
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or("it has no status")?;
    let is_http11 = parsed.version == Some(1);
    // HTTP/1.1 persists by default, HTTP/1.0 only by `keep-alive` (RFC 9112 §9.3).
    let mut framing_fields = FramingFields { keeps_alive: is_http11, ..FramingFields::default() };
    parsed.headers.iter().for_each(|field| framing_fields.read(field));
    let framing = framing_fields.framing(status, kind, is_http11)?;
    let body = match framing {
        Framing::Length(body) if body <= (bytes.len() - length).min(COPIED) as u64 => body as usize,
        _ => 0,
    };
    // One copy of everything; values and body are slices of it.
    let copy = room.copies.copy(&bytes[..length + body]);
    let headers = headers(&copy, bytes, parsed.headers, std::mem::take(room.headers))?;
    let keep_alive = framing_fields.has_keep_alive.then(|| keep_alive_seconds(&headers)).flatten();
    let reason = parsed.reason.filter(|reason| Some(*reason) != status.canonical_reason());
    Ok(Some(Head {
        status,
        version: if is_http11 { Version::HTTP_11 } else { Version::HTTP_10 },
        reason: reason.map(|reason| Bytes::copy_from_slice(reason.as_bytes())),
        framing,
        keeps_alive: framing_fields.keeps_alive && !framing_fields.closes,
        keep_alive,
        length: length + body,
        body: (body > 0).then(|| copy.slice(length..)),
        headers,
    }))
}

/// Builds the fields, whose values lie in `bytes`, as slices of `copy`.
fn headers(
    copy: &Bytes,
    bytes: &[u8],
    fields: &[Header<'_>],
    mut headers: HeaderMap,
) -> Result<HeaderMap, Malformed> {
    const TOO_MANY: &str = "it has more fields than allowed";
    let start = bytes.as_ptr() as usize;
    headers.try_reserve(fields.len()).map_err(|_| TOO_MANY)?;
    for field in fields {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "it has a bad name")?;
        // An empty value may point anywhere, so no offset is computed.
        let value = match field.value {
            [] => Bytes::new(),
            value => {
                // `value` is a slice of `bytes`, so this is its offset.
                let at = value.as_ptr() as usize - start;
                copy.slice(at..at + value.len())
            }
        };
        let value = match HeaderValue::from_maybe_shared(value) {
            Ok(value) => value,
            // Folded lines are the only invalid bytes that the parser accepts.
            Err(_) => HeaderValue::from_maybe_shared(Bytes::from(unfold(field.value)))
                .map_err(|_| "it has a bad value")?,
        };
        headers.try_append(name, value).map_err(|_| TOO_MANY)?;
    }
    Ok(headers)
}

/// Facts in the fields about the framing and the connection.
#[derive(Default)]
struct FramingFields {
    length: Option<u64>,
    has_bad_length: bool,
    codings: usize,
    is_chunked: bool,
    keeps_alive: bool,
    closes: bool,
    has_keep_alive: bool,
}

impl FramingFields {
    /// Reads a folded value unchanged: a framing field with a fold is refused.
    fn read(&mut self, field: &Header<'_>) {
        let name = field.name.as_bytes();
        // By length first: most names match none of these lengths and are not compared.
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in members(field.value) {
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            10 if name.eq_ignore_ascii_case(b"keep-alive") => self.has_keep_alive = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.read_length(field.value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.codings += 1;
                self.is_chunked = field.value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
    }

    /// Several equal lengths count as one (RFC 9112 §6.3).
    fn read_length(&mut self, value: &[u8]) {
        for length in members(value) {
            match decimal(length) {
                Some(length) if self.length.is_none_or(|before| before == length) => {
                    self.length = Some(length);
                }
                _ => self.has_bad_length = true,
            }
        }
    }

    fn framing(
        &self,
        status: StatusCode,
        kind: RequestKind,
        is_http11: bool,
    ) -> Result<Framing, Malformed> {
        // Status and method first: they decide regardless of the fields (RFC 9112 §6.3).
        if status == StatusCode::SWITCHING_PROTOCOLS || kind.is_connect && status.is_success() {
            return Ok(Framing::Upgrade);
        }
        let has_no_body = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
        if status.is_informational() || has_no_body || kind.is_head {
            return Ok(Framing::Empty);
        }
        // Request smuggling (RFC 9112 §11.2): refuse instead of guessing.
        if self.codings > 0 && (self.length.is_some() || self.has_bad_length) {
            return Err("it has both Content-Length and Transfer-Encoding");
        }
        match (self.codings, self.length) {
            (0, _) if self.has_bad_length => Err("its Content-Length is not one length"),
            (0, None) => Ok(Framing::Close),
            (0, Some(length)) => Ok(Framing::Length(length)),
            (1, _) if self.is_chunked && is_http11 => Ok(Framing::Chunked),
            _ if !is_http11 => Err("it has a transfer coding, and HTTP/1.0 has none"),
            _ => Err("it has a transfer coding other than chunked"),
        }
    }
}

/// Parses digits only. Refuses the two largest numbers and what is larger.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    // hyper reserves the last two values.
    (number < u64::MAX - 1).then_some(number)
}

/// Joins the lines of a folded value with a space (RFC 9112 §5.2).
fn unfold(value: &[u8]) -> Vec<u8> {
    let mut joined: Vec<u8> = Vec::with_capacity(value.len());
    for line in value.split(|byte| *byte == b'\n') {
        if !joined.is_empty() {
            joined.push(b' ');
        }
        joined.extend_from_slice(line.trim_ascii());
    }
    joined
}

/// The seconds of `Keep-Alive: timeout=N`, the only parameter in real use.
fn keep_alive_seconds(headers: &HeaderMap) -> Option<u64> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    let hint = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    hint.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_timeout = name.trim().eq_ignore_ascii_case("timeout");
        is_timeout.then(|| value.trim().trim_matches('"').parse().ok()).flatten()
    })
}

/// Parses trailers: fields without a status line (RFC 9112 §7.1.2).
pub(super) fn parse_trailers(bytes: &[u8], limits: HeadLimits) -> Result<HeaderMap, Malformed> {
    let mut fields = vec![httparse::EMPTY_HEADER; limits.fields];
    let Ok(Status::Complete((_, fields))) = httparse::parse_headers(bytes, &mut fields) else {
        return Err("its trailers are malformed");
    };
    let copy = Bytes::copy_from_slice(bytes);
    headers(&copy, bytes, fields, HeaderMap::new())
}

fn describe(error: httparse::Error) -> Malformed {
    match error {
        httparse::Error::TooManyHeaders => "it has more fields than allowed",
        httparse::Error::Version => "it has a version other than 1.0 and 1.1",
        httparse::Error::Status => "it has no status",
        httparse::Error::HeaderName => "it has a bad field name",
        httparse::Error::HeaderValue => "it has a bad field value",
        _ => "its head is malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seconds_of_keep_alive_are_read_and_nothing_else() {
        let table = [
            ("timeout=5", Some(5)),
            ("timeout=5, max=100", Some(5)),
            ("max=100, Timeout = 7", Some(7)),
            ("timeout=\"5\"", Some(5)),
            ("max=100", None),
            ("timeout", None),
            ("timeout=-1", None),
            ("timeout=99999999999999999999999", None),
            ("", None),
        ];
        for (hint, seconds) in table {
            let name = HeaderName::from_static("keep-alive");
            let headers = HeaderMap::from_iter([(name, hint.parse().unwrap())]);
            assert_eq!(keep_alive_seconds(&headers), seconds, "{hint}");
        }
    }

    #[test]
    fn a_length_is_digits_and_leaves_two_numbers_above_it() {
        let table = [
            ("0", Some(0)),
            ("0042", Some(42)),
            ("18446744073709551613", Some(u64::MAX - 2)),
            ("18446744073709551614", None),
            ("18446744073709551615", None),
            ("18446744073709551616", None),
            ("100000000000000000000", None),
            ("", None),
            ("+1", None),
            ("1 ", None),
            ("1a", None),
        ];
        for (digits, number) in table {
            assert_eq!(decimal(digits.as_bytes()), number, "{digits:?}");
        }
    }
}
