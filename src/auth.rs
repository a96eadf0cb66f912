//! Answers authentication challenges (RFC 9110 §11).
//!
//! A proxy asks for credentials by 407 with `Proxy-Authenticate`, an origin by 401 with `WWW-Authenticate`. This
//! module computes the answer, without I/O: [`Credentials`] answer Digest (RFC 7616) or Basic (RFC 7617), whichever
//! is the stronger of those offered; other schemes implement [`Authenticate`].
//!
//! | offered | answer |
//! |---|---|
//! | a challenge your own [`Authenticate`] answers | its answer |
//! | Digest with SHA-512-256, SHA-256 or MD5 | Digest with the first of these, if the feature `digest` is on |
//! | Basic | Basic |
//! | anything else | none: a proxy's refusal is an error, an origin's is the response |
//!
//! An `AuthLayer` of the [client](crate::client) answers origins; the connection to a proxy answers the proxy.
//!
//! All that share a proxy's settings remember its challenge, so that the next connection answers it in advance.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::events::shown;

pub(crate) use self::authenticator::Authenticator;
pub use self::challenge::Challenge;

mod authenticator;
mod basic;
mod challenge;
#[cfg(feature = "digest")]
mod digest;
#[cfg(not(feature = "digest"))]
#[path = "auth/no_digest.rs"]
mod digest;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

/// The asker, which decides the header fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Asker {
    /// A proxy, by `Proxy-Authenticate`; the answer is `Proxy-Authorization` (RFC 9110 §11.7).
    #[default]
    Proxy,
    /// An origin, by `WWW-Authenticate`; the answer is `Authorization` (RFC 9110 §11.6).
    Origin,
}

impl Asker {
    /// The field of the challenge.
    pub fn asks(self) -> HeaderName {
        match self {
            Self::Proxy => header::PROXY_AUTHENTICATE,
            Self::Origin => header::WWW_AUTHENTICATE,
        }
    }
}

/// A user and a password.
///
/// Basic cannot encode a user with a colon, nor control characters (RFC 7617 §2). Where only Basic is offered, such
/// credentials are not sent, and the refusal is the error.
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

/// A request to authorize, and the challenge it answers.
#[non_exhaustive]
pub struct Authorizing<'a> {
    /// The asker.
    pub asker: Asker,
    /// The method of the request.
    pub method: &'a Method,
    /// Its target, as in the request line.
    pub target: &'a str,
    /// The header with the challenge; empty before the first response.
    pub challenge: &'a HeaderMap,
    /// The value that was sent and refused, if any.
    pub refused: Option<&'a HeaderValue>,
}

/// An authentication scheme of your own, such as Negotiate (RFC 4559).
///
/// ```
/// use http::HeaderValue;
/// use tower_transport::auth::{Authenticate, Authorizing};
/// use tower_transport::proxy::Proxy;
///
/// struct Negotiate;
///
/// impl Authenticate for Negotiate {
///     fn authorize(&self, request: &Authorizing<'_>) -> Option<HeaderValue> {
///         let asked = request.challenges().into_iter().find(|asked| asked.is("Negotiate"))?;
///         let token = next_token(asked.token())?;
///         HeaderValue::try_from(format!("Negotiate {token}")).ok()
///     }
/// }
///
/// /// A step of GSS-API: what the proxy said last, if it said anything, to what is said next.
/// fn next_token(params: Option<&str>) -> Option<String> {
///     # params.is_none().then(|| "YII=".to_owned())
/// }
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let proxy = Proxy::new("http://proxy.example:3128")?.authenticate(Negotiate);
/// # Ok(())
/// # }
/// ```
///
/// Closures implement it. This one sends its token in advance, and gives up when that is refused:
///
/// ```
/// use http::HeaderValue;
/// use tower_transport::{auth::Authorizing, proxy::Proxy};
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let bearer = |request: &Authorizing<'_>| match request.refused {
///     None => Some(HeaderValue::from_static("Bearer mF_9.B5f-4.1JqM")),
///     Some(_) => None,
/// };
/// let proxy = Proxy::new("https://proxy.example")?.authenticate(bearer);
/// # Ok(())
/// # }
/// ```
pub trait Authenticate: Send + Sync + 'static {
    /// Returns the value of the field (`Proxy-Authorization` for a proxy, `Authorization` for an origin), or `None`
    /// to send nothing, or nothing more: then [`Credentials`], if set, answer the challenge.
    ///
    /// It is called before the first request, without a challenge, and after each refusal. Repeating a refused value
    /// counts as `None`. The answer to a challenge is repeated for the same request on another connection, without
    /// asking, in case the proxy has closed this one.
    ///
    /// A request that is sent again may get another connection while several wait for one. A scheme whose steps belong to
    /// one connection, such as NTLM, needs a transport with one request at a time; the one step of Kerberos does not.
    ///
    /// It is called in the task of the connection, and must not block.
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
}

impl Authorizing<'_> {
    /// The challenges of `Proxy-Authenticate` or `WWW-Authenticate`, in order, without malformed ones. Empty before
    /// the first response.
    pub fn challenges(&self) -> Vec<Challenge> {
        Challenge::read(self.challenge.get_all(self.asker.asks()).iter().map(HeaderValue::as_bytes))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl fmt::Debug for Authorizing<'_> {
    /// Omits the refused value, which may be a password, and query parameters that sign the target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.parse().map_or_else(|_| "***".to_owned(), |uri| shown(&uri));
        f.debug_struct("Authorizing")
            .field("asker", &self.asker)
            .field("method", self.method)
            .field("target", &target)
            .field("challenges", &self.challenges())
            .finish_non_exhaustive()
    }
}
