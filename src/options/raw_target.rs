//! A request target that is sent unchanged.

use std::fmt;

use http::Uri;

use crate::{error::Error, events::shown};

/// A request target that is sent unchanged, instead of that of the URI.
///
/// For `OPTIONS *`, for `CONNECT` to an authority through the host of the URI, and for paths that must not be
/// re-encoded. Set it as an extension of the request.
///
/// ```
/// use tower_transport::options::RawTarget;
/// assert!("*".parse::<RawTarget>().is_ok());
/// assert!("example.com:443".parse::<RawTarget>().is_ok());
/// assert!("/two words".parse::<RawTarget>().is_err());
/// assert!("/a\r\nX-Injected: 1".parse::<RawTarget>().is_err());
/// assert!("/a#fragment".parse::<RawTarget>().is_err(), "a fragment is never sent");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RawTarget(pub(crate) Uri);

impl std::str::FromStr for RawTarget {
    type Err = Error;

    fn from_str(target: &str) -> Result<Self, Error> {
        if let Some(c) = target.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
            return Err(Error::builder(format!("a request target cannot hold {c:?}")));
        }
        match target.parse() {
            Ok(uri) => Ok(Self(uri)),
            // Omits the text, which may contain a signature.
            Err(error) => Err(Error::builder("reading a request target").because(error)),
        }
    }
}

impl fmt::Display for RawTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RawTarget {
    /// Prints it without credentials and signatures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawTarget").field(&shown(&self.0)).finish()
    }
}
