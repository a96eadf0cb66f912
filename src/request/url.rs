//! A URL as people write it, made into one that can be sent.

use http::Uri;

use crate::{error::Error, target::to_ascii};

/// What can be requested: `&str`, `String` or [`Uri`].
///
/// Text is taken as it is, with no percent-encoding done to it. A host that is not ASCII is converted by IDNA with the
/// feature `idna`, and is an error without.
pub trait IntoUrl: sealed::Sealed {
    #[doc(hidden)]
    fn into_url(self) -> Result<Uri, Error>;
}

impl IntoUrl for &str {
    fn into_url(self) -> Result<Uri, Error> {
        parse(self)
    }
}

impl IntoUrl for &String {
    fn into_url(self) -> Result<Uri, Error> {
        parse(self)
    }
}

impl IntoUrl for String {
    fn into_url(self) -> Result<Uri, Error> {
        parse(&self)
    }
}

impl IntoUrl for Uri {
    fn into_url(self) -> Result<Uri, Error> {
        Ok(self)
    }
}

impl IntoUrl for &Uri {
    fn into_url(self) -> Result<Uri, Error> {
        Ok(self.clone())
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for String {}
    impl Sealed for http::Uri {}
    impl Sealed for &http::Uri {}
}

/// The text is never part of an error: it may hold a password.
fn parse(url: &str) -> Result<Uri, Error> {
    if let Some(c) = url.chars().find(|c| c.is_ascii_control() || *c == ' ') {
        return Err(Error::builder(format!("the URL holds a {c:?}")));
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(Error::builder("the URL has no scheme: http:// or https://"));
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some(c) = path.chars().find(|c| !c.is_ascii()) {
        return Err(Error::builder(format!("the URL holds a {c:?}: percent-encode it")));
    }
    if scheme.is_empty() {
        return Err(Error::builder("the URL has no scheme: http:// or https://"));
    }
    if authority.is_empty() {
        return Err(Error::builder("the URL has no host"));
    }
    if authority.contains('[') && !authority.contains(']') {
        let text = "the host of the URL has a `[` without a `]`: write an IPv6 address as `[::1]`";
        return Err(Error::builder(text));
    }
    // The parser's texts name no part of the URL.
    let invalid = |error: http::uri::InvalidUri| {
        Error::builder(format!("the URL is not valid: {error}")).because(error)
    };
    if authority.is_ascii() {
        return url.parse().map_err(invalid);
    }
    format!("{scheme}://{}{path}", ascii(authority)?).parse().map_err(invalid)
}

/// The authority with its host in ASCII (RFC 5891). Without userinfo: what is refused later need not be converted.
fn ascii(authority: &str) -> Result<String, Error> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (authority, None),
    };
    if host.contains('@') {
        return Err(Error::builder("the URL holds a user or a password: send them in a header"));
    }
    let host = to_ascii(host)?;
    Ok(port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_said_to_be_none() {
        for (url, said) in [
            ("", "no scheme"),
            ("example.com", "no scheme"),
            ("example.com/path", "no scheme"),
            ("://example.com/", "no scheme"),
            ("/path", "no scheme"),
            ("http://", "no host"),
            ("http:///path", "no host"),
            ("http://?query", "no host"),
            ("http://a/\r\nX: y", "'\\r'"),
            ("http://a/\0", "'\\0'"),
            ("http://a/two words", "' '"),
            ("http://a\t/", "'\\t'"),
            ("http://a/ü", "percent-encode"),
            ("http://[::1/", "a `[` without a `]`"),
            ("http://[::1", "a `[` without a `]`"),
            ("http://a]/", "not valid: invalid authority"),
        ] {
            let error = url.into_url().unwrap_err();
            assert!(error.is_builder());
            assert!(error.to_string().contains(said), "{url:?}: {error}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        for url in
            ["http://me:secret@bücher.example/", "http://me:secret@ /", "http://me:secret@[/"]
        {
            let error = url.into_url().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn ascii_is_taken_as_it_is() {
        for url in ["http://EXAMPLE.com:8080/a;b?c=d%20", "https://[::1]:8443/", "http://a.b/|{}"] {
            assert_eq!(url.into_url().unwrap(), url.parse::<Uri>().unwrap());
        }
    }
}
