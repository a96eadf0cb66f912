//! Decides what is written for a request before it is changed, and writes its head.

use std::io::Write;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, HOST, TRAILER, TRANSFER_ENCODING},
};
use http_body::Body;

use crate::{
    error::{Error, Kind},
    fields::check_room,
    fields::list::{all_members, members},
    http::{
        hop_headers::HopHeaders,
        prepare::{Codings, Content, RequestKind, SpecialFields, length_to_declare},
    },
    request_target::{connect_protocol, http1, own_host},
    target::{Origin, Proxy},
};

/// The peer that reads a request.
pub(super) struct Recipient<'a> {
    pub(super) origin: &'a Origin,
    /// The forward proxy that reads it first.
    pub(super) forwarder: Option<&'a Proxy>,
    /// It speaks HTTP/1.0 at most.
    pub(super) is_http10: bool,
}

/// The decisions for a request. Every error of a request occurs before this exists.
pub(super) struct Http1Head {
    /// `None` if it is the path of the URI as it stands.
    target: Option<Uri>,
    host: Host,
    framing: RequestFraming,
    /// The body is empty, so `Transfer-Encoding` is omitted.
    strips_codings: bool,
    /// `chunked` is added after the caller's last coding.
    adds_chunked: bool,
    pub(super) kind: RequestKind,
    pub(super) body: BodyPlan,
    pub(super) hop: Option<Box<HopHeaders>>,
}

/// How the body is sent.
#[derive(Debug, Default)]
pub(super) struct BodyPlan {
    /// The length that it must have.
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    /// Declared empty without saying so itself, so it is polled to make sure.
    pub(super) must_be_empty: bool,
    /// Nothing follows the head: decided once, because a body may end by itself meanwhile.
    pub(super) is_empty: bool,
    /// The trailers that the request announces (RFC 9110 §6.6.2).
    pub(super) trailers: Box<[HeaderName]>,
}

#[derive(Debug)]
enum Host {
    /// The caller set the field.
    Own,
    Usual,
    Other(HeaderValue),
}

/// The framing field to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestFraming {
    None,
    Length(u64),
    Chunked,
}

/// The most fields that are added: `Host` and one for the framing.
const ADDED: usize = 2;

/// Room for a usual head. The connection keeps the buffer.
const HEAD: usize = 512;

impl Http1Head {
    pub(super) fn of<B: Body>(
        request: &Request<B>,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Error> {
        let fields = SpecialFields::of(request.headers());
        match Self::quick(request, fields, recipient) {
            Some(quick) => Ok(quick),
            None => Self::general(request, fields, recipient),
        }
    }

    /// The fast path for a usual request: no body, its URI is sent as it is, and no field is special. Same result as
    /// [`general`](Self::general) at half the cost.
    fn quick<B: Body>(
        request: &Request<B>,
        fields: SpecialFields,
        recipient: &Recipient<'_>,
    ) -> Option<Self> {
        let is_plain = recipient.forwarder.is_none()
            && !fields.any()
            && request.body().is_end_stream()
            && http1::is_path_as_written(request)
            && check_room(request.headers(), ADDED).is_ok();
        if !is_plain {
            return None;
        }
        let missing = length_to_declare(Some(0), request.method());
        Some(Self {
            target: None,
            host: Host::Usual,
            framing: missing.map_or(RequestFraming::None, RequestFraming::Length),
            strips_codings: false,
            adds_chunked: false,
            kind: RequestKind::of(request.method()),
            body: BodyPlan { is_empty: true, ..BodyPlan::default() },
            hop: None,
        })
    }

    fn general<B: Body>(
        request: &Request<B>,
        fields: SpecialFields,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Error> {
        if let Some(protocol) = connect_protocol(request) {
            let (origin, protocol) = (recipient.origin.authority_form(), protocol.as_str());
            let text = format!("asking {origin} for `{protocol}` by CONNECT: HTTP/1.1 has no such");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let headers = request.headers();
        let target = target(request, recipient)?;
        let host = host(request, fields, recipient)?;
        let hop = hop_headers(request, fields, target.as_ref(), recipient)?;
        check_room(headers, ADDED + hop.as_ref().map_or(0, |hop| hop.added_names()))?;
        // Before `Content`: it may end in between, and then has a last chunk.
        let is_empty = request.body().is_end_stream();
        let content = Content::of(request, fields)?;
        let has_codings = content.codings != Codings::None;
        let strips_codings = has_codings && is_empty;
        let length = content.length();
        if recipient.is_http10 && !is_empty && (length.is_none() || has_codings) {
            let message = "the server speaks HTTP/1.0, which has no bodies of unknown length";
            return Err(Error::new(Kind::Protocol, message));
        }
        let framing = framing(request.method(), fields, strips_codings, &content);
        let is_chunked = framing == RequestFraming::Chunked || has_codings && !strips_codings;
        let body = BodyPlan {
            length,
            is_chunked,
            is_empty,
            must_be_empty: length == Some(0) && !is_empty && !has_codings,
            trailers: match is_chunked && fields.trailer {
                true => announced(headers),
                false => Box::default(),
            },
        };
        let adds_chunked = is_chunked && has_codings && !ends_in_chunked(headers);
        let kind = request_kind(request, fields);
        Ok(Self { target, host, framing, strips_codings, adds_chunked, kind, body, hop })
    }

    /// Writes the head, `Host` first (RFC 9110 §7.2).
    pub(super) fn write<B>(
        &self,
        request: &Request<B>,
        usual_host: &HeaderValue,
        out: &mut Vec<u8>,
        title_case: bool,
    ) {
        let put = if title_case { put_title_case } else { put_field };
        out.reserve(HEAD);
        out.extend_from_slice(request.method().as_str().as_bytes());
        out.push(b' ');
        match &self.target {
            None => out.extend_from_slice(path(request.uri()).as_bytes()),
            // Writing to a `Vec` cannot fail.
            Some(target) => drop(write!(out, "{target}")),
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        match &self.host {
            Host::Own => {
                for host in request.headers().get_all(HOST) {
                    put(out, "host", host.as_bytes());
                }
            }
            Host::Usual => put(out, "host", usual_host.as_bytes()),
            Host::Other(host) => put(out, "host", host.as_bytes()),
        }
        let changed = self.hop.as_ref().map(|hop| {
            let mut headers = request.headers().clone();
            hop.apply(&mut headers);
            headers
        });
        self.write_fields(changed.as_ref().unwrap_or(request.headers()), out, put);
        out.extend_from_slice(b"\r\n");
    }

    fn write_fields(
        &self,
        headers: &HeaderMap,
        out: &mut Vec<u8>,
        put: fn(&mut Vec<u8>, &str, &[u8]),
    ) {
        let mut codings = match self.adds_chunked {
            true => headers.get_all(TRANSFER_ENCODING).iter().count(),
            false => usize::MAX,
        };
        let is_own_host = matches!(self.host, Host::Own);
        let skips = self.strips_codings || is_own_host;
        for (name, value) in headers {
            let is_skipped = || {
                self.strips_codings && *name == TRANSFER_ENCODING || is_own_host && *name == HOST
            };
            if skips && is_skipped() {
                continue;
            }
            put(out, name.as_str(), value.as_bytes());
            if self.adds_chunked && *name == TRANSFER_ENCODING {
                // The last of several fields gets the additional coding.
                codings -= 1;
                if codings == 0 {
                    out.truncate(out.len() - 2);
                    out.extend_from_slice(b", chunked\r\n");
                }
            }
        }
        match self.framing {
            RequestFraming::None => {}
            RequestFraming::Length(length) => {
                // `put` ends the line: its end is cut off, to add the number without an allocation.
                put(out, "content-length", b"");
                out.truncate(out.len() - 2);
                drop(write!(out, "{length}\r\n"));
            }
            RequestFraming::Chunked => put(out, "transfer-encoding", b"chunked"),
        }
    }
}

/// The request target (RFC 9112 §3.2); `None` if it is the path of the URI as it stands.
fn target<B>(request: &Request<B>, recipient: &Recipient<'_>) -> Result<Option<Uri>, Error> {
    if recipient.forwarder.is_some() {
        return http1::forwarded_target(request, recipient.origin).map(Some);
    }
    match http1::is_path_as_written(request) {
        true => Ok(None),
        false => http1::target(request, recipient.origin).map(Some),
    }
}

fn path(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

fn host<B>(
    request: &Request<B>,
    fields: SpecialFields,
    recipient: &Recipient<'_>,
) -> Result<Host, Error> {
    if fields.host && own_host(request.headers())?.is_some() {
        return Ok(Host::Own);
    }
    Ok(match http1::unusual_host(request, recipient.origin)? {
        Some(host) => Host::Other(host),
        None => Host::Usual,
    })
}

fn hop_headers<B>(
    request: &Request<B>,
    fields: SpecialFields,
    target: Option<&Uri>,
    recipient: &Recipient<'_>,
) -> Result<Option<Box<HopHeaders>>, Error> {
    match (recipient.forwarder, target) {
        (Some(proxy), Some(target)) => {
            HopHeaders::for_forwarder(request, target, recipient.origin, proxy)
        }
        _ if fields.hop => Ok(HopHeaders::for_origin(request)),
        _ => Ok(None),
    }
}

fn request_kind<B>(request: &Request<B>, fields: SpecialFields) -> RequestKind {
    let closes = |option: &[u8]| option.eq_ignore_ascii_case(b"close");
    RequestKind {
        upgrades: fields.upgrade,
        closes: fields.connection && all_members(request.headers(), CONNECTION).any(closes),
        ..RequestKind::of(request.method())
    }
}

/// The framing field to add, if the caller set none.
fn framing(
    method: &Method,
    fields: SpecialFields,
    strips_codings: bool,
    content: &Content,
) -> RequestFraming {
    if fields.length || fields.codings && !strips_codings {
        return RequestFraming::None;
    }
    match (content.missing_length(method), content.length()) {
        (Some(length), _) => RequestFraming::Length(length),
        (None, Some(_)) => RequestFraming::None,
        (None, None) => RequestFraming::Chunked,
    }
}

/// Whether the last coding is `chunked`; in [valid](codings) codings it stands nowhere else.
fn ends_in_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    last.and_then(|last| members(last.as_bytes()).last())
        .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
}

fn announced(headers: &HeaderMap) -> Box<[HeaderName]> {
    all_members(headers, TRAILER).filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

pub(super) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a field with its name in title case: `Content-Length`.
fn put_title_case(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    let start = out.len();
    put_field(out, name, value);
    let mut begins = true;
    for byte in &mut out[start..start + name.len()] {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = *byte == b'-';
    }
}

#[cfg(test)]
mod tests;
