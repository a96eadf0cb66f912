//! What the first line of a request names: the forms of RFC 9112 §3.2, and the `Host` rule that goes with them.

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

/// What `CONNECT` names for this origin, through whoever the request goes to (RFC 9112 §3.2.3).
pub(crate) fn tunnel_target(origin: &Origin) -> Result<RawTarget, Error> {
    authority_form(origin).map(RawTarget)
}

fn raw<B>(request: &Request<B>) -> Option<&RawTarget> {
    request.extensions().get()
}

/// What the origin itself is to speak, if a `CONNECT` asks that of it and not for a tunnel (RFC 8441 §4).
pub(crate) fn connect_protocol<B>(request: &Request<B>) -> Option<&ConnectProtocol> {
    let is_connect = request.method() == Method::CONNECT;
    is_connect.then(|| request.extensions().get()).flatten()
}

fn asks_for_tunnel<B>(request: &Request<B>) -> bool {
    request.method() == Method::CONNECT && connect_protocol(request).is_none()
}

/// Whether a request shows that its maker speaks to a proxy by hand: a target that is no more than a path is one for an
/// origin, however it is written.
pub(crate) fn is_by_hand<B>(request: &Request<B>) -> bool {
    let names_whom = |RawTarget(raw): &RawTarget| raw.authority().is_some();
    asks_for_tunnel(request) || raw(request).is_some_and(names_whom)
}

/// The origin of a request that is given to this proxy to forward. The proxy reads all of it, and so does everyone behind
/// it: what is meant to be private is refused.
pub(crate) fn forwarded_to<B>(request: &Request<B>, proxy: &Proxy) -> Result<Origin, Error> {
    let origin = Origin::try_from(request.uri())?;
    if origin.scheme() == Scheme::Http || is_by_hand(request) {
        return Ok(origin);
    }
    let text = format!("{origin} is not told to the proxy {proxy} in the clear: it needs a tunnel");
    Err(Error::builder(text))
}

/// The `Host` that a request says itself: one at the most (RFC 9112 §3.2), and one that a URL could name.
pub(crate) fn own_host(headers: &HeaderMap) -> Result<Option<Authority>, Error> {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    if hosts.next().is_some() {
        return Err(Error::builder("the request has two `Host`"));
    }
    // An authority with a user would be one, but not for a request (RFC 9113 §8.3.1).
    if host.as_bytes().contains(&b'@') {
        return Err(Error::builder("`Host` holds a user or a password"));
    }
    let wrong = || Error::builder("`Host` of the request is not a host and perhaps a port");
    let authority = Authority::try_from(host.as_bytes()).map_err(|error| wrong().because(error))?;
    checked(&authority).map_err(|error| wrong().because(error))?;
    Ok(Some(authority))
}

/// Whether a URL is written as it is to be sent, as most are.
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

/// The path and the query of a URL as they are sent: never empty, with a slash before a query that has no path, and
/// percent-encoded.
fn path(uri: &Uri) -> Result<PathAndQuery, Error> {
    let Some(path) = uri.path_and_query() else { return Ok(PathAndQuery::from_static("/")) };
    // `http://host#fragment` has a path that is empty, says that it is `/`, and would be written as it is.
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

/// Neither `Host` nor `:authority` has a place for a user (RFC 9112 §3.2, RFC 9113 §8.3.1).
pub(crate) fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A zone says through which of our interfaces; nobody else has any use for it (RFC 6874 §4).
fn without_zone(authority: &str) -> Cow<'_, str> {
    // To look for one byte is much cheaper than for a text.
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
