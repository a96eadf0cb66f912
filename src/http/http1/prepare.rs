//! Decides what is written for a request, before anything of it is changed or written.

use std::io::Write;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use http_body::Body;

use super::head::RequestKind;
use crate::{
    body::{Codings, codings, declared_length},
    error::{Error, Kind},
    fields::check_room,
    http::hop_headers::HopHeaders,
    request_target::{connect_protocol, http1, own_host},
    target::{Origin, Proxy},
};

/// The peer that reads a request.
pub(super) struct Recipient<'a> {
    pub(super) origin: &'a Origin,
    /// The proxy that reads it first, to forward it.
    pub(super) forwarder: Option<&'a Proxy>,
    /// It showed that it speaks no later version than HTTP/1.0.
    pub(super) is_http10: bool,
}

/// What is written for a request. All errors that a request can cause come before one of these exists.
pub(super) struct Prepared {
    /// `None` if it is the path of the URL as it stands.
    target: Option<Uri>,
    host: Host,
    framing: RequestFraming,
    /// The body is empty, so its codings are left out.
    strips_codings: bool,
    /// The caller's last coding is not `chunked`, which is added.
    adds_chunked: bool,
    pub(super) kind: RequestKind,
    pub(super) body: BodyPlan,
    pub(super) hop: Option<Box<HopHeaders>>,
}

/// How the body is sent.
#[derive(Debug, Default)]
pub(super) struct BodyPlan {
    /// The length it has to keep to.
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    /// It is declared to be empty and does not say itself that it is, so it is read to make sure.
    pub(super) must_be_empty: bool,
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

/// The framing field that the caller did not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestFraming {
    None,
    Length(u64),
    Chunked,
}

/// Which of the fields that matter a request has: one look at each name in place of a look-up for each field.
#[derive(Default)]
struct Present {
    host: bool,
    length: bool,
    codings: bool,
    connection: bool,
    upgrade: bool,
    trailer: bool,
    /// A field that is meant for the next hop alone.
    hop: bool,
}

/// Fields that are added to a request at the most: `Host`, and one for the framing.
const ADDED: usize = 2;

/// Room for a usual head: its connection keeps the buffer.
const HEAD: usize = 512;

impl Prepared {
    pub(super) fn of<B: Body>(
        request: &Request<B>,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Error> {
        let present = Present::of(request.headers());
        match Self::quick(request, &present, recipient) {
            Some(quick) => Ok(quick),
            None => Self::general(request, &present, recipient),
        }
    }

    /// For a request without a body, of which the URL says what is sent and no field has a meaning on the way, as of most.
    /// It is the [general](Self::general) answer, at half the cost.
    fn quick<B: Body>(
        request: &Request<B>,
        present: &Present,
        recipient: &Recipient<'_>,
    ) -> Option<Self> {
        let is_plain = recipient.forwarder.is_none()
            && !present.any()
            && request.body().is_end_stream()
            && http1::is_path_as_written(request)
            && check_room(request.headers(), ADDED).is_ok();
        if !is_plain {
            return None;
        }
        let has_meaning = has_meaning(request.method());
        Some(Self {
            target: None,
            host: Host::Usual,
            framing: if has_meaning { RequestFraming::Length(0) } else { RequestFraming::None },
            strips_codings: false,
            adds_chunked: false,
            kind: RequestKind {
                is_head: *request.method() == Method::HEAD,
                ..RequestKind::default()
            },
            body: BodyPlan::default(),
            hop: None,
        })
    }

    fn general<B: Body>(
        request: &Request<B>,
        present: &Present,
        recipient: &Recipient<'_>,
    ) -> Result<Self, Error> {
        if let Some(protocol) = connect_protocol(request) {
            let (origin, protocol) = (recipient.origin.authority_form(), protocol.as_str());
            let text = format!("asking {origin} for `{protocol}` by CONNECT: HTTP/1.1 has no such");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let headers = request.headers();
        let target = target(request, recipient)?;
        let host = host(request, present, recipient)?;
        let hop = hop_headers(request, present, target.as_ref(), recipient)?;
        check_room(headers, ADDED + hop.as_ref().map_or(0, |hop| hop.added_names()))?;
        let (size, is_empty) = (request.body().size_hint(), request.body().is_end_stream());
        let declared = if present.length { declared_length(headers, &size)? } else { None };
        let codings = if present.codings { codings(headers)? } else { Codings::None };
        let strips_codings = codings != Codings::None && is_empty;
        let framing = framing(request, present, strips_codings)?;
        let length = declared.or(size.exact());
        let has_codings = codings != Codings::None;
        if recipient.is_http10 && !is_empty && (length.is_none() || has_codings) {
            let message = "the server speaks HTTP/1.0, which has no bodies of unknown length";
            return Err(Error::new(Kind::Protocol, message));
        }
        let is_chunked = framing == RequestFraming::Chunked || has_codings && !strips_codings;
        let body = BodyPlan {
            length,
            is_chunked,
            must_be_empty: length == Some(0) && !is_empty && !has_codings,
            trailers: if is_chunked && present.trailer {
                announced(headers)
            } else {
                Box::default()
            },
        };
        let adds_chunked = is_chunked && has_codings && !ends_in_chunked(headers);
        let kind = request_kind(request, present);
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
            // A Vec takes everything.
            Some(target) => drop(write!(out, "{target}")),
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        match &self.host {
            Host::Own => {}
            Host::Usual => put(out, "host", usual_host.as_bytes()),
            Host::Other(host) => put(out, "host", host.as_bytes()),
        }
        let changed = self.hop.as_ref().map(|hop| {
            let mut headers = request.headers().clone();
            hop.put_into(&mut headers);
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
        for (name, value) in headers {
            if self.strips_codings && *name == TRANSFER_ENCODING {
                continue;
            }
            put(out, name.as_str(), value.as_bytes());
            if self.adds_chunked && *name == TRANSFER_ENCODING {
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
                put(out, "content-length", b"");
                out.truncate(out.len() - 2);
                drop(write!(out, "{length}\r\n"));
            }
            RequestFraming::Chunked => put(out, "transfer-encoding", b"chunked"),
        }
    }
}

impl Present {
    fn of(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        if headers.is_empty() {
            return present;
        }
        for name in headers.keys() {
            present.host |= *name == HOST;
            present.length |= *name == CONTENT_LENGTH;
            present.codings |= *name == TRANSFER_ENCODING;
            present.connection |= *name == CONNECTION;
            present.upgrade |= *name == UPGRADE;
            present.trailer |= *name == TRAILER;
            present.hop |= name.as_str().starts_with("proxy-");
        }
        present
    }

    fn any(&self) -> bool {
        let Self { host, length, codings, connection, upgrade, trailer, hop } = *self;
        host || length || codings || connection || upgrade || trailer || hop
    }
}

/// The request target (RFC 9112 §3.2), if it is not the path of the URL as it stands.
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
    present: &Present,
    recipient: &Recipient<'_>,
) -> Result<Host, Error> {
    if present.host && own_host(request.headers())?.is_some() {
        return Ok(Host::Own);
    }
    Ok(match http1::unusual_host(request, recipient.origin)? {
        Some(host) => Host::Other(host),
        None => Host::Usual,
    })
}

fn hop_headers<B>(
    request: &Request<B>,
    present: &Present,
    target: Option<&Uri>,
    recipient: &Recipient<'_>,
) -> Result<Option<Box<HopHeaders>>, Error> {
    match (recipient.forwarder, target) {
        (Some(proxy), Some(target)) => {
            HopHeaders::for_forwarder(request, target, recipient.origin, proxy)
        }
        _ if present.hop => Ok(HopHeaders::for_origin(request)),
        _ => Ok(None),
    }
}

fn request_kind<B>(request: &Request<B>, present: &Present) -> RequestKind {
    let closes = |value: &HeaderValue| {
        let mut tokens = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        tokens.any(|token| token.eq_ignore_ascii_case(b"close"))
    };
    RequestKind {
        is_head: *request.method() == Method::HEAD,
        is_connect: *request.method() == Method::CONNECT,
        upgrades: present.upgrade,
        closes: present.connection && request.headers().get_all(CONNECTION).iter().any(closes),
    }
}

fn framing<B: Body>(
    request: &Request<B>,
    present: &Present,
    strips_codings: bool,
) -> Result<RequestFraming, Error> {
    let (method, body) = (request.method(), request.body());
    let is_empty = body.is_end_stream() || body.size_hint().exact() == Some(0);
    if !is_empty && *method == Method::CONNECT {
        return Err(Error::builder(
            "a CONNECT request has no body: the tunnel comes with the answer",
        ));
    }
    if present.length || present.codings && !strips_codings {
        return Ok(RequestFraming::None);
    }
    let has_meaning = has_meaning(method);
    Ok(match body.size_hint().exact() {
        _ if is_empty && has_meaning => RequestFraming::Length(0),
        _ if is_empty => RequestFraming::None,
        Some(length) => RequestFraming::Length(length),
        None => RequestFraming::Chunked,
    })
}

/// Whether a request of this method has a body by what it means, so that an empty one is declared (RFC 9110 §8.6).
fn has_meaning(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Whether the last coding is `chunked`; the codings are [valid](codings), so it stands nowhere else.
fn ends_in_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back();
    last.and_then(|last| last.as_bytes().rsplit(|byte| *byte == b',').next())
        .is_some_and(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

fn announced(headers: &HeaderMap) -> Box<[HeaderName]> {
    let values = headers.get_all(TRAILER).iter();
    let names = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    names.filter_map(|name| name.trim().parse().ok()).collect()
}

pub(super) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Puts a field with its name written as `Content-Length`.
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
mod tests {
    use super::*;
    use crate::{Body, request_target::RawTarget};

    const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "CONNECT", "odd"];
    const URLS: [&str; 6] = [
        "http://a.example/",
        "http://a.example",
        "http://a.example/b?c=d",
        "http://a.example?only=query",
        "http://a.example/\u{e9}",
        "/path",
    ];
    const FIELDS: [(&str, &str); 10] = [
        ("accept", "*/*"),
        ("host", "b.example"),
        ("content-length", "0"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("upgrade", "x"),
        ("trailer", "x"),
        ("proxy-authorization", "secret"),
        ("expect", "100-continue"),
        ("x-own", "1"),
    ];

    fn shown(request: &Request<Body>, prepared: &Prepared, host: &HeaderValue) -> String {
        let mut head = Vec::new();
        prepared.write(request, host, &mut head, false);
        let Prepared { kind, body: BodyPlan { is_chunked, must_be_empty, .. }, .. } = prepared;
        format!("{} {kind:?} {is_chunked} {must_be_empty}", String::from_utf8_lossy(&head))
    }

    #[test]
    fn the_quick_answer_is_the_general_one() {
        let origin = Origin::try_from(&"http://a.example/".parse().unwrap()).unwrap();
        let host = http1::usual_host(&origin).unwrap();
        let (mut quick_ones, mut all) = (0, 0);
        for (method, url) in METHODS.iter().flat_map(|it| URLS.map(|url| (it, url))) {
            for fields in 0..1 << FIELDS.len() {
                let mut request = Request::builder().method(*method).uri(url);
                for (at, (name, value)) in FIELDS.iter().enumerate() {
                    if fields & (1 << at) != 0 {
                        request = request.header(*name, *value);
                    }
                }
                let mut request = request.body(Body::empty()).unwrap();
                if fields % 7 == 3 {
                    request.extensions_mut().insert("*".parse::<RawTarget>().unwrap());
                }
                let recipient = Recipient { origin: &origin, forwarder: None, is_http10: false };
                let present = Present::of(request.headers());
                all += 1;
                let Some(quick) = Prepared::quick(&request, &present, &recipient) else { continue };
                quick_ones += 1;
                let general = Prepared::general(&request, &present, &recipient).unwrap();
                let shown = [quick, general].map(|it| shown(&request, &it, &host));
                assert_eq!(shown[0], shown[1]);
            }
        }
        assert!(quick_ones > 100 && quick_ones < all / 10, "{quick_ones} of {all}");
    }
}
