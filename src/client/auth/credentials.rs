//! Credentials for origins: user and password, a token, or a scheme of the caller's.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::refresh::{AuthenticateAsync, Refresh};
use crate::{
    auth::{Authenticate, Authenticator, Authorizing, Credentials},
    client::{same_origin::is_same, user_info::without_user_info},
    error::Error,
    lock,
    target::Origin,
};

/// The most origins whose nonces are remembered.
const MOST_ORIGINS: usize = 64;

/// Credentials for origins. Never shown: `Debug` prints `***`.
///
/// As an extension of a request they are for the origin of that request alone, whatever it is redirected to. An
/// [`AuthLayer`](super::AuthLayer) sends them.
///
/// ```
/// use tower_transport::client::Auth;
///
/// let request = http::Request::get("https://api.example/")
///     .extension(Auth::bearer("mF_9.B5f-4.1JqM"))
///     .body(());
/// ```
#[derive(Clone)]
pub struct Auth {
    says: Says,
    origin: Option<Origin>,
}

#[derive(Clone)]
enum Says {
    Nothing,
    Known(Arc<KnownCredentials>),
    Refreshed(Arc<dyn Refresh>),
    /// Cannot be sent: each request fails.
    Mistake(Error),
}

/// Credentials that need no wait, and the challenges of each origin.
struct KnownCredentials {
    authenticator: Authenticator,
    /// The latest last. Nothing of the user's is called or dropped under the lock but an `Arc` that is held elsewhere.
    by_origin: Mutex<Vec<(Origin, Authenticator)>>,
}

/// How an origin is answered.
pub(super) enum AuthMethod {
    Known(Authenticator),
    Refreshed(Arc<dyn Refresh>),
}

impl Auth {
    /// A user and a password: sent in Basic (RFC 7617) before the origin asks, which saves a round trip, and in Digest
    /// (RFC 7616) if the origin asks for that, with the feature `digest`.
    ///
    /// Basic sends the password in the clear, so use it over TLS. It cannot express a user with a colon, nor control characters
    /// such as the line break at the end of a file: they fail each request with [`is_builder`](Error::is_builder). A user with a
    /// colon needs [`digest`](Self::digest).
    pub fn basic(user: impl Into<Arc<str>>, password: impl Into<Arc<str>>) -> Self {
        let mut authenticator = Authenticator::for_origins();
        let credentials = Credentials::new(user, password);
        let has_colon = credentials.user().contains(':');
        authenticator.set_credentials(credentials);
        if authenticator.can_use_basic() {
            return Self::known(authenticator);
        }
        Self::mistake(Error::builder(match has_colon {
            true => "the user of the Basic credentials holds a `:`, which only Digest can send",
            false => "the Basic credentials hold a control character, such as a line break",
        }))
    }

    /// A user and a password that are sent in Digest (RFC 7616) only, once the origin asks for it: never in the clear, whatever a
    /// server asks for. Without the feature `digest` they are never sent.
    pub fn digest(user: impl Into<Arc<str>>, password: impl Into<Arc<str>>) -> Self {
        let mut authenticator = Authenticator::for_origins();
        authenticator.set_credentials(Credentials::new(user, password));
        authenticator.forbid_basic();
        Self::known(authenticator)
    }

    /// A bearer token (RFC 6750), sent before a challenge. A token that is no valid header value, for example with a line break,
    /// fails each request with [`is_builder`](Error::is_builder).
    pub fn bearer(token: impl AsRef<str>) -> Self {
        let value = HeaderValue::try_from(format!("Bearer {}", token.as_ref()));
        // The error of the parser repeats nothing of the token.
        let mistake = |error: http::header::InvalidHeaderValue| {
            Error::builder("the bearer token is not a valid header value").because(error)
        };
        let mut value = match value.map_err(mistake) {
            Ok(value) => value,
            Err(error) => return Self::mistake(error),
        };
        value.set_sensitive(true);
        Self::by(move |request: &Authorizing<'_>| request.refused.is_none().then(|| value.clone()))
    }

    /// A scheme of your own.
    pub fn by(scheme: impl Authenticate) -> Self {
        let mut authenticator = Authenticator::for_origins();
        authenticator.set_scheme(Arc::new(scheme));
        Self::known(authenticator)
    }

    /// Credentials that are obtained asynchronously, such as a refreshed token.
    pub fn by_async(scheme: impl AuthenticateAsync) -> Self {
        Self { says: Says::Refreshed(Arc::new(scheme)), origin: None }
    }

    /// No credentials, whatever the layer would send, on all hops of the request.
    pub fn none() -> Self {
        Self { says: Says::Nothing, origin: None }
    }

    /// Sends it to this origin only; if that is `http` on port 80, also to `https` on port 443 of the host. By default it is
    /// bound to the origin of the first request that has it. [`none`](Self::none) is bound to no origin.
    pub fn bound_to(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    fn known(authenticator: Authenticator) -> Self {
        let known = KnownCredentials { authenticator, by_origin: Mutex::default() };
        Self { says: Says::Known(Arc::new(known)), origin: None }
    }

    fn mistake(error: Error) -> Self {
        Self { says: Says::Mistake(error), origin: None }
    }

    /// Binds it, unless it is bound.
    #[cfg(feature = "redirect")]
    pub(in crate::client) fn bind(&mut self, origin: &Origin) {
        // Nothing is a secret of no origin: were it bound, the next would be told what others have for it.
        if self.says_anything() {
            self.origin.get_or_insert_with(|| origin.clone());
        }
    }

    pub(super) fn is_for(&self, origin: &Origin) -> bool {
        self.origin.as_ref().is_none_or(|bound| is_same(bound, origin))
    }

    pub(super) fn says_anything(&self) -> bool {
        !matches!(self.says, Says::Nothing)
    }

    /// An error for what cannot be said.
    pub(super) fn method(&self, origin: &Origin) -> Result<AuthMethod, Error> {
        match &self.says {
            Says::Nothing => Ok(AuthMethod::Known(Authenticator::for_origins())),
            Says::Known(known) => Ok(AuthMethod::Known(known.of(origin))),
            Says::Refreshed(refresh) => Ok(AuthMethod::Refreshed(refresh.clone())),
            Says::Mistake(error) => Err(error.clone()),
        }
    }
}

impl KnownCredentials {
    /// The authenticator of an origin, which remembers what that has asked.
    fn of(&self, origin: &Origin) -> Authenticator {
        let mut by_origin = lock::lock(&self.by_origin);
        if let Some((_, known)) = by_origin.iter().find(|(known, _)| known == origin) {
            return known.clone();
        }
        if by_origin.len() == MOST_ORIGINS {
            by_origin.remove(0);
        }
        let new = self.authenticator.unasked();
        by_origin.push((origin.clone(), new.clone()));
        new
    }
}

/// Takes a user and a password out of a URL.
pub(in crate::client) fn take_from_url(uri: &mut Uri) -> Result<Option<Auth>, Error> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // As bytes, which is cheaper: nearly all have none.
    if !authority.as_bytes().contains(&b'@') {
        return Ok(None);
    }
    let Some((user_info, _)) = authority.rsplit_once('@') else { return Ok(None) };
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decoded = |text| {
        // The error of the standard library would say which byte it is.
        let wrong = |_| Error::builder("the user or the password of the URL is not UTF-8");
        percent_decode_str(text).decode_utf8().map_err(wrong)
    };
    let auth = match user_info {
        // An empty user is no credentials.
        "" | ":" => None,
        _ => Some(Auth::basic(&*decoded(user)?, &*decoded(password)?)),
    };
    let without = without_user_info(uri).into_owned();
    *uri = without;
    Ok(auth)
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.says {
            Says::Nothing => f.write_str("Auth(none)"),
            _ => f.write_str("Auth(***)"),
        }
    }
}
