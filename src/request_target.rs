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
    path(request.uri()).map(Uri::from)
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
    parts.path_and_query = Some(path(raw.unwrap_or(request.uri()))?);
    Uri::from_parts(parts).map_err(|error| Error::builder("the URL cannot be sent").because(error))
}

/// The value of `Host`: the authority, for HTTP/1.1 that of the request target where it has one (RFC 9112 §3.2).
pub(crate) fn host<B>(request: &Request<B>, origin: &Origin) -> Result<HeaderValue, Error> {
    let authority = match raw(request).and_then(|RawTarget(raw)| raw.authority()) {
        Some(authority) => HeaderValue::from_str(without_user(authority.as_str())),
        None if request.method() == Method::CONNECT => {
            HeaderValue::from_str(&without_zone(&origin.authority_form()))
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
        // An authority with a user would be one, but not for a request (RFC 9113 §8.3.1).
        Some(host) if host.as_bytes().contains(&b'@') => {
            return Err(Error::builder("`Host` holds a user or a password"));
        }
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

fn path(uri: &Uri) -> Result<PathAndQuery, Error> {
    let Some(path) = uri.path_and_query() else { return Ok(PathAndQuery::from_static("/")) };
    if !path.as_str().is_ascii() {
        let message = "the URL holds a character that is not ASCII: percent-encode it";
        return Err(Error::builder(message));
    }
    match path.as_str().starts_with('?') {
        // An absolute URI without a path, but with a query, is written `/?query`, as its `Display` has it.
        true => PathAndQuery::try_from(path.to_string())
            .map_err(|error| Error::builder("the URL cannot be sent").because(error)),
        false => Ok(path.clone()),
    }
}

/// `Host` has no place for a user (RFC 9112 §3.2).
fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes over the wire, or why nothing does.
    type Written = Result<String, String>;

    fn request(method: &str, url: &str) -> (Request<()>, Origin) {
        let request = Request::builder().method(method).uri(url).body(()).unwrap();
        let origin = Origin::try_from(request.uri()).unwrap();
        (request, origin)
    }

    /// The request line's target and `Host` of HTTP/1.1.
    fn http1(request: &Request<()>, origin: &Origin) -> Written {
        let target = for_http1(request, origin).map_err(|error| error.to_string())?;
        let host = host(request, origin).map_err(|error| error.to_string())?;
        Ok(format!("{target} {}", host.to_str().unwrap()))
    }

    /// The `:scheme`, `:authority` and `:path` of HTTP/2; `-` for one that is not sent.
    fn http2(request: &Request<()>, origin: &Origin) -> Written {
        let target = for_http2(request, origin).map_err(|error| error.to_string())?;
        let scheme = target.scheme_str().unwrap_or("-");
        let authority = target.authority().map_or("-", Authority::as_str);
        let path = target.path_and_query().map_or("-", PathAndQuery::as_str);
        Ok(format!("{scheme} {authority} {path}"))
    }

    #[test]
    fn the_url_says_the_target() {
        let table = [
            ("GET", "http://a", "/ a", "http a /"),
            ("GET", "http://a/b?c#d", "/b?c a", "http a /b?c"),
            ("GET", "http://a?b", "/?b a", "http a /?b"),
            ("GET", "http://a//b/../c", "//b/../c a", "http a //b/../c"),
            ("GET", "http://a/%C3%A9?%20", "/%C3%A9?%20 a", "http a /%C3%A9?%20"),
            ("OPTIONS", "http://a", "/ a", "http a /"),
            ("GET", "http://a:80/", "/ a", "http a /"),
            ("GET", "https://a:443/", "/ a", "https a /"),
            ("GET", "https://a:80/", "/ a:80", "https a:80 /"),
            ("GET", "http://[::1]/", "/ [::1]", "http [::1] /"),
            ("GET", "http://[fe80::1%25eth0]:81/", "/ [fe80::1]:81", "http [fe80::1]:81 /"),
            ("CONNECT", "http://a", "a:80 a:80", "- a:80 -"),
            ("CONNECT", "https://a/b", "a:443 a:443", "- a:443 -"),
            (
                "CONNECT",
                "https://[fe80::1%25eth0]/",
                "[fe80::1]:443 [fe80::1]:443",
                "- [fe80::1]:443 -",
            ),
        ];
        for (method, url, on_http1, on_http2) in table {
            let (request, origin) = request(method, url);
            assert_eq!(http1(&request, &origin).as_deref(), Ok(on_http1), "{method} {url}");
            assert_eq!(http2(&request, &origin).as_deref(), Ok(on_http2), "{method} {url}");
        }
    }

    #[test]
    fn a_raw_target_goes_before_the_url() {
        let table = [
            ("OPTIONS", "*", "* a:81", "http a:81 *"),
            ("GET", "/b/%7e?c", "/b/%7e?c a:81", "http a:81 /b/%7e?c"),
            ("GET", "http://c/d", "http://c/d c", "http a:81 /d"),
            ("GET", "http://us:er@c:82/d", "http://us:er@c:82/d c:82", "http a:81 /d"),
            ("CONNECT", "c:443", "c:443 c:443", "- c:443 -"),
        ];
        for (method, raw, on_http1, on_http2) in table {
            let (mut request, origin) = request(method, "http://a:81/b");
            request.extensions_mut().insert(raw.parse::<RawTarget>().unwrap());
            assert_eq!(http1(&request, &origin).as_deref(), Ok(on_http1), "{method} {raw}");
            assert_eq!(http2(&request, &origin).as_deref(), Ok(on_http2), "{method} {raw}");
        }
    }

    #[test]
    fn a_path_that_is_not_ascii_is_an_error_for_both_protocols() {
        for url in ["http://a/caf\u{e9}", "http://a/?caf\u{e9}", "http://a?\u{e9}"] {
            let (request, origin) = request("GET", url);
            let expected = "the URL holds a character that is not ASCII: percent-encode it";
            assert_eq!(http1(&request, &origin).unwrap_err(), expected);
            assert_eq!(http2(&request, &origin).unwrap_err(), expected);
        }
    }

    #[test]
    fn what_would_end_the_request_line_is_no_raw_target() {
        for raw in ["", "/a b", "/a\r\nb: c", "/\t", "/\0", "/caf\u{e9}", "/\u{7f}"] {
            let error = raw.parse::<RawTarget>().unwrap_err();
            assert!(error.is_builder() && !error.was_sent(), "{error:?}");
        }
    }

    #[test]
    fn a_callers_host_is_the_authority_of_http2() {
        let table = [
            ("b.example", Some("http b.example /")),
            ("b.example:81", Some("http b.example:81 /")),
            ("[::1]", Some("http [::1] /")),
            ("", None),
            ("two words", None),
            ("us:er@b", None),
            ("b/c", None),
        ];
        for (host, expected) in table {
            let (mut request, origin) = request("GET", "http://a/");
            request.headers_mut().insert(HOST, HeaderValue::from_static(host));
            assert_eq!(http2(&request, &origin).ok().as_deref(), expected, "{host}");
        }
    }
}
