//! The pseudo-fields of HTTP/2.

use http::{
    Method, Request, Uri,
    uri::{self, Authority, PathAndQuery},
};

use super::{
    RawTarget, asks_for_tunnel, authority_form, encode::is_plain, is_as_sent, own_host, path, raw,
    without_user, without_zone,
};
use crate::{
    error::Error,
    target::{Origin, Scheme},
};

/// The URI for the pseudo-fields of an HTTP/2 request (RFC 9113 §8.3.1): an authority only for `CONNECT`, unless it
/// is extended.
pub(crate) fn target<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    let raw = raw(request).map(|RawTarget(raw)| raw);
    if asks_for_tunnel(request) {
        return raw.cloned().map_or_else(|| authority_form(origin), Ok);
    }
    let mut parts = uri::Parts::default();
    parts.scheme = Some(origin.scheme().into());
    parts.authority = Some(authority(request, origin)?);
    parts.path_and_query = Some(raw.map_or_else(|| path(request.uri()), raw_path)?);
    Uri::from_parts(parts).map_err(|error| Error::builder("the URL cannot be sent").because(error))
}

/// An origin's pseudo-fields, computed once per connection.
pub(crate) struct NamedOrigin {
    scheme: uri::Scheme,
    authority: Box<str>,
}

impl NamedOrigin {
    pub(crate) fn new(origin: &Origin) -> Self {
        let authority = without_zone(&origin.authority()).into();
        Self { scheme: origin.scheme().into(), authority }
    }

    /// Whether [`target`] returns the URL of a request unchanged, as for most requests without a `Host`.
    pub(crate) fn is_named_by<B>(&self, request: &Request<B>) -> bool {
        // `OPTIONS` of a URL without a path concerns the server as a whole.
        let is_usual = !matches!(*request.method(), Method::CONNECT | Method::OPTIONS);
        // A URL with a query only has `/` as its path only by `Uri`'s report.
        let is_as_sent = |path: &str| path.starts_with('/') && is_plain(path);
        let uri = request.uri();
        is_usual
            && uri.scheme() == Some(&self.scheme)
            && uri.authority().is_some_and(|it| it.as_str() == &*self.authority)
            && uri.path_and_query().is_some_and(|path| is_as_sent(path.as_str()))
            && raw(request).is_none()
    }
}

/// Like [`target`], for a proxy that forwards to this origin. A raw target takes precedence over `Host`, because the
/// proxy follows the target (RFC 9112 §3.2.2).
pub(crate) fn forwarded_target<B>(request: &Request<B>, origin: &Origin) -> Result<Uri, Error> {
    if asks_for_tunnel(request) {
        return target(request, origin);
    }
    if raw(request).is_none() && is_as_sent(request.uri(), origin) {
        return Ok(request.uri().clone());
    }
    let uri = raw(request).map_or(request.uri(), |RawTarget(raw)| raw);
    let authority = match raw(request).and_then(|RawTarget(raw)| raw.authority()) {
        Some(named) => Authority::try_from(without_user(named.as_str())),
        None => Authority::try_from(&*without_zone(&origin.authority())),
    };
    let cannot = |error: http::Error| Error::builder("the URL cannot be sent").because(error);
    let mut parts = uri::Parts::default();
    parts.scheme = uri.scheme().cloned().or_else(|| Some(origin.scheme().into()));
    parts.authority = Some(authority.map_err(|error| cannot(error.into()))?);
    let raw_path = raw(request).map(|RawTarget(raw)| raw_path(raw));
    parts.path_and_query = Some(raw_path.unwrap_or_else(|| path(uri))?);
    Uri::from_parts(parts).map_err(|error| cannot(error.into()))
}

/// The path of a raw target.
fn raw_path(raw: &Uri) -> Result<PathAndQuery, Error> {
    match raw.path_and_query() {
        Some(path) if path.as_str().starts_with(['/', '*']) => Ok(path.clone()),
        _ => path(raw),
    }
}

/// The authority: a caller's `Host` replaces the URL's on HTTP/2 as on HTTP/1.1.
fn authority<B>(request: &Request<B>, origin: &Origin) -> Result<Authority, Error> {
    if let Some(host) = own_host(request.headers())? {
        return Ok(host);
    }
    Authority::try_from(&*without_zone(&origin.authority()))
        .map_err(|error| Error::builder("the host cannot be sent").because(error))
}

impl From<Scheme> for uri::Scheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Http | Scheme::Ws => Self::HTTP,
            Scheme::Https | Scheme::Wss => Self::HTTPS,
        }
    }
}
