//! Parses the URL of a proxy. No error contains any part of the text before the `@`.

use std::{borrow::Cow, str::FromStr};

use http::{Uri, uri};
use percent_encoding::percent_decode_str;

use super::ProxyScheme;
use crate::{
    auth::Credentials,
    error::Error,
    target::{Origin, to_ascii},
};

/// The parts of the URL of a proxy.
pub(super) struct ProxyUrlParts {
    pub(super) scheme: ProxyScheme,
    pub(super) origin: Origin,
    pub(super) credentials: Option<Credentials>,
}

impl FromStr for ProxyUrlParts {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme.parse()?, rest),
            None => (ProxyScheme::Http, url),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(Error::builder("the URL of a proxy has no path"));
        }
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let credentials = user.map(credentials).transpose()?;
        Ok(Self { scheme, origin: origin(scheme, host)?, credentials })
    }
}

/// Always writes the port, so that the same authority serves both schemes.
fn origin(scheme: ProxyScheme, host: &str) -> Result<Origin, Error> {
    let name = match scheme {
        ProxyScheme::Https => uri::Scheme::HTTPS,
        _ => uri::Scheme::HTTP,
    };
    let wrong = |error| Error::builder("the URL of the proxy has no valid host").because(error);
    let authority = |text: &str| {
        text.parse::<uri::Authority>().map_err(|error| wrong(http::Error::from(error)))
    };
    let given = authority(&ascii(host.strip_suffix(':').unwrap_or(host))?)?;
    // Never repeated: without an `@` a password stands in this place.
    if given.port().is_none() && given.as_str() != given.host() {
        return Err(Error::builder("the port of the proxy is not a number from 1 to 65535"));
    }
    let mut parts = uri::Parts::default();
    parts.scheme = Some(name);
    parts.authority = Some(match given.port() {
        None => authority(&format!("{given}:{}", scheme.default_port()))?,
        Some(_) => given,
    });
    parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
    let uri = Uri::from_parts(parts).map_err(|error| wrong(http::Error::from(error)))?;
    Origin::try_from(&uri)
}

/// A host and its port, whose name IDNA has converted.
fn ascii(host: &str) -> Result<Cow<'_, str>, Error> {
    if host.is_ascii() {
        return Ok(Cow::Borrowed(host));
    }
    let (name, port) = host.split_at(host.rfind(':').unwrap_or(host.len()));
    match to_ascii(name) {
        Ok(name) => Ok(Cow::Owned(format!("{name}{port}"))),
        // Omits the error, which has the name: it may be a password whose `@` is missing.
        Err(_) => Err(Error::builder(
            "the host of the proxy is not ASCII, and no name that the feature `idna` converts",
        )),
    }
}

/// Credentials from the part of a URL before the `@`, percent-decoded.
fn credentials(user_info: &str) -> Result<Credentials, Error> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned()).map_err(|_| {
            // Omits the standard library's error, which names a byte of the text.
            Error::builder("the user or the password of the proxy is not UTF-8")
        })
    };
    Ok(Credentials::new(decoded(user)?, decoded(password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scheme, host, port and credentials.
    type Read<'a> = (&'a str, &'a str, u16, Option<(&'a str, &'a str)>);

    fn read(url: &str) -> Result<ProxyUrlParts, String> {
        url.parse::<ProxyUrlParts>().map_err(|error| {
            let mut text = format!("{error} {error:?}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text += &format!(" {error} {error:?}");
                cause = error.source();
            }
            assert!(error.is_builder());
            text
        })
    }

    #[test]
    fn the_user_ends_at_the_last_at_sign_and_its_name_at_the_first_colon() {
        let table: &[(&str, Read<'_>)] = &[
            ("proxy.example", ("http", "proxy.example", 80, None)),
            ("proxy.example:3128/", ("http", "proxy.example", 3128, None)),
            ("HTTPS://Proxy.Example", ("https", "Proxy.Example", 443, None)),
            ("socks5h://[::1]", ("socks5h", "::1", 1080, None)),
            ("http://proxy.example:/", ("http", "proxy.example", 80, None)),
            ("socks5://user@[::1]:", ("socks5", "::1", 1080, Some(("user", "")))),
            ("socks5://[::1]:9050", ("socks5", "::1", 9050, None)),
            ("http://[fe80::1%25eth0]:81", ("http", "fe80::1%25eth0", 81, None)),
            ("user@proxy.example", ("http", "proxy.example", 80, Some(("user", "")))),
            ("http://us:er:pass@a:81", ("http", "a", 81, Some(("us", "er:pass")))),
            ("http://user:p@ss:w@rd@a", ("http", "a", 80, Some(("user", "p@ss:w@rd")))),
            ("http://user@b.example:p@a", ("http", "a", 80, Some(("user@b.example", "p")))),
            ("http://u%3Aser:p%2F%23%3f%40@a", ("http", "a", 80, Some(("u:ser", "p/#?@")))),
            ("http://u:100%@a", ("http", "a", 80, Some(("u", "100%")))),
            ("http://u:p\\q@a", ("http", "a", 80, Some(("u", "p\\q")))),
            ("http://b\u{fc}r:\u{fc}@a", ("http", "a", 80, Some(("b\u{fc}r", "\u{fc}")))),
            ("http://u:a%0d%0ab@a", ("http", "a", 80, Some(("u", "a\r\nb")))),
            ("http://:p@a", ("http", "a", 80, Some(("", "p")))),
        ];
        for (url, (scheme, host, port, user)) in table {
            let ProxyUrlParts { scheme: read_scheme, origin, credentials } = read(url).unwrap();
            let read = (read_scheme.as_str(), origin.host(), origin.port());
            assert_eq!(read, (*scheme, *host, *port), "{url}");
            let expected = user.map(|(user, password)| Credentials::new(user, password));
            assert!(credentials == expected, "{url}");
        }
    }

    #[test]
    fn a_wrong_port_is_what_is_wrong() {
        for url in
            ["http://a:65536", "socks5://[::1]:99999", "a:x", "http://user:hunter2", "http://a:0"]
        {
            let text = read(url).err().unwrap();
            assert!(text.contains("port") && text.contains("1 to 65535"), "{url}: {text}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_repeats_no_secret() {
        let table = [
            "",
            "http://",
            "http:///",
            "http://@",
            "http://user:hunter2@",
            "http://user:hunter2@/",
            "http://user:hunter2@:3128",
            "http://user:hunter2@a:0",
            "http://user:hunter2@a:65536",
            "http://user:hunter2@a:80:80",
            "http://user:hunter2@a b",
            "http://user:hunter2@a\r\nx: y",
            "http://user:hunter2@a\0",
            "http://user:hunter2@a//",
            "http://user:hunter2@a/path",
            "http://user:hunter2@a?query",
            "http://user:hunter2@a#",
            "http://user:hunter2@[::1",
            "http://user:hunter2@::1",
            "http://user:hunter2@127.1",
            "http://user:hunter2@b\u{fc}cher..example",
            "http://user:hunter2@\u{fc}:hunter2",
            "http://user:hunter2@[fe80::1%25\u{fc}]:80",
            "http://user:hunter2/@a",
            "http://user:hunt/er2@a",
            "http://user:hunter2#@a",
            "http://user:hunter2?@a",
            "http://user:hunter2%ff@a",
            "http://user:hunter2%40a:3128",
            "http://user:hunter2",
            "http://user:hunter2\u{ff20}a",
            "user:hunter2://@a",
            "ftp://user:hunter2@a",
            "://user:hunter2@a",
            " http://user:hunter2@a",
            "http://user:hunter2@a ",
            "http://user:hunter2@a\\b",
        ];
        for url in table {
            let text = read(url).err().unwrap_or_else(|| panic!("`{url}` was taken"));
            for secret in ["hunter2", "hunt/er2", "hunt"] {
                assert!(!text.contains(secret), "`{url}`: {text}");
            }
        }
    }

    #[cfg(feature = "idna")]
    #[test]
    fn a_host_that_is_not_ascii_is_converted() {
        for (url, port) in [
            ("http://b\u{fc}cher.example", 80),
            ("http://b\u{fc}cher.example:", 80),
            ("http://user:p\u{fc}@B\u{dc}CHER.example:3128/", 3128),
        ] {
            let ProxyUrlParts { origin, .. } = read(url).unwrap();
            assert_eq!((origin.host(), origin.port()), ("xn--bcher-kva.example", port), "{url}");
        }
    }

    #[cfg(not(feature = "idna"))]
    #[test]
    fn a_host_that_is_not_ascii_is_an_error_that_names_the_feature() {
        assert!(read("http://b\u{fc}cher.example").err().unwrap().contains("`idna`"));
    }
}
