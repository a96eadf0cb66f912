//! The URL of a proxy, taken apart. Nothing of the part before the `@` is ever in an error.

use std::str::FromStr;

use http::{Uri, uri};
use percent_encoding::percent_decode_str;

use super::ProxyScheme;
use crate::{auth::Credentials, error::Error, target::Origin};

/// What the URL of a proxy says.
pub(super) struct Parts {
    pub(super) scheme: ProxyScheme,
    pub(super) origin: Origin,
    pub(super) credentials: Option<Credentials>,
}

impl FromStr for Parts {
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

/// The host and the port, which is always written out: so the same authority does under either scheme.
fn origin(scheme: ProxyScheme, host: &str) -> Result<Origin, Error> {
    let name = match scheme {
        ProxyScheme::Https => uri::Scheme::HTTPS,
        _ => uri::Scheme::HTTP,
    };
    let wrong = |error| Error::builder("the URL of the proxy has no valid host").because(error);
    let authority = |text: &str| {
        text.parse::<uri::Authority>().map_err(|error| wrong(http::Error::from(error)))
    };
    let given = authority(host)?;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(name);
    parts.authority = Some(match given.port() {
        None if !host.ends_with(':') => authority(&format!("{host}:{}", scheme.default_port()))?,
        _ => given,
    });
    parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
    let uri = Uri::from_parts(parts).map_err(|error| wrong(http::Error::from(error)))?;
    Origin::try_from(&uri)
}

/// Of the part of a URL before the `@`, percent-decoded.
fn credentials(user_info: &str) -> Result<Credentials, Error> {
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(|text| text.into_owned()).map_err(|_| {
            // The error of the standard library would say which byte it is.
            Error::builder("the user or the password of the proxy is not UTF-8")
        })
    };
    Ok(Credentials::new(decoded(user)?, decoded(password)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scheme, authority, user and password.
    fn parts(url: &str) -> Result<(ProxyScheme, String, Option<[String; 2]>), Error> {
        let Parts { scheme, origin, credentials } = url.parse()?;
        let said = |who: Credentials| [who.user().to_owned(), who.password().to_owned()];
        Ok((scheme, origin.authority_form(), credentials.map(said)))
    }

    #[test]
    fn a_proxy_is_given_with_scheme_user_and_port_or_without() {
        use ProxyScheme::{Http, Https, Socks4, Socks4a, Socks5, Socks5h};
        let table = [
            ("proxy.example", Http, "proxy.example:80", None),
            ("proxy.example:3128", Http, "proxy.example:3128", None),
            ("user:password@proxy.example", Http, "proxy.example:80", Some(["user", "password"])),
            ("http://proxy.example/", Http, "proxy.example:80", None),
            ("HTTPS://Proxy.Example", Https, "Proxy.Example:443", None),
            ("https://proxy.example:80", Https, "proxy.example:80", None),
            ("socks4://192.0.2.1", Socks4, "192.0.2.1:1080", None),
            ("socks4a://me@proxy.example", Socks4a, "proxy.example:1080", Some(["me", ""])),
            ("socks5://[2001:db8::1]", Socks5, "[2001:db8::1]:1080", None),
            ("socks5h://a%40b:c%3a%c3%bc@[::1]:9", Socks5h, "[::1]:9", Some(["a@b", "c:ü"])),
            (
                "http://user:p:a@s%@proxy.example",
                Http,
                "proxy.example:80",
                Some(["user", "p:a@s%"]),
            ),
            ("http://:@proxy.example", Http, "proxy.example:80", Some(["", ""])),
        ];
        for (url, scheme, authority, said) in table {
            let said = said.map(|[user, password]| [user.to_owned(), password.to_owned()]);
            assert_eq!(parts(url).unwrap(), (scheme, authority.to_owned(), said), "{url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_an_error_that_says_why() {
        let table = [
            ("", "no valid host"),
            ("http://", "no valid host"),
            ("http://:3128", "host"),
            ("http://proxy.example:99999", "no valid host"),
            ("http://proxy.example:", "port"),
            ("http://two words", "no valid host"),
            ("http://proxy.example/path", "no path"),
            ("http://proxy.example?query", "no path"),
            ("http://proxy.example#fragment", "no path"),
            ("ftp://proxy.example", "`ftp` is not a scheme of proxies"),
            ("http://%ff@proxy.example", "not UTF-8"),
        ];
        for (url, why) in table {
            let error = parts(url).unwrap_err();
            assert!(error.is_builder() && error.to_string().contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn no_error_repeats_a_password() {
        let urls = [
            "http://me:secret@proxy.example/path",
            "http://me:sec/secret@proxy.example",
            "http://me:secret@two words",
            "http://me:secret@proxy.example:99999",
            "ftp://me:secret@proxy.example",
            "me:secret://x@proxy.example",
            "http://me:%ffsecret@proxy.example",
        ];
        for url in urls {
            let error = parts(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
