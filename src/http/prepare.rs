//! Decides how a request declares its content, for either version, before it is changed or written.

use http::{HeaderMap, Method, Request, header::CONTENT_LENGTH, header::TRANSFER_ENCODING};
use http_body::{Body, SizeHint};

use crate::error::Error;

mod codings;

pub(super) use codings::Codings;
use codings::codings;

/// The fields with a meaning for the connection that a request has: one pass over the names instead of a look-up for each
/// field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SpecialFields {
    pub(super) host: bool,
    pub(super) length: bool,
    pub(super) codings: bool,
    pub(super) connection: bool,
    pub(super) upgrade: bool,
    pub(super) trailer: bool,
    /// A field for the next hop only.
    pub(super) hop: bool,
    /// A field that HTTP/2 does not carry unchanged.
    pub(super) other: bool,
}

/// The facts about a request that decide how its response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestKind {
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    /// It has `Upgrade`.
    pub(super) upgrades: bool,
    /// It has `Connection: close`.
    pub(super) closes: bool,
}

/// The declared and the known length of a request's content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    declared: Option<u64>,
    /// The length of the body, if it knows it.
    known: Option<u64>,
    pub(super) codings: Codings,
}

impl SpecialFields {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut fields = Self::default();
        if headers.is_empty() {
            return fields;
        }
        for name in headers.keys() {
            match name.as_str() {
                "host" => fields.host = true,
                "content-length" => fields.length = true,
                "transfer-encoding" => fields.codings = true,
                "connection" => fields.connection = true,
                "upgrade" => fields.upgrade = true,
                "trailer" => fields.trailer = true,
                "te" | "keep-alive" | "http2-settings" => fields.other = true,
                // More than the two that matter: a false hit only takes the general path.
                name => fields.hop |= name.starts_with("proxy-"),
            }
        }
        fields
    }

    pub(super) fn any(self) -> bool {
        self != Self::default()
    }
}

impl RequestKind {
    /// By the method only.
    pub(super) fn of(method: &Method) -> Self {
        let (is_head, is_connect) = (*method == Method::HEAD, *method == Method::CONNECT);
        Self { is_head, is_connect, ..Self::default() }
    }
}

impl Content {
    /// An error if the fields contradict each other or the body, or if a `CONNECT` or a `TRACE` has a body.
    pub(super) fn of<B: Body>(request: &Request<B>, fields: SpecialFields) -> Result<Self, Error> {
        let (headers, body) = (request.headers(), request.body());
        let known = known_length(body);
        let size = known.map_or_else(|| body.size_hint(), SizeHint::with_exact);
        let declared = if fields.length { declared_length(headers, &size)? } else { None };
        let codings = if fields.codings { codings(headers)? } else { Codings::None };
        let why_none = match *request.method() {
            Method::CONNECT => {
                Some("a CONNECT request has no body: the tunnel comes with the answer")
            }
            // What reflects it would show whatever it holds.
            Method::TRACE => Some("a TRACE request has no body (RFC 9110 §9.3.8)"),
            _ => None,
        };
        if let Some(why) = why_none
            && !body.is_end_stream()
        {
            return Err(Error::builder(why));
        }
        Ok(Self { declared, known, codings })
    }

    /// The length that the body must have.
    pub(super) fn length(&self) -> Option<u64> {
        self.declared.or(self.known)
    }

    /// The length to declare, if the caller declared none.
    pub(super) fn missing_length(&self, method: &Method) -> Option<u64> {
        if self.declared.is_some() { None } else { length_to_declare(self.known, method) }
    }
}

/// The length of a body, if it knows it.
pub(super) fn known_length<B: Body>(body: &B) -> Option<u64> {
    if body.is_end_stream() { Some(0) } else { body.size_hint().exact() }
}

/// An empty body is declared only where the method gives content a meaning (RFC 9110 §8.6).
pub(super) fn length_to_declare(length: Option<u64>, method: &Method) -> Option<u64> {
    let has_meaning = || matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    length.filter(|length| *length > 0 || has_meaning())
}

/// The declared length, checked against the body's size hint (RFC 9112 §6.2). Two equal ones are an error too: a sender
/// sends one (RFC 9110 §8.6), and servers refuse more.
fn declared_length(headers: &HeaderMap, body: &SizeHint) -> Result<Option<u64>, Error> {
    let mut declared = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let text = value.to_str().unwrap_or_default();
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let Some(length) = text.parse::<u64>().ok().filter(|_| digits) else {
            return Err(Error::builder(format!("Content-Length {value:?} is not a length")));
        };
        if declared.is_some() {
            return Err(Error::builder("the request has two Content-Length"));
        }
        declared = Some(length);
    }
    let Some(length) = declared else { return Ok(None) };
    if headers.contains_key(TRANSFER_ENCODING) {
        let message = "the request has both Content-Length and Transfer-Encoding";
        return Err(Error::builder(message));
    }
    if length < body.lower() || body.upper().is_some_and(|upper| length > upper) {
        let message = format!("Content-Length says {length}, the body has another length");
        return Err(Error::builder(message));
    }
    Ok(Some(length))
}
