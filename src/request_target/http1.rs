//! The request line and `Host` of HTTP/1.1.

use std::borrow::Cow;

use http::{
    HeaderValue, Method, Request, Uri,
    uri::{self, Authority, PathAndQuery},
};

use super::{
    RawTarget, authority_form, encoded, is_as_sent, path, raw, without_user, without_zone,
};
use crate::{error::Error, target::Origin};

/// The target of an HTTP/1.1 request line (RFC 9112 §3.2): the path, an authority for `CONNECT`, or the caller's.
pub(crate) fn target<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    if let Some(RawTarget(raw)) = raw(request) {
        return Ok(raw.clone());
    }
    if request.method() == Method::CONNECT {
        return authority_form(origin);
    }
    path(request.uri()).map(Uri::from)
}

/// The target for a forward proxy: the absolute URI (RFC 9112 §3.2.2).
pub(crate) fn forwarded_target<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    let raw = raw(request).map(|RawTarget(raw)| raw);
    let is_for_whole_server = match raw {
        Some(raw) => raw == "*" && request.method() == Method::OPTIONS,
        None => request.uri().path() == "*",
    };
    if is_for_whole_server {
        // It would have to be a URI without a path (RFC 9112 §3.2.4), which `Uri` cannot write.
        let text =
            format!("`{} *` cannot be forwarded to {origin} over HTTP/1.1", request.method());
        return Err(Error::builder(text));
    }
    if raw.is_some() || request.method() == Method::CONNECT {
        return target(request, origin);
    }
    if is_as_sent(request.uri(), origin) {
        return Ok(request.uri().clone());
    }
    let cannot = |error: http::Error| Error::builder("the URL cannot be sent").because(error);
    let mut parts = uri::Parts::default();
    parts.scheme = Some(uri::Scheme::HTTP);
    let authority = Authority::try_from(&*without_zone(&origin.authority()));
    parts.authority = Some(authority.map_err(|error| cannot(error.into()))?);
    parts.path_and_query = Some(path(request.uri())?);
    Uri::from_parts(parts).map_err(|error| cannot(error.into()))
}

/// Whether [`target`] is the path exactly as in the URI.
pub(crate) fn is_path_as_written<B>(request: &Request<B>) -> bool {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    *request.method() != Method::CONNECT
        && raw(request).is_none()
        && path.starts_with('/')
        && matches!(encoded(path), Cow::Borrowed(_))
}

/// The value of `Host` if it is not the [usual one](usual_host) of the origin: the authority of the request target, if that
/// has one (RFC 9112 §3.2).
pub(crate) fn unusual_host<B>(
    request: &Request<B>,
    origin: &Origin,
) -> Result<Option<HeaderValue>, Error> {
    match raw(request).and_then(|RawTarget(raw)| raw.authority()) {
        Some(authority) => value(without_user(authority.as_str())).map(Some),
        None if request.method() == Method::CONNECT => {
            value(&without_zone(&origin.authority_form())).map(Some)
        }
        None => Ok(None),
    }
}

/// The default value of `Host`, the same for every request on a connection.
pub(crate) fn usual_host(origin: &Origin) -> Result<HeaderValue, Error> {
    value(&without_zone(&origin.authority()))
}

fn value(host: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(host)
        .map_err(|error| Error::builder("the host cannot be sent").because(error))
}
