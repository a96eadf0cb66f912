//! What the first line of a request names: the forms of RFC 9112 §3.2, and the `Host` rule that goes with them.

use http::{
    HeaderValue, Method, Request, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery},
};

use crate::{error::Error, target::Origin};

/// A request target that is sent as it is, instead of the one the URI gives.
///
/// For `OPTIONS *`, for `CONNECT` to an authority through whoever the URI names, and for paths that must not be
/// touched. It is set on a request as an extension.
///
/// ```
/// use tower_transport::request_target::RawTarget;
/// assert!("*".parse::<RawTarget>().is_ok());
/// assert!("example.com:443".parse::<RawTarget>().is_ok());
/// assert!("/two words".parse::<RawTarget>().is_err());
/// assert!("/a\r\nX-Injected: 1".parse::<RawTarget>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTarget(Uri);

impl std::str::FromStr for RawTarget {
    type Err = Error;

    fn from_str(target: &str) -> Result<Self, Error> {
        if let Some(c) = target.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(Error::builder(format!("a request target cannot hold {c:?}")));
        }
        match target.parse() {
            Ok(uri) => Ok(Self(uri)),
            Err(error) => {
                Err(Error::builder(format!("`{target}` is not a request target")).because(error))
            }
        }
    }
}

/// What an HTTP/1.1 request line names (RFC 9112 §3.2): the path, an authority for `CONNECT`, or what was set.
pub(crate) fn for_http1<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    if let Some(RawTarget(raw)) = raw(request) {
        return Ok(raw.clone());
    }
    if request.method() == Method::CONNECT {
        return authority_form(origin);
    }
    Ok(path(request.uri()).into())
}

/// What the pseudo-fields of an HTTP/2 request are made of (RFC 9113 §8.3.1): `CONNECT` has an authority only.
pub(crate) fn for_http2<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    let raw = raw(request).map(|RawTarget(raw)| raw);
    if request.method() == Method::CONNECT {
        return raw.cloned().map_or_else(|| authority_form(origin), Ok);
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(origin.scheme().into());
    parts.authority = Some(authority_for_http2(request, origin)?);
    parts.path_and_query = Some(path(raw.unwrap_or(request.uri())));
    Uri::from_parts(parts).map_err(|error| Error::builder("the URL cannot be sent").because(error))
}

/// The value of `Host`: the authority, for HTTP/1.1 that of the request target where it has one (RFC 9112 §3.2).
pub(crate) fn host<B>(request: &Request<B>, origin: &Origin) -> Result<HeaderValue, Error> {
    let authority = match raw(request).and_then(|RawTarget(raw)| raw.authority()) {
        Some(authority) => HeaderValue::from_str(authority.as_str()),
        None if request.method() == Method::CONNECT => {
            HeaderValue::from_str(&origin.authority_form())
        }
        None => HeaderValue::from_str(&without_zone(&origin.authority())),
    };
    authority.map_err(|error| Error::builder("the host cannot be sent").because(error))
}

fn raw<B>(request: &Request<B>) -> Option<&RawTarget> {
    request.extensions().get()
}

/// A caller who sets `Host` means another name than the URL's, on HTTP/2 as on HTTP/1.1.
fn authority_for_http2<B>(request: &Request<B>, origin: &Origin) -> Result<Authority, Error> {
    let named = match request.headers().get(HOST) {
        Some(host) => Authority::try_from(host.as_bytes()),
        None => Authority::try_from(&*without_zone(&origin.authority())),
    };
    named.map_err(|error| Error::builder("`Host` is not an authority").because(error))
}

fn authority_form(origin: &Origin) -> Result<Uri, Error> {
    let authority = without_zone(&origin.authority_form()).into_owned();
    Uri::try_from(authority)
        .map_err(|error| Error::builder("the host cannot be sent").because(error))
}

fn path(uri: &Uri) -> PathAndQuery {
    match uri.path_and_query() {
        // An absolute URI without a path, but with a query, is written `/?query`.
        Some(path) if path.as_str().starts_with('?') => {
            let path = format!("/{path}");
            PathAndQuery::try_from(path).unwrap_or_else(|_| PathAndQuery::from_static("/"))
        }
        Some(path) => path.clone(),
        None => PathAndQuery::from_static("/"),
    }
}

/// A zone says through which of our interfaces; nobody else has any use for it (RFC 6874 §4).
fn without_zone(authority: &str) -> std::borrow::Cow<'_, str> {
    match (authority.find("%25"), authority.find(']')) {
        (Some(zone), Some(end)) if zone < end => {
            format!("{}{}", &authority[..zone], &authority[end..]).into()
        }
        _ => authority.into(),
    }
}

impl From<crate::target::Scheme> for http::uri::Scheme {
    fn from(scheme: crate::target::Scheme) -> Self {
        match scheme {
            crate::target::Scheme::Http => Self::HTTP,
            crate::target::Scheme::Https => Self::HTTPS,
        }
    }
}
