//! Makes of a request's head what h2 is to write.

use std::mem;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE},
    request::Parts,
};
use http_body::Body;

use crate::{
    body::{Codings, codings, declared_length},
    connect::ConnectInfo,
    error::{Error, Kind},
    fields::check_room,
    http::hop_headers::{Authorization, HopHeaders},
    request_target::{forwarded_to, http2, own_host},
    target::{Origin, Proxy, asks_for_upgrade, no_upgrade_over_http2},
};

/// What is said to one connection and not to the next (RFC 9113 §8.2.2).
const CONNECTION_SPECIFIC: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// All that can go wrong with a request goes wrong before it is changed.
pub(super) struct Plan {
    target: Uri,
    hop: Option<Box<HopHeaders>>,
    /// The length that the body is held to.
    pub(super) length: Option<u64>,
    adds_length: Option<u64>,
}

impl Plan {
    /// For the origin that the connection was made for, or the proxy in its place.
    pub(super) fn new<B: Body>(
        request: &Request<B>,
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
        let (headers, body) = (request.headers(), request.body());
        check_room(headers, 1 + hop.as_ref().map_or(0, |hop| hop.added_names()))?;
        let declared = declared_length(headers, &body.size_hint())?;
        if codings(headers)? == Codings::Others {
            let text =
                format!("asking {origin}: HTTP/2 has no transfer codings but its own frames");
            return Err(Error::new(Kind::Unsupported, text));
        }
        if request.method() == Method::CONNECT {
            if !body.is_end_stream() {
                let message = "a CONNECT request has no body: the tunnel comes with the answer";
                return Err(Error::builder(message));
            }
            return Ok(Self { target, hop, length: None, adds_length: None });
        }
        let known = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        let is_worth_saying = |length: &u64| *length > 0 || has_content(request.method());
        let adds_length = if declared.is_none() { known.filter(is_worth_saying) } else { None };
        Ok(Self { target, hop, length: declared.or(known), adds_length })
    }

    /// Makes the head one that is sent.
    pub(super) fn apply(&mut self, head: &mut Parts) {
        head.uri = mem::take(&mut self.target);
        let headers = &mut head.headers;
        if let Some(hop) = &mut self.hop {
            hop.put_into(headers);
        }
        strip(headers);
        headers.remove(HOST);
        if let Some(length) = self.adds_length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    }

    /// What a proxy is told about us, if it may be told something else.
    pub(super) fn authorization(self) -> Option<Box<Authorization>> {
        self.hop?.authorization()
    }
}

/// One connection is for requests to all origins, so each says itself which it is.
fn forwarded<B>(
    request: &Request<B>,
    proxy: &Proxy,
) -> Result<(Uri, Option<Box<HopHeaders>>), Error> {
    let origin = forwarded_to(request, proxy)?;
    let target = http2::forwarded_target(request, &origin)?;
    let hop = HopHeaders::for_forwarder(request, &target, &origin, proxy)?;
    Ok((target, hop))
}

/// Without content these say so (RFC 9110 §8.6).
fn has_content(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Takes out what does not go over HTTP/2, of a head or of trailers.
pub(super) fn strip(headers: &mut HeaderMap) {
    strip_named_by_connection(headers);
    for name in &CONNECTION_SPECIFIC {
        headers.remove(name);
    }
    strip_te(headers);
}

fn strip_named_by_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != TE)
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// That trailers are welcome is all that `TE` may say.
fn strip_te(headers: &mut HeaderMap) {
    if !headers.contains_key(TE) {
        return;
    }
    let wants_trailers = headers
        .get_all(TE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|codings| codings.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("trailers"));
    headers.remove(TE);
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}
