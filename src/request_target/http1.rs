//! The request line and `Host` of HTTP/1.1.

use http::{HeaderValue, Method, Request, Uri};

use super::{RawTarget, authority_form, path, raw, without_zone};
use crate::{error::Error, target::Origin};

/// What an HTTP/1.1 request line names (RFC 9112 §3.2): the path, an authority for `CONNECT`, or what was set.
pub(crate) fn target<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    if let Some(RawTarget(raw)) = raw(request) {
        return Ok(raw.clone());
    }
    if request.method() == Method::CONNECT {
        return authority_form(origin);
    }
    path(request.uri()).map(Uri::from)
}

/// The value of `Host`: the authority, that of the request target where it has one (RFC 9112 §3.2). `usual` is the
/// [usual value](usual_host) for the origin.
pub(crate) fn host<B>(
    request: &Request<B>,
    origin: &Origin,
    usual: &HeaderValue,
) -> Result<HeaderValue, Error> {
    match raw(request).and_then(|RawTarget(raw)| raw.authority()) {
        Some(authority) => value(without_user(authority.as_str())),
        None if request.method() == Method::CONNECT => {
            value(&without_zone(&origin.authority_form()))
        }
        None => Ok(usual.clone()),
    }
}

/// The value of `Host` where nothing else is asked for: the same for every request on a connection.
pub(crate) fn usual_host(origin: &Origin) -> Result<HeaderValue, Error> {
    value(&without_zone(&origin.authority()))
}

fn value(host: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(host)
        .map_err(|error| Error::builder("the host cannot be sent").because(error))
}

/// `Host` has no place for a user (RFC 9112 §3.2).
fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}
