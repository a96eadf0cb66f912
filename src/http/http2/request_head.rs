//! Decides what h2 writes for a request before changing it, and then makes the head for h2.

use std::mem;

use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Uri, Version,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body::Body;

use crate::{
    connect::ConnectInfo,
    error::{Error, Kind},
    fields::list::all_members,
    fields::{MAX_NAMES, check_room},
    http::{
        hop_headers::{Authorization, HopHeaders},
        prepare::{Codings, Content, RequestKind, SpecialFields, known_length, length_to_declare},
    },
    request_target::{
        forwarded_to,
        http2::{self, NamedOrigin},
        own_host,
    },
    target::{Origin, Proxy, asks_for_upgrade, no_upgrade_over_http2},
};

/// Connection-specific fields (RFC 9113 §8.2.2).
static CONNECTION_SPECIFIC: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// The decisions. Every error of a request occurs here, before it is changed.
pub(super) struct Http2Head {
    /// `None` if the URI is sent as it is and no field has to be removed.
    changes: Option<Box<Changes>>,
    /// The declared length, which the body must have.
    pub(super) length: Option<u64>,
    adds_length: Option<u64>,
    pub(super) kind: RequestKind,
}

/// Changes of the head; boxed, because rarely needed.
struct Changes {
    target: Uri,
    hop: Option<Box<HopHeaders>>,
}

impl Http2Head {
    /// For the connection's origin, or the forward proxy instead.
    pub(super) fn new<B: Body>(
        request: &Request<B>,
        origin: (&Origin, &NamedOrigin),
        info: &ConnectInfo,
    ) -> Result<Self, Error> {
        let (origin, named) = origin;
        let fields = SpecialFields::of(request.headers());
        match Self::quick(request, fields, named, info) {
            Some(quick) => Ok(quick),
            None => Self::general(request, fields, origin, info),
        }
    }

    /// The fast path for a usual request: its URI is sent as it is and no field is special. Same result as
    /// [`general`](Self::general) at a fifth of the cost.
    fn quick<B: Body>(
        request: &Request<B>,
        fields: SpecialFields,
        origin: &NamedOrigin,
        info: &ConnectInfo,
    ) -> Option<Self> {
        let is_plain = info.forwarder().is_none()
            && !fields.any()
            && request.headers().keys_len() < MAX_NAMES
            && origin.is_named_by(request)
            && info.check_request(request.uri()).is_ok();
        if !is_plain {
            return None;
        }
        let (length, kind) = (known_length(request.body()), RequestKind::of(request.method()));
        let adds_length = length_to_declare(length, request.method());
        Some(Self { changes: None, length, adds_length, kind })
    }

    fn general<B: Body>(
        request: &Request<B>,
        fields: SpecialFields,
        origin: &Origin,
        info: &ConnectInfo,
    ) -> Result<Self, Error> {
        if asks_for_upgrade(request) {
            return Err(no_upgrade_over_http2(origin));
        }
        own_host(request.headers())?;
        let (target, hop) = match info.forwarder() {
            None => {
                info.check_request(request.uri())?;
                (http2::target(request, origin)?, HopHeaders::for_origin(request))
            }
            Some(proxy) => forwarded(request, proxy)?,
        };
        check_room(request.headers(), 1 + hop.as_ref().map_or(0, |hop| hop.added_names()))?;
        let content = Content::of(request, fields)?;
        if content.codings == Codings::Others {
            let text =
                format!("asking {origin}: HTTP/2 has no transfer codings but its own frames");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let kind = RequestKind::of(request.method());
        let changes = Some(Box::new(Changes { target, hop }));
        Ok(match kind.is_connect {
            true => Self { changes, length: None, adds_length: None, kind },
            false => {
                let adds_length = content.missing_length(request.method());
                Self { changes, length: content.length(), adds_length, kind }
            }
        })
    }

    /// Makes the head that is sent.
    pub(super) fn apply(&mut self, head: &mut Parts) {
        head.version = Version::HTTP_2;
        let headers = &mut head.headers;
        if let Some(changes) = &mut self.changes {
            head.uri = mem::take(&mut changes.target);
            if let Some(hop) = &mut changes.hop {
                hop.apply(headers);
            }
            strip(headers);
            headers.remove(HOST);
        }
        if let Some(length) = self.adds_length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }

    /// Credentials for the proxy, if they may be renewed after a 407.
    pub(super) fn authorization(&mut self) -> Option<Box<Authorization>> {
        self.changes.take()?.hop?.authorization()
    }
}

/// A connection to a forward proxy serves all origins, so each request names its own.
fn forwarded<B>(
    request: &Request<B>,
    proxy: &Proxy,
) -> Result<(Uri, Option<Box<HopHeaders>>), Error> {
    let origin = forwarded_to(request, proxy)?;
    let target = http2::forwarded_target(request, &origin)?;
    let hop = HopHeaders::for_forwarder(request, &target, &origin, proxy)?;
    Ok((target, hop))
}

/// Removes connection-specific fields from a head or from trailers.
pub(super) fn strip(headers: &mut HeaderMap) {
    strip_named_by_connection(headers);
    for name in &CONNECTION_SPECIFIC {
        headers.remove(name);
    }
    strip_te(headers);
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = all_members(headers, CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        // `Connection` has to name `TE` (RFC 9110 §10.1.4), which `strip_te` then decides on.
        .filter(|name| *name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// `TE` may only contain `trailers` (RFC 9113 §8.2.2).
fn strip_te(headers: &mut HeaderMap) {
    if !headers.contains_key(TE) {
        return;
    }
    let wants_trailers =
        all_members(headers, TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    headers.remove(TE);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use http_body_util::{Empty, Full};
    use proptest::prelude::*;

    use super::*;

    const URLS: [&str; 14] = [
        "http://example.org/",
        "http://example.org",
        "http://example.org/a/b?c=d",
        "http://example.org?only=query",
        "http://example.org#fragment",
        "http://example.org/\u{e4}",
        "http://EXAMPLE.org/",
        "http://example.org:80/",
        "http://example.org:8080/",
        "https://example.org/",
        "http://[fe80::1%25eth0]/",
        "ws://example.org/",
        "/path",
        "*",
    ];
    const FIELDS: [(&str, &str); 16] = [
        ("accept", "*/*"),
        ("user-agent", "test"),
        ("expect", "100-continue"),
        ("x-any", "1"),
        ("host", "other.example"),
        ("content-length", "5"),
        ("content-length", "7"),
        ("te", "trailers"),
        ("te", "gzip"),
        ("connection", "x-any"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("proxy-authorization", "Basic eA=="),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
        ("http2-settings", "AA"),
    ];
    const METHODS: [Method; 6] =
        [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::CONNECT, Method::DELETE];

    /// The head that a plan makes of a request, and the length that its body is held to.
    fn applied<B: Body>(mut plan: Http2Head, request: Request<B>) -> (String, Option<u64>) {
        let (mut head, _) = request.into_parts();
        let length = plan.length;
        plan.apply(&mut head);
        // As h2 writes it.
        let path = head.uri.path_and_query().map(|path| path.as_str().to_owned());
        let head = (head.method, head.uri.scheme_str(), head.uri.authority(), path, head.headers);
        (format!("{head:?}"), length)
    }

    fn compare<B: Body + Clone>(request: &Request<B>, origin: &Origin, info: &ConnectInfo) -> bool {
        let named = NamedOrigin::new(origin);
        let fields = SpecialFields::of(request.headers());
        let Some(quick) = Http2Head::quick(request, fields, &named, info) else { return false };
        let general = Http2Head::general(request, fields, origin, info).unwrap();
        assert_eq!(applied(quick, request.clone()), applied(general, request.clone()));
        true
    }

    proptest! {
        #[test]
        fn the_quick_plan_is_the_general_one(
            url in prop::sample::select(&URLS[..]),
            origin in prop::sample::select(&["http://example.org", "http://example.org:8080", "https://example.org", "ws://example.org", "http://[fe80::1%25eth0]"][..]),
            method in prop::sample::select(&METHODS[..]),
            fields in prop::collection::vec(prop::sample::select(&FIELDS[..]), 0..3),
            content in prop::option::of(prop::sample::select(&["", "12345"][..])),
            is_encrypted: bool,
        ) {
            let mut builder = Request::builder().method(method).uri(url);
            for (name, value) in fields {
                builder = builder.header(name, value);
            }
            let origin = Origin::try_from(&origin.parse::<Uri>().unwrap()).unwrap();
            let info = match is_encrypted {
                true => ConnectInfo::default().with_encryption(),
                false => ConnectInfo::default(),
            };
            match content {
                None => compare(&builder.body(Empty::<bytes::Bytes>::new()).unwrap(), &origin, &info),
                Some(text) => compare(&builder.body(Full::new(bytes::Bytes::from(text))).unwrap(), &origin, &info),
            };
        }
    }

    #[test]
    fn a_url_with_a_query_and_no_path_is_not_sent_as_it_is() {
        let origin = Origin::try_from(&Uri::from_static("http://example.org")).unwrap();
        let request = Request::get("http://example.org?only=query");
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        assert!(!compare(&request, &origin, &ConnectInfo::default()));
    }

    #[test]
    fn most_requests_have_the_quick_plan() {
        let origin = Origin::try_from(&Uri::from_static("http://example.org")).unwrap();
        for url in ["http://example.org/", "http://example.org/a/b?c=d"] {
            let builder = Request::get(url).header("accept", "*/*").header("cookie", "a=b");
            let request = builder.body(Empty::<bytes::Bytes>::new()).unwrap();
            assert!(compare(&request, &origin, &ConnectInfo::default()), "{url}");
            let request = request.map(|_| Full::new(bytes::Bytes::from_static(b"12345")));
            assert!(compare(&request, &origin, &ConnectInfo::default()), "{url}");
        }
    }
}
