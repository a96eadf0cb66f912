//! The request target in its forms of RFC 9112 §3.2, and the rules for `Host`.

use std::borrow::Cow;

use http::{
    HeaderMap, Method, Request, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery},
};

use crate::{
    error::Error,
    options::{ConnectProtocol, RawTarget},
    target::{Origin, Proxy, Scheme, host::checked},
};

mod encode;
#[cfg(feature = "http1")]
pub(crate) mod http1;
#[cfg(feature = "http2")]
pub(crate) mod http2;

pub(crate) use encode::encoded;
use encode::is_plain;

/// The target of a `CONNECT` to this origin, through any proxy (RFC 9112 §3.2.3).
pub(crate) fn tunnel_target(origin: &Origin) -> Result<RawTarget, Error> {
    authority_form(origin).map(RawTarget)
}

fn raw<B>(request: &Request<B>) -> Option<&RawTarget> {
    request.extensions().get()
}

/// The protocol of an extended `CONNECT`, which asks the origin itself and not for a tunnel (RFC 8441 §4).
pub(crate) fn connect_protocol<B>(request: &Request<B>) -> Option<&ConnectProtocol> {
    let is_connect = request.method() == Method::CONNECT;
    is_connect.then(|| request.extensions().get()).flatten()
}

fn asks_for_tunnel<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT && connect_protocol(request).is_none()
}

/// Whether the caller evidently addresses a proxy: by `CONNECT`, or by a target with an authority. A target that is only
/// a path is for an origin.
pub(crate) fn addresses_proxy<B>(request: &Request<B>) -> bool {
    let names_whom = |RawTarget(raw): &RawTarget| raw.authority().is_some();
    asks_for_tunnel(request) || raw(request).is_some_and(names_whom)
}

/// The origin of a request for a forward proxy. The proxy, and everything behind it, reads the whole request, so encrypted
/// schemes are refused.
pub(crate) fn forwarded_to<B>(request: &Request<B>, proxy: &Proxy) -> Result<Origin, Error> {
    let origin = Origin::try_from(request.uri())?;
    if origin.scheme() == Scheme::Http || addresses_proxy(request) {
        return Ok(origin);
    }
    let text = format!("{origin} is not sent to the proxy {proxy} in the clear: it needs a tunnel");
    Err(Error::builder(text))
}

/// The caller's `Host`: at most one (RFC 9112 §3.2), and valid as the host of a URI.
pub(crate) fn own_host(headers: &HeaderMap) -> Result<Option<Authority>, Error> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    if hosts.next().is_some() {
        return Err(Error::builder("the request has two `Host`"));
    }
    // An authority may contain a user, but not in a request (RFC 9113 §8.3.1).
    if host.as_bytes().contains(&b'@') {
        return Err(Error::builder("`Host` holds a user or a password"));
    }
    let wrong = || Error::builder("`Host` of the request is not a host and perhaps a port");
    let authority = Authority::try_from(host.as_bytes()).map_err(|error| wrong().because(error))?;
    checked(&authority).map_err(|error| wrong().because(error))?;
    Ok(Some(authority))
}

/// Whether a URI can be sent as it is, as most can.
fn is_as_sent(uri: &Uri, origin: &Origin) -> bool {
    let authority = origin.authority();
    let path = uri.path_and_query().map_or("", PathAndQuery::as_str);
    uri.authority().is_some_and(|it| it.as_str() == authority)
        && matches!(without_zone(&authority), Cow::Borrowed(_))
        && path.starts_with('/')
        && is_plain(path)
}

fn authority_form(origin: &Origin) -> Result<Uri, Error> {
    let authority = without_zone(&origin.authority_form()).into_owned();
    Uri::try_from(authority)
        .map_err(|error| Error::builder("the host cannot be sent").because(error))
}

/// The path and query to send: never empty, with a slash before a query without a path, and percent-encoded.
pub(crate) fn path(uri: &Uri) -> Result<PathAndQuery, Error> {
    let Some(path) = uri.path_and_query() else { return Ok(PathAndQuery::from_static("/")) };
    // `http://host#fragment` has an empty path that reads as `/`, but would be written as it is.
    let text = match path.as_str() {
        "/" => return Ok(PathAndQuery::from_static("/")),
        text => encoded(text),
    };
    let has_slash = text.starts_with(['/', '*']);
    match text {
        Cow::Borrowed(_) if has_slash => Ok(path.clone()),
        text => {
            PathAndQuery::try_from(if has_slash { text.into_owned() } else { format!("/{text}") })
                .map_err(|error| Error::builder("the URL cannot be sent").because(error))
        }
    }
}

/// Removes userinfo, which neither `Host` nor `:authority` allows (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(crate) fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Removes a zone, which names a local interface and means nothing to the peer (RFC 6874 §4).
fn without_zone(authority: &str) -> Cow<'_, str> {
    // A search for one byte is much cheaper than for a text.
    if !authority.as_bytes().contains(&b'%') {
        return authority.into();
    }
    match (authority.find("%25"), authority.find(']')) {
        (Some(zone), Some(end)) if zone < end => {
            format!("{}{}", &authority[..zone], &authority[end..]).into()
        }
        _ => authority.into(),
    }
}

#[cfg(all(test, feature = "http1", feature = "http2"))]
mod tests;
