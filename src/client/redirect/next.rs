//! Where a redirect leads, and what of a request goes there (RFC 9110 §10.2.2, §15.4). Pure.

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{self, LOCATION},
};

use crate::{
    client::{
        resolve::{Reference, Resolved},
        secrets::is_harmless,
    },
    error::BoxError,
    request_target::without_user,
    target::{Origin, Scheme},
};

/// The URL of the next request.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) uri: Uri,
    pub(super) origin: Origin,
    /// Of the `Location`.
    pub(super) fragment: Option<String>,
    /// The `Location` names no host.
    pub(super) is_relative: bool,
}

/// The fields of a body that are not named `Content-…`: without a body they say nothing true.
const OF_BODY: [HeaderName; 6] = [
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::EXPECT,
    header::LAST_MODIFIED,
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// The conditions of a method. They were about what it was to change: `If-None-Match: *` of a `PUT` that made something would
/// let the `GET` after it return nothing.
const CONDITIONS: [HeaderName; 4] = [
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// Whether a status redirects. 300 offers a choice, 304 answers a condition, 305 and 306 mean nothing any more.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The method of the next request, and whether it has the body of the one before.
pub(super) fn method(status: StatusCode, method: &Method) -> (Method, bool) {
    match status.as_u16() {
        301 | 302 if method == Method::POST => (Method::GET, false),
        303 if method == Method::HEAD => (Method::HEAD, false),
        303 => (Method::GET, false),
        _ => (method.clone(), true),
    }
}

/// The one `Location`; `None` without. Several that differ are what a response has whose header was broken into.
pub(super) fn location(headers: &HeaderMap) -> Result<Option<&HeaderValue>, BoxError> {
    let mut all = headers.get_all(LOCATION).iter();
    let first = all.next();
    match all.all(|other| Some(other) == first) {
        true => Ok(first),
        false => Err("the response has several `Location` that differ".into()),
    }
}

/// The URL that a `Location` means.
pub(super) fn resolve(base: &Uri, location: &[u8]) -> Result<Next, BoxError> {
    let text = readable(location.trim_ascii())?;
    let reference = Reference::parse(&text);
    let is_relative = reference.scheme.is_none() && reference.authority.is_none();
    let base = Reference::of(base);
    let resolved = base.resolve(&reference);
    let uri = uri(&resolved)?;
    let origin = Origin::try_from(&uri)?;
    let fragment = resolved.fragment.map(str::to_owned);
    Ok(Next { uri, origin, fragment, is_relative })
}

/// A `Location` as text: bytes that are no UTF-8 are those of a path in another charset, and are percent-encoded.
fn readable(location: &[u8]) -> Result<Cow<'_, str>, BoxError> {
    if location.iter().any(u8::is_ascii_control) {
        return Err("the `Location` holds a control character".into());
    }
    Ok(match str::from_utf8(location) {
        Ok(text) => text.into(),
        Err(_) => {
            let encoded = location.iter().map(|&byte| match byte {
                0x80.. => format!("%{byte:02X}"),
                _ => char::from(byte).to_string(),
            });
            encoded.collect::<String>().into()
        }
    })
}

fn uri(resolved: &Resolved<'_>) -> Result<Uri, BoxError> {
    let scheme = match resolved.scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        // The name of the scheme is no secret, but what stands after the colon may be.
        Some(other) => return Err(format!("the scheme `{other}` is not followed").into()),
        None => return Err("the URL that redirects has no scheme".into()),
    };
    let host = without_user(resolved.authority.unwrap_or_default());
    if host.is_empty() || host.starts_with(':') {
        return Err("the `Location` has no host".into());
    }
    Ok(resolved.to_uri(scheme)?)
}

/// Takes off what is said of a body.
pub(super) fn strip_body(headers: &mut HeaderMap) {
    let names: Vec<_> = headers.keys().filter(|name| is_of_body(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn is_of_body(name: &HeaderName) -> bool {
    name.as_str().starts_with("content-") || OF_BODY.contains(name)
}

/// Takes off the conditions of a method that has become another.
pub(super) fn strip_conditions(headers: &mut HeaderMap) {
    for name in CONDITIONS {
        headers.remove(name);
    }
}

/// Takes off what is not for another origin: all but harmless fields, those in `also`, and of these all that are marked as
/// sensitive.
pub(super) fn strip_secrets(headers: &mut HeaderMap, also: &[HeaderName]) {
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_sensitive()) {
        if is_harmless(name) || also.contains(name) {
            kept.append(name, value.clone());
        }
    }
    *headers = kept;
}

#[cfg(test)]
mod tests;
