//! Answers challenges: who we are, said in the scheme that is asked for (RFC 9110 §11).
//!
//! A proxy that wants to know who we are answers 407 with `Proxy-Authenticate`. What is answered to that is decided here,
//! without I/O: [`Credentials`] know Basic (RFC 7617), and other schemes are a matter of [`Authenticate`].

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method};

/// A user and a password. Never shown: `Debug` prints `***`.
///
/// ```
/// # use tower_transport::auth::Credentials;
/// let credentials = Credentials::new("user", "password");
/// assert_eq!(format!("{credentials:?}"), "Credentials(***)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    user: Arc<str>,
    password: Arc<str>,
}

/// What is to be authorized: the request, and what was said to it before.
#[derive(Debug)]
#[non_exhaustive]
pub struct Authorizing<'a> {
    /// The method of the request.
    pub method: &'a Method,
    /// Its target, as it stands in the request line.
    pub target: &'a str,
    /// The header of the answer that asked for authorization; empty before there is one.
    pub challenge: &'a HeaderMap,
    /// What was sent and refused, if anything was.
    pub refused: Option<&'a HeaderValue>,
}

/// A scheme of authentication of your own, like Negotiate (RFC 4559).
pub trait Authenticate: Send + Sync + 'static {
    /// The value of `Proxy-Authorization`, or `None` if nothing is to be said, or nothing more.
    ///
    /// It is called before the first request, with no challenge, and after each that was refused with 407. It is called in
    /// the task of the connection, and must not block.
    fn authorize(&self, request: &Authorizing<'_>) -> Option<HeaderValue>;
}

impl<F> Authenticate for F
where
    F: Fn(&Authorizing<'_>) -> Option<HeaderValue> + Send + Sync + 'static,
{
    fn authorize(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        self(request)
    }
}

/// Who we are to one proxy, and what it has asked before. Equal are those that say the same to the same question.
#[derive(Clone, Default)]
pub(crate) struct Authenticator {
    credentials: Option<Credentials>,
    scheme: Option<Arc<dyn Authenticate>>,
}

impl Credentials {
    /// A user and a password.
    pub fn new(user: impl Into<Arc<str>>, password: impl Into<Arc<str>>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }

    fn basic(&self) -> Option<HeaderValue> {
        let encoded = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Authenticator {
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.credentials = Some(credentials);
    }

    pub(crate) fn has_scheme(&self) -> bool {
        self.scheme.is_some()
    }

    pub(crate) fn set_scheme(&mut self, scheme: Arc<dyn Authenticate>) {
        self.scheme = Some(scheme);
    }

    /// Whether there is anything that could be said to a challenge.
    pub(crate) fn can_answer(&self) -> bool {
        self.credentials.is_some() || self.scheme.is_some()
    }

    /// What is said unasked, or to what was asked before.
    pub(crate) fn first(&self, method: &Method, target: &str) -> Option<HeaderValue> {
        let request = Authorizing { method, target, challenge: &HeaderMap::new(), refused: None };
        match &self.scheme {
            Some(scheme) => scheme.authorize(&request),
            None => self.credentials.as_ref()?.basic(),
        }
    }

    /// What is said to this challenge, after `refused` was not enough; `None` if there is nothing better to say. It is
    /// remembered, so that [`first`](Self::first) says it the next time.
    pub(crate) fn next(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
        match &self.scheme {
            Some(scheme) => scheme.authorize(request),
            None => None,
        }
    }
}

impl PartialEq for Authenticator {
    fn eq(&self, other: &Self) -> bool {
        let Self { credentials, scheme } = self;
        let same_scheme = match (scheme, &other.scheme) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_scheme && *credentials == other.credentials
    }
}

impl Eq for Authenticator {}

impl Hash for Authenticator {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.credentials.as_ref().map(Credentials::user).hash(state);
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}
