//! Resolves references against a URL (RFC 3986 §5.2). Pure.

use std::borrow::Cow;

use http::Uri;

use crate::{
    error::Error,
    request_target::{encoded, without_user},
    target::{Scheme, to_ascii},
};

/// A URL, or a part of one, taken apart (RFC 3986 §4.1, Appendix B).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) scheme: Option<&'a str>,
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) fragment: Option<&'a str>,
}

/// A reference against a base.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved<'a> {
    pub(super) scheme: Option<&'a str>,
    pub(super) authority: Option<&'a str>,
    pub(super) path: Cow<'a, str>,
    pub(super) query: Option<&'a str>,
    pub(super) fragment: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Any text is a reference.
    pub(super) fn parse(text: &'a str) -> Self {
        let (text, fragment) = split_at(text, '#');
        let (text, query) = split_at(text, '?');
        let (scheme, text) = match text.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, text),
        };
        Self { scheme, authority, path, query, fragment }
    }

    /// The reference of a request's URI, without a user.
    pub(super) fn of(uri: &'a Uri) -> Self {
        Self {
            scheme: uri.scheme_str(),
            authority: uri.authority().map(|authority| without_user(authority.as_str())),
            path: uri.path(),
            query: uri.query(),
            fragment: None,
        }
    }

    /// What `reference` means here (RFC 3986 §5.2.2).
    pub(super) fn resolve(&self, reference: &Self) -> Resolved<'a> {
        let &Self { scheme, authority, path, query, fragment } = reference;
        if scheme.is_some() {
            let path = without_dots(path);
            return Resolved { scheme, authority, path, query, fragment };
        }
        let scheme = self.scheme;
        if authority.is_some() {
            let path = without_dots(path);
            return Resolved { scheme, authority, path, query, fragment };
        }
        let authority = self.authority;
        if path.is_empty() {
            let (path, query) = (self.path.into(), query.or(self.query));
            return Resolved { scheme, authority, path, query, fragment };
        }
        let path = match path.starts_with('/') {
            true => without_dots(path),
            false => without_dots(&self.merged(path)).into_owned().into(),
        };
        Resolved { scheme, authority, path, query, fragment }
    }

    /// RFC 3986 §5.2.3.
    fn merged(&self, path: &str) -> String {
        if self.authority.is_some() && self.path.is_empty() {
            return format!("/{path}");
        }
        let directory = self.path.rfind('/').map_or("", |end| &self.path[..=end]);
        format!("{directory}{path}")
    }
}

impl Resolved<'_> {
    /// The URL to request, with a host in ASCII and percent-encoded, without user and fragment. That there is a host is for the
    /// caller to check.
    pub(super) fn to_uri(&self, scheme: Scheme) -> Result<Uri, Error> {
        let host = ascii(without_user(self.authority.unwrap_or_default()))?;
        let query = self.query.map_or(String::new(), |query| format!("?{query}"));
        let root = if self.path.starts_with('/') { "" } else { "/" };
        let path = format!("{root}{}{query}", self.path);
        let uri = format!("{}://{host}{}", scheme.as_str(), encoded(&path));
        // The parser's texts name no part of the URL.
        uri.parse().map_err(|error: http::uri::InvalidUri| {
            Error::builder(format!("the reference leads to a URL that is not valid: {error}"))
                .because(error)
        })
    }
}

/// A host in ASCII, and its port.
fn ascii(authority: &str) -> Result<Cow<'_, str>, Error> {
    if authority.is_ascii() {
        return Ok(authority.into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    let host = to_ascii(host)?;
    Ok(if port.is_empty() { host } else { format!("{host}:{port}") }.into())
}

/// Before and after the first of these.
fn split_at(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The path without the segments `.` and `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> Cow<'_, str> {
    if !path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return path.into();
    }
    let (root, relative) = match path.strip_prefix('/') {
        Some(relative) => ("/", relative),
        None => ("", path),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_dots = matches!(segment, "." | "..");
        if segment == ".." {
            kept.pop();
        }
        if !is_dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            // What ends in dots names a directory.
            kept.push("");
        }
    }
    format!("{root}{}", kept.join("/")).into()
}

#[cfg(test)]
pub(super) mod tests;
