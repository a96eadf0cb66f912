//! One cookie, as a jar keeps it.

use std::{
    borrow::Cow,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{SameSite, domain, set_cookie};
use crate::error::Error;

/// A cookie: what a server set, or what you make to [insert](super::Jar::insert) into a jar.
///
/// `Debug` does not show the value.
///
/// ```
/// use tower_transport::client::cookies::{Cookie, Jar};
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let jar = Jar::new();
/// jar.insert(Cookie::new("example.com", "session", "c2VjcmV0")?.with_subdomains().secure())?;
/// let url = "https://www.example.com/".parse().unwrap();
/// assert_eq!(jar.header_for(&url).unwrap(), "session=c2VjcmV0");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    pub(super) name: Box<[u8]>,
    pub(super) value: Box<[u8]>,
    /// In lower case, an IPv6 address without brackets.
    pub(super) domain: Box<str>,
    pub(super) is_host_only: bool,
    pub(super) path: Box<[u8]>,
    /// Seconds since 1970; `None` for a session cookie.
    pub(super) expires: Option<i64>,
    pub(super) is_secure: bool,
    pub(super) is_http_only: bool,
    pub(super) same_site: Option<SameSite>,
}

impl Cookie {
    /// A cookie for one host, on every path, over `http` and `https`, until it is removed.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder), if the domain is no host, if name and value are both empty or have more than 4096
    /// bytes together, or if a server could not read them as they are: control characters, `;`, spaces at an end, a name with
    /// `=`.
    pub fn new(
        domain: &str,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let (name, value) = (name.as_ref(), value.as_ref());
        let pair = [name, b"=", value].concat();
        let is_read_as_it_is =
            set_cookie::parse(&pair).is_some_and(|read| (read.name, read.value) == (name, value));
        if !is_read_as_it_is {
            // The value may be a secret, so it is not shown.
            return Err(Error::builder("the name or the value of the cookie is not valid"));
        }
        let domain = domain::canonical(domain).ok_or_else(|| {
            Error::builder(format!("{domain:?} is not a valid domain of a cookie"))
        })?;
        Ok(Self {
            name: name.into(),
            value: value.into(),
            domain: domain.into(),
            is_host_only: true,
            path: Box::from(*b"/"),
            expires: None,
            is_secure: false,
            is_http_only: false,
            same_site: None,
        })
    }

    /// Also sends it to every host below its domain, as the attribute `Domain` does.
    pub fn with_subdomains(mut self) -> Self {
        self.is_host_only = false;
        self
    }

    /// Sends it only for this path and what is below it: `/a` covers `/a` and `/a/b`, and not `/ab`.
    ///
    /// [`insert`](super::Jar::insert) refuses one that does not begin with `/` or holds control characters or `;`.
    pub fn with_path(mut self, path: impl AsRef<[u8]>) -> Self {
        self.path = path.as_ref().into();
        self
    }

    /// Sends it only over `https` and `wss`.
    pub fn secure(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// Marks it as one that scripts of pages may not read. It changes nothing here, but is kept in a `cookies.txt`.
    pub fn http_only(mut self) -> Self {
        self.is_http_only = true;
        self
    }

    /// Lets it end then. A jar keeps no cookie for longer than 400 days.
    pub fn with_expiry(mut self, at: SystemTime) -> Self {
        self.expires = Some(to_seconds(at));
        self
    }

    /// The name, which may be empty. Bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// The value. Bytes that are not UTF-8 are replaced.
    pub fn value(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }

    /// The value as it is sent.
    pub fn value_bytes(&self) -> &[u8] {
        &self.value
    }

    /// The host, or the domain whose hosts all get it, in lower case, without a leading dot.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it is sent to that host alone, and not to those below it.
    pub fn is_host_only(&self) -> bool {
        self.is_host_only
    }

    /// The path that it is for. Bytes that are not UTF-8 are replaced.
    pub fn path(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }

    /// When it ends; `None` for a session cookie, which ends with the program unless it is saved.
    pub fn expiry(&self) -> Option<SystemTime> {
        self.expires.map(from_seconds)
    }

    /// Whether it is sent only over `https` and `wss`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Whether scripts of pages may not read it.
    pub fn is_http_only(&self) -> bool {
        self.is_http_only
    }

    /// What it says of requests that other sites cause.
    pub fn same_site(&self) -> Option<SameSite> {
        self.same_site
    }

    pub(super) fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether they are one cookie, which a later one replaces.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.is_host_only == other.is_host_only
            && self.path == other.path
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Cookie");
        out.field("name", &self.name()).field("value", &format_args!("***"));
        out.field("domain", &self.domain).field("is_host_only", &self.is_host_only);
        out.field("path", &self.path()).field("expires", &self.expires);
        out.field("is_secure", &self.is_secure).field("is_http_only", &self.is_http_only);
        out.field("same_site", &self.same_site).finish()
    }
}

/// Seconds since 1970, as far as they go.
pub(super) fn to_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// Times that the system cannot tell are the nearest of 1970.
fn from_seconds(seconds: i64) -> SystemTime {
    let duration = Duration::from_secs(seconds.unsigned_abs());
    match seconds >= 0 {
        true => UNIX_EPOCH.checked_add(duration),
        false => UNIX_EPOCH.checked_sub(duration),
    }
    .unwrap_or(UNIX_EPOCH)
}
