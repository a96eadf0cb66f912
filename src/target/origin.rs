//! Origins: scheme, host and port.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
};

use http::{Uri, uri::Authority};

use super::host;
use crate::error::Error;

/// Scheme, host and port (RFC 9110 §4.3.1).
///
/// Hosts compare case-insensitively, and an omitted port equals the default port:
///
/// ```
/// # use tower_transport::target::Origin;
/// # fn main() -> Result<(), tower_transport::Error> {
/// let a = Origin::try_from(&"https://example.org".parse().unwrap())?;
/// let b = Origin::try_from(&"HTTPS://EXAMPLE.org:443/path".parse().unwrap())?;
/// assert_eq!(a, b);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Origin {
    scheme: Scheme,
    /// Without userinfo, with or without a default port.
    authority: Authority,
    /// The length of the host; the rest is the port.
    host_len: usize,
    port: u16,
}

/// The supported schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// Plain text.
    Http,
    /// Over TLS.
    Https,
    /// WebSocket (RFC 6455) in plain text: HTTP that proxies must not forward as requests.
    Ws,
    /// WebSocket over TLS.
    Wss,
}

impl Origin {
    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as written, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let host = self.bracketed_host();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, explicit or default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host, in brackets for an IPv6 address, and the port unless it is the default: the value of `Host` and
    /// `:authority` (RFC 9110 §7.2).
    pub fn authority(&self) -> Cow<'_, str> {
        let host = self.bracketed_host();
        if self.port == self.scheme.default_port() {
            Cow::Borrowed(host)
        } else if !self.authority.as_str()[self.host_len..].starts_with(":0") {
            Cow::Borrowed(self.authority.as_str())
        } else {
            Cow::Owned(format!("{host}:{}", self.port))
        }
    }

    /// Like [`authority`](Self::authority), always with the port: the authority-form of RFC 9112 §3.2.3.
    pub fn authority_form(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port)
    }

    /// Writes the [authority-form](Self::authority_form).
    pub(super) fn write_authority_form(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed_host(), self.port)
    }

    /// The same host and port under another scheme.
    pub(super) fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// Whether the host is written as an IPv6 address.
    pub(crate) fn is_in_brackets(&self) -> bool {
        self.authority.as_str().starts_with('[')
    }

    /// Whether this URI has the same scheme and authority, byte for byte; a quick check that avoids parsing.
    #[cfg(feature = "http1")]
    pub(crate) fn is_named_by(&self, uri: &Uri) -> bool {
        uri.scheme_str() == Some(self.scheme.as_str())
            && uri.authority().is_some_and(|it| it.as_str() == self.authority.as_str())
    }

    fn bracketed_host(&self) -> &str {
        &self.authority.as_str()[..self.host_len]
    }
}

impl TryFrom<&Uri> for Origin {
    type Error = Error;

    /// The origin of an absolute URI.
    ///
    /// Refuses a user or password, and a host that some parsers read as an address and others do not, such as
    /// `127.1`, `0x7f.1` or `2130706433`: an IPv4 address is four decimal numbers.
    fn try_from(uri: &Uri) -> Result<Self, Error> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some("ws") => Scheme::Ws,
            Some("wss") => Scheme::Wss,
            Some(other) => {
                let text = format!("unsupported scheme `{other}`: http, https, ws or wss");
                return Err(Error::builder(text));
            }
            None => return Err(no_scheme(&uri.to_string(), "")),
        };
        let Some(authority) = uri.authority() else {
            return Err(Error::builder("the URL has no host"));
        };
        let (host_len, port) = host::checked(authority)?;
        let authority = without_empty_port(authority)?;
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, authority, host_len, port })
    }
}

/// The error of a URL without a scheme, with an alternative. Repeats it only where nothing in it may be a secret.
pub(crate) fn no_scheme(url: &str, or: &str) -> Error {
    let is_shown = !url.is_empty() && !url.contains(['@', '?', '#']);
    let url = if is_shown { format!(" `{url}`") } else { String::new() };
    Error::builder(format!("the URL{url} has no scheme: http:// or https://{or}"))
}

/// Removes an empty port, so that comparisons and requests never see a trailing colon.
fn without_empty_port(authority: &Authority) -> Result<Authority, Error> {
    match authority.as_str().strip_suffix(':') {
        None => Ok(authority.clone()),
        Some(host) => Authority::try_from(host)
            .map_err(|error| Error::builder("the host of the URL is not valid").because(error)),
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port == other.port
            && self.bracketed_host().eq_ignore_ascii_case(other.bracketed_host())
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // In pieces of eight: a hasher call per byte would cost more than the lookup.
        for piece in self.bracketed_host().as_bytes().chunks(8) {
            let mut lower = [0; 8];
            lower[..piece.len()].copy_from_slice(piece);
            lower.make_ascii_lowercase();
            state.write_u64(u64::from_ne_bytes(lower));
        }
        state.write_u32(u32::from(self.port) << 8 | self.scheme as u32);
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl Scheme {
    /// The scheme, as in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port of a URL without one.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http | Self::Ws => 80,
            Self::Https | Self::Wss => 443,
        }
    }

    /// Whether it requires TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Wss)
    }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use proptest::prelude::*;

    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap()
    }

    #[test]
    fn case_and_a_default_port_make_no_difference_and_all_else_does() {
        let table = [
            ("http://example.org", "HTTP://EXAMPLE.org:80/path?query", true),
            ("https://example.org:443", "https://Example.Org", true),
            ("https://example.org:", "https://example.org", true),
            ("http://[::1]:", "http://[::1]:80", true),
            ("http://[FE80::a%25eth0]", "http://[fe80::A%25ETH0]:80", true),
            ("http://example.org", "https://example.org", false),
            ("http://example.org:443", "https://example.org:443", false),
            ("http://example.org", "http://example.org:443", false),
            ("http://example.org", "http://example.org.", false),
            ("http://example.org", "http://example.com", false),
            ("http://[fe80::1%25eth0]", "http://[fe80::1]", false),
            ("http://127.0.0.1", "http://[::ffff:127.0.0.1]", false),
        ];
        for (a, b, equal) in table {
            assert_eq!(origin(a) == origin(b), equal, "{a} and {b}");
        }
    }

    #[test]
    fn an_origin_says_what_it_was_made_of() {
        let a = origin("https://[fe80::1%25eth0]:8443/path");
        assert_eq!((a.scheme(), a.host(), a.port()), (Scheme::Https, "fe80::1%25eth0", 8443));
        assert_eq!(a.authority_form(), "[fe80::1%25eth0]:8443");
        assert_eq!(a.to_string(), "https://[fe80::1%25eth0]:8443");
        let b = origin("http://Example.com:080/");
        assert_eq!(
            (b.authority().as_ref(), &*b.authority_form()),
            ("Example.com", "Example.com:80")
        );
        assert_eq!(origin("http://a:08080/").authority(), "a:8080");
    }

    #[test]
    fn a_url_without_a_host_or_a_scheme_that_is_spoken_is_refused() {
        for url in ["/path", "example.com", "example.com:443", "ftp://example.com/", "*"] {
            let error = Origin::try_from(&url.parse::<Uri>().unwrap()).unwrap_err();
            assert!(error.is_builder() && error.to_string().contains("scheme"), "{error}");
        }
    }

    proptest! {
        /// Of a few short hosts with any case, so that many pairs are equal.
        #[test]
        fn origins_that_are_equal_hash_alike(
            a in "https?://[abAB]{1,2}(\\.abcdefghABCDEFGHx){0,1}(:(80|443|0443))?",
            b in "https?://[abAB]{1,2}(\\.ABCdefghabcdefghX){0,1}(:(80|443|080))?",
        ) {
            let (a, b) = (origin(&a), origin(&b));
            let lower = |origin: &Origin| origin.host().to_ascii_lowercase();
            let equal = (a.scheme, lower(&a), a.port) == (b.scheme, lower(&b), b.port);
            prop_assert_eq!(a == b, equal);
            let hasher = foldhash::fast::FixedState::default();
            prop_assert!(!equal || hasher.hash_one(&a) == hasher.hash_one(&b));
        }
    }
}
