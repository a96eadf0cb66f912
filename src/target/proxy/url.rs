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
