//! Authorizes requests to origins, and answers 401 (RFC 9110 §11.6).

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response, header::AUTHORIZATION};
use tower_layer::Layer;
use tower_service::Service;

use super::{failing::not_ready, ready::take_ready, user_info::without_user_info};
use crate::{
    body::Body,
    error::{BoxError, Error},
    target::Origin,
};

mod answering;
mod attempt;
mod credentials;
mod in_url;
mod refresh;

pub use answering::Answering;
pub use credentials::Auth;
pub(super) use in_url::AuthInUrl;
pub use refresh::{AuthRequest, AuthenticateAsync};

use attempt::Attempted;

/// Sends credentials to origins, and answers their challenges.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_transport::{Body, RequestExt, client::{Auth, AuthLayer}};
///
/// let service = service_fn(|request: Request<Body>| async move {
///     let status = if request.headers().contains_key("authorization") { 200 } else { 401 };
///     Response::builder().status(status).body(Full::<Bytes>::default())
/// });
/// let client = ServiceBuilder::new().layer(AuthLayer::new()).service(service);
/// let request = client.request("GET", "http://a.example/").extension(Auth::basic("user", "password"));
/// assert_eq!(request.await?.status(), 200);
/// # Ok(())
/// # }
/// ```
///
/// # Which credentials are used
///
/// The first that applies:
///
/// 1. an `Authorization` of the caller's own, which is sent as it is, and whose 401 is not answered;
/// 2. an [`Auth`] that is an extension of the request, unless it is [for another origin](Auth::bound_to): with
///    [`Auth::none`], nothing is sent;
/// 3. a user and a password in the URL, which are taken out of it; a user without a password has the one that
///    [`netrc`](Self::netrc) has for this user and origin;
/// 4. what was given [for the origin](Self::for_origin);
/// 5. what a [function](Self::lookup) finds for it, as from a file.
///
/// Below a [`RedirectLayer`](super::RedirectLayer), which it belongs to, 2 and 3 are those of the origin that the caller has
/// named, whatever redirects lead to.
///
/// # Challenges
///
/// A 401 is answered at most 3 times, then it is the response. It is the response at once if there is nothing else to
/// answer, or if the body of the request cannot be [sent again](Body::try_clone). A Digest nonce is remembered for each origin,
/// so that the next request sends it in advance.
///
/// Of Digest (RFC 7616), `auth-int` is not spoken: bodies are not protected, and a challenge that offers nothing else is not
/// answered. `Authentication-Info` is ignored: the server need not prove that it knows the password, and its `nextnonce` is not used.
#[derive(Clone)]
pub struct AuthLayer {
    settings: Arc<AuthSettings>,
}

/// The service of an [`AuthLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct WithAuth<S> {
    inner: S,
    settings: Arc<AuthSettings>,
}

#[derive(Clone, Default)]
struct AuthSettings {
    by_origin: Vec<(Origin, Auth)>,
    lookup: Option<Arc<Lookup>>,
}

/// Of an origin, or of one user there.
type Lookup = dyn Fn(&Origin, Option<&str>) -> Option<Auth> + Send + Sync;

impl AuthLayer {
    /// A layer without credentials: only those of requests are sent.
    pub fn new() -> Self {
        Self { settings: Arc::default() }
    }

    /// Sends this to an origin. Credentials given earlier for the same origin are replaced.
    pub fn for_origin(self, origin: Origin, auth: Auth) -> Self {
        self.change(|settings| {
            settings.by_origin.retain(|(known, _)| *known != origin);
            settings.by_origin.push((origin, auth));
        })
    }

    /// Looks up credentials for origins that [`for_origin`](Self::for_origin) does not name.
    ///
    /// It is called for each request, in its task, and must not block. To use a Digest nonce for more than one request, it has to
    /// return clones of one [`Auth`].
    pub fn lookup(self, lookup: impl Fn(&Origin) -> Option<Auth> + Send + Sync + 'static) -> Self {
        self.lookup_by_user(move |origin, user| match user {
            None => lookup(origin),
            Some(_) => None,
        })
    }

    pub(super) fn lookup_by_user(
        self,
        lookup: impl Fn(&Origin, Option<&str>) -> Option<Auth> + Send + Sync + 'static,
    ) -> Self {
        self.change(|settings| settings.lookup = Some(Arc::new(lookup)))
    }

    fn change(mut self, change: impl FnOnce(&mut AuthSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl AuthSettings {
    /// The credentials for a request and their origin. Removes the user from the URL.
    #[inline]
    fn auth(&self, request: &mut Request<Body>) -> Result<Option<(Auth, Origin)>, Error> {
        let in_url = AuthInUrl::take(request.uri_mut())?;
        let asked = request.extensions().get::<Auth>();
        let in_url = in_url.as_ref().or_else(|| request.extensions().get());
        let knows_any = !self.by_origin.is_empty() || self.lookup.is_some();
        if asked.is_none() && in_url.is_none() && !knows_any {
            return Ok(None);
        }
        if request.headers().contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        // A URL without an origin is refused below, with an error that says why.
        let Ok(origin) = Origin::try_from(&*without_user_info(request.uri())) else {
            return Ok(None);
        };
        let asked = asked.filter(|auth| auth.is_for(&origin)).cloned();
        let in_url =
            in_url.filter(|it| it.auth.is_for(&origin)).map(|it| self.completed(it, &origin));
        let known = || self.by_origin.iter().find(|(known, _)| *known == origin);
        let auth = asked
            .or(in_url)
            .or_else(|| known().map(|(_, auth)| auth.clone()))
            .or_else(|| self.look_up(&origin, None));
        Ok(auth.filter(Auth::says_anything).map(|auth| (auth, origin)))
    }

    /// With the password that is known of a user without one.
    fn completed(&self, in_url: &AuthInUrl, origin: &Origin) -> Auth {
        let user = in_url.user.as_deref();
        let known = user.and_then(|user| self.look_up(origin, Some(user)));
        known.unwrap_or_else(|| in_url.auth.clone())
    }

    fn look_up(&self, origin: &Origin, user: Option<&str>) -> Option<Auth> {
        self.lookup.as_ref().and_then(|lookup| lookup(origin, user))
    }
}

impl Default for AuthLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = WithAuth<S>;

    fn layer(&self, inner: S) -> WithAuth<S> {
        WithAuth { inner, settings: self.settings.clone() }
    }
}

impl<S, RB> Service<Request<Body>> for WithAuth<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    RB: http_body::Body,
{
    type Response = Response<RB>;
    type Error = Error;
    type Future = Answering<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Body>) -> Answering<S> {
        let attempted = match self.settings.auth(&mut request) {
            Ok(None) => return Answering::passing(self.inner.call(request)),
            Ok(Some((auth, origin))) => Attempted::new(&auth, origin, &request),
            Err(error) => Err(error),
        };
        match attempted {
            Ok(attempted) => Answering::new(take_ready(&mut self.inner), attempted, request),
            Err(error) => Answering::failed(error),
        }
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.settings.by_origin.iter().map(|(origin, _)| origin).collect();
        f.debug_struct("AuthLayer").field("origins", &origins).finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for WithAuth<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithAuth").finish_non_exhaustive()
    }
}
