//! Answers challenges: who we are, said in the scheme that is asked for (RFC 9110 §11).
//!
//! A proxy that wants to know who we are answers 407 with `Proxy-Authenticate`, an origin 401 with `WWW-Authenticate`. What is
//! said to either is decided here, without I/O: [`Credentials`] are said as Digest (RFC 7616) or Basic (RFC 7617), whichever is the stronger of what it
//! offers, and other schemes are a matter of [`Authenticate`].
//!
//! | offered | what is said |
//! |---|---|
//! | something your own [`Authenticate`] answers | what it answers |
//! | Digest with SHA-512-256, SHA-256 or MD5 | Digest with the first of these, if the feature `digest` is on |
//! | Basic | Basic |
//! | anything else | nothing: a proxy's refusal is the error, an origin's the answer |
//!
//! An origin is answered by an `AuthLayer` of the [client](crate::client), a proxy by the connection to it.
//!
//! What a proxy asked for is remembered by all that share its settings, so that the next connection says it unasked.

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

/// Who asks to be told who we are: that decides which fields ask and answer.
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
    /// The field that asks.
    pub fn asks(self) -> HeaderName {
        match self {
            Self::Proxy => header::PROXY_AUTHENTICATE,
            Self::Origin => header::WWW_AUTHENTICATE,
        }
    }
}

/// A user and a password. Never shown: `Debug` prints `***`.
///
/// Basic cannot say a user with a colon, nor control characters in either (RFC 7617 §2). Where nothing but Basic is asked
/// for, such credentials are not said at all, and the refusal is the error.
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
#[non_exhaustive]
pub struct Authorizing<'a> {
    /// Who asks.
    pub asker: Asker,
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
/// fn next_token(said: Option<&str>) -> Option<String> {
///     # said.is_none().then(|| "YII=".to_owned())
/// }
///
/// # fn main() -> Result<(), tower_transport::Error> {
/// let proxy = Proxy::new("http://proxy.example:3128")?.authenticate(Negotiate);
/// # Ok(())
/// # }
/// ```
///
/// A closure is one, too. This one says its token unasked, and has nothing better to say once that is refused:
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
    /// The value of the field that authorizes (to a proxy `Proxy-Authorization`, to an origin `Authorization`), or `None` if nothing is to be said, or
    /// nothing more: then [`Credentials`] are said to the challenge, if there are any.
    ///
    /// It is called before the first request, with no challenge, and after each that was refused. To say once more what
    /// was refused is taken as `None`. An answer to a challenge is said once more to the same request on another
    /// connection, without asking, in case the proxy has closed this one.
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
    /// The challenges of `Proxy-Authenticate` or `WWW-Authenticate`, in their order, without those that are malformed. Empty before there is an
    /// answer that asks.
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
    /// Without what was refused, which may be a password, and without what signs the target.
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
