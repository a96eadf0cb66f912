//! Makes of a request what hyper is to write, and the other way round if nothing of it was written.

use http::{
    HeaderMap, HeaderValue, Method, Request, Uri, Version,
    header::{CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING},
};
use http_body::Body;

use super::watched::Watched;
use crate::{
    body::{Codings, Measured, codings, declared_length},
    connection::{Progress, SendError},
    error::{Error, Kind},
    fields::check_room,
    http::hop_headers::{Authorization, HopHeaders},
    request_target::{connect_protocol, http1, own_host},
    target::{Origin, Proxy},
};

/// `Host`, and the one that frames the message.
const ADDED: usize = 2;

/// What a request was before.
pub(super) struct Before {
    uri: Uri,
    version: Version,
    has_own_host: bool,
    framing: Option<HeaderName>,
    /// What `Transfer-Encoding` said.
    codings: Vec<HeaderValue>,
    hop: Option<Box<HopHeaders>>,
}

/// Who reads a request.
pub(super) struct Reader<'a> {
    pub(super) origin: &'a Origin,
    /// What `Host` usually says to it.
    pub(super) host: &'a HeaderValue,
    /// The proxy that reads it first.
    pub(super) forwarder: Option<&'a Proxy>,
    /// It showed that it speaks no later version than HTTP/1.0.
    pub(super) is_old: bool,
}

/// What a request says first.
struct Address {
    target: Uri,
    /// Unless the request has one.
    host: Option<HeaderValue>,
    hop: Option<Box<HopHeaders>>,
}

/// The fields that its maker did not set.
#[derive(Default)]
struct Added {
    host: Option<HeaderValue>,
    framing: Option<(HeaderName, HeaderValue)>,
}

/// What is to be made of a request. All that can go wrong with one goes wrong before it is changed.
pub(super) struct Plan {
    target: Uri,
    /// What the body has to keep to.
    length: Option<u64>,
    /// There is no body for `Transfer-Encoding` to speak of.
    strips_codings: bool,
    /// The body is declared to be empty, and does not say itself that it is.
    must_be_empty: bool,
    added: Added,
    hop: Option<Box<HopHeaders>>,
}

impl Plan {
    pub(super) fn of<B: Body>(request: &Request<B>, reader: &Reader<'_>) -> Result<Self, Error> {
        if let Some(protocol) = connect_protocol(request) {
            let (origin, protocol) = (reader.origin.authority_form(), protocol.as_str());
            let text = format!("asking {origin} for `{protocol}` by CONNECT: HTTP/1.1 has no such");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let Address { target, host, hop } = match reader.forwarder {
            None => Address::at_origin(request, reader)?,
            Some(proxy) => Address::at_forwarder(request, reader, proxy)?,
        };
        let (headers, body) = (request.headers(), request.body());
        check_room(headers, ADDED + hop.as_ref().map_or(0, |hop| hop.added_names()))?;
        let declared = declared_length(headers, &body.size_hint())?;
        let (has_codings, is_empty) = (codings(headers)? != Codings::None, body.is_end_stream());
        let strips_codings = has_codings && is_empty;
        let framing = framing(request, strips_codings)?;
        let length = declared.or_else(|| body.size_hint().exact());
        if reader.is_old && !is_empty && (length.is_none() || has_codings) {
            let message = "the server speaks HTTP/1.0, which has no bodies of unknown length";
            return Err(Error::new(Kind::Protocol, message));
        }
        let must_be_empty = length == Some(0) && !is_empty && !has_codings;
        let added = Added { host, framing };
        Ok(Self { target, length, strips_codings, must_be_empty, added, hop })
    }

    /// Whether none of the body is sent, though it has not come to its end yet.
    pub(super) fn must_be_empty(&self) -> bool {
        self.must_be_empty
    }

    /// The request as it goes over the wire, and what it was before.
    pub(super) fn carry_out<B>(self, mut request: Request<B>) -> (Request<Measured<B>>, Before) {
        let Self { target, length, strips_codings, must_be_empty: _, added, mut hop } = self;
        let uri = std::mem::replace(request.uri_mut(), target);
        let version = std::mem::replace(request.version_mut(), Version::HTTP_11);
        let has_own_host = added.host.is_none();
        let headers = request.headers_mut();
        let codings = if strips_codings { take_codings(headers) } else { Vec::new() };
        let framing = added.put_into(headers);
        if let Some(hop) = &mut hop {
            hop.put_into(headers);
        }
        let request = request.map(|body| Measured::new(body, length));
        (request, Before { uri, version, has_own_host, framing, codings, hop })
    }
}

impl Address {
    fn at_origin<B>(request: &Request<B>, reader: &Reader<'_>) -> Result<Self, Error> {
        let target = http1::target(request, reader.origin)?;
        let host = match own_host(request.headers())? {
            Some(_) => None,
            None => Some(http1::host(request, reader.origin, reader.host)?),
        };
        Ok(Self { target, host, hop: HopHeaders::for_origin(request) })
    }

    fn at_forwarder<B>(
        request: &Request<B>,
        reader: &Reader<'_>,
        proxy: &Proxy,
    ) -> Result<Self, Error> {
        let Reader { origin, host, .. } = reader;
        let target = http1::forwarded_target(request, origin)?;
        let host = match own_host(request.headers())? {
            Some(_) => None,
            None => Some(http1::host(request, origin, host)?),
        };
        let hop = HopHeaders::for_forwarder(request, &target, origin, proxy)?;
        Ok(Self { target, host, hop })
    }
}

impl Before {
    /// The request as it was, the order of its fields aside; `None` if its body had to be empty.
    fn restore<B>(self, request: Request<Watched<B>>) -> Option<Request<B>> {
        let (head, body) = request.into_parts();
        let mut request = Request::from_parts(head, body.into_inner()?);
        *request.uri_mut() = self.uri;
        *request.version_mut() = self.version;
        if !self.has_own_host {
            request.headers_mut().remove(HOST);
        }
        if let Some(name) = self.framing {
            request.headers_mut().remove(name);
        }
        for coding in self.codings {
            request.headers_mut().append(TRANSFER_ENCODING, coding);
        }
        if let Some(hop) = self.hop {
            hop.take_out_of(request.headers_mut());
        }
        Some(request)
    }

    /// The error of a request of which nothing was written.
    pub(super) fn unsent<B>(
        self,
        error: Error,
        request: Request<Watched<B>>,
    ) -> SendError<Request<B>> {
        match self.restore(request) {
            Some(request) => SendError::unsent(error, request),
            None => SendError::after(Progress::Unsent, error),
        }
    }

    /// What a proxy was told about us with it, if it may be told something else.
    pub(super) fn authorization(self) -> Option<Box<Authorization>> {
        self.hop?.authorization()
    }
}

/// What a body that is empty is not coded by: hyper takes the field out and writes no last chunk, so the request is framed as
/// any other without a body.
fn take_codings(headers: &mut HeaderMap) -> Vec<HeaderValue> {
    let codings = headers.get_all(TRANSFER_ENCODING).iter().cloned().collect();
    headers.remove(TRANSFER_ENCODING);
    codings
}

/// The framing that hyper would leave out: it sends no length for a body it finds empty, and no body with `GET`,
/// `HEAD` or `CONNECT` whose length it does not know.
fn framing<B: Body>(
    request: &Request<B>,
    strips_codings: bool,
) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
    let (headers, body) = (request.headers(), request.body());
    let is_empty = body.is_end_stream() || body.size_hint().exact() == Some(0);
    if !is_empty && request.method() == Method::CONNECT {
        return Err(Error::builder(
            "a CONNECT request has no body: the tunnel comes with the answer",
        ));
    }
    let has_codings = headers.contains_key(TRANSFER_ENCODING) && !strips_codings;
    if headers.contains_key(CONTENT_LENGTH) || has_codings {
        return Ok(None);
    }
    let has_a_meaning = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if is_empty && has_a_meaning {
        return Ok(Some((CONTENT_LENGTH, HeaderValue::from_static("0"))));
    }
    if !is_empty && body.size_hint().exact().is_none() {
        return Ok(Some((TRANSFER_ENCODING, HeaderValue::from_static("chunked"))));
    }
    Ok(None)
}

impl Added {
    /// `Host` goes first (RFC 9110 §7.2). Says which field frames the message.
    fn put_into(self, headers: &mut HeaderMap) -> Option<HeaderName> {
        if let Some(host) = self.host {
            let others = std::mem::take(headers);
            // For names: of values there may be more than a map has places.
            headers.reserve(others.keys_len() + ADDED);
            headers.insert(HOST, host);
            if !others.is_empty() {
                headers.extend(others);
            }
        }
        let (name, value) = self.framing?;
        headers.insert(name.clone(), value);
        Some(name)
    }
}
