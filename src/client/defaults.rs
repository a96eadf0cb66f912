//! Defaults of every request: a base URL, header fields, credentials.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header::USER_AGENT};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    default_auth::DefaultAuth,
    failing::{failed, not_ready},
    secrets,
    user_info::without_user_info,
};
use crate::{
    body::Body,
    error::{BoxError, Error, ForeignError},
    events::shown,
    fields,
    request::{IntoHeaderName, IntoUrl},
    target::{Origin, Scheme},
};

mod base_url;
mod omitted;

pub use omitted::OmittedHeaders;

/// Adds to requests what they do not say themselves, and sends those without a host to a base URL.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_transport::{Body, client::DefaultsLayer};
///
/// let service = service_fn(|request: Request<Body>| async move {
///     Ok::<_, std::io::Error>(Response::new(Full::new(Bytes::from(request.uri().to_string()))))
/// });
/// let client = DefaultsLayer::new().base_url("https://api.example/v1/").user_agent("me/1.0").layer(service);
/// let response = client.oneshot(Request::get("/users").body(Body::empty())?).await?;
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "https://api.example/v1/users");
/// # Ok(())
/// # }
/// ```
///
/// One request goes without some of the fields by [`OmittedHeaders`].
///
/// It belongs outermost, above [redirects](super::RedirectLayer), so that nothing that is taken off on the way comes back.
///
/// # Secrets
///
/// With a base URL, the fields that are added are for its origin. Requests that name another are told only those that redirects
/// [tell any origin](super::RedirectLayer#what-another-origin-is-told), and none whose value is marked as sensitive. The
/// same applies to a [`NextRequest`](super::NextRequest) that leads to another origin, with or without a base URL.
///
/// # Errors
///
/// A setting that is not valid fails each request with [`is_builder`](Error::is_builder).
#[derive(Clone)]
pub struct DefaultsLayer {
    settings: Arc<DefaultsSettings>,
}

/// The service of a [`DefaultsLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct Defaults<S> {
    inner: S,
    settings: Arc<DefaultsSettings>,
}

#[derive(Clone, Default)]
struct DefaultsSettings {
    /// With its origin.
    base: Option<(Uri, Origin)>,
    headers: HeaderMap,
    auth: DefaultAuth,
    is_https_only: bool,
    /// The first setting that is not valid: each request fails with it.
    mistake: Option<Error>,
}

impl DefaultsLayer {
    /// Adds nothing.
    pub fn new() -> Self {
        Self { settings: Arc::default() }
    }

    /// The URL that a request without a host is appended to: below `https://api.example/v1/`, both `/users` and `users` are
    /// `https://api.example/v1/users`, and so they are below `https://api.example/v1`.
    ///
    /// It has neither a query nor a user; give a password to [`auth`](Self::auth).
    pub fn base_url(self, url: impl IntoUrl) -> Self {
        self.change(|settings| {
            let base = url.into_url().and_then(|base| {
                let base = base_url::checked(base)?;
                let origin = Origin::try_from(&base)?;
                Ok((base, origin))
            });
            let wrong = |error| Error::builder(format!("setting the base URL: {error}"));
            settings.base = Some(base.map_err(wrong)?);
            Ok(())
        })
    }

    /// A header field for requests that have none of its name, next to others of its name that were set here.
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: IntoHeaderName,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        self.change(|settings| {
            let name = name.into_header_name()?;
            // The value may be a secret, so the error says only whose it is.
            let wrong = |error: V::Error| {
                Error::builder(format!("the value of the header `{name}` is not valid"))
                    .because(error.into())
            };
            let value = value.try_into().map_err(wrong)?;
            fields::append(&mut settings.headers, name, value)
        })
    }

    /// Header fields for requests that have none of their names, in place of those that were set here.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.change(|settings| fields::replace(&mut settings.headers, headers))
    }

    /// The `User-Agent` of requests that have none. By default there is none (RFC 9110 §10.1.5).
    pub fn user_agent<V>(self, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let without = self.change(|settings| {
            settings.headers.remove(USER_AGENT);
            Ok(())
        });
        without.header(USER_AGENT, value)
    }

    /// Refuses requests to URLs without TLS, also where a redirect leads to one, before anything is sent.
    pub fn https_only(self) -> Self {
        self.change(|settings| {
            settings.is_https_only = true;
            Ok(())
        })
    }

    /// The first setting that is not valid.
    #[cfg(feature = "client")]
    pub(super) fn mistake(&self) -> Option<&Error> {
        self.settings.mistake.as_ref()
    }

    /// Whether paths have something to be appended to.
    #[cfg(feature = "client")]
    pub(super) fn has_base(&self) -> bool {
        self.settings.base.is_some()
    }

    /// Adds to a request what would be added where it is sent.
    #[cfg(feature = "client")]
    pub(super) fn prepare(&self, request: &mut Request<Body>) -> Result<(), Error> {
        self.settings.apply(request)
    }

    fn change(mut self, change: impl FnOnce(&mut DefaultsSettings) -> Result<(), Error>) -> Self {
        let settings = Arc::make_mut(&mut self.settings);
        if let Err(error) = change(settings) {
            settings.mistake.get_or_insert(error);
        }
        self
    }
}

#[cfg(feature = "auth")]
impl DefaultsLayer {
    /// Sets the credentials for the origin of the base URL, or without a base URL for the origin of each request; never for an
    /// origin that a redirect leads to. An [`AuthLayer`](super::AuthLayer) below sends them.
    ///
    /// A request with an `Authorization`, an [`Auth`](super::Auth) or a user in its URL goes without.
    pub fn auth(self, auth: super::Auth) -> Self {
        self.change(|settings| {
            settings.auth = DefaultAuth::of(auth);
            Ok(())
        })
    }
}

impl DefaultsSettings {
    #[inline]
    fn apply(&self, request: &mut Request<Body>) -> Result<(), Error> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        if let Some((base, _)) = &self.base
            && let Some(url) = base_url::joined(base, request.uri())?
        {
            *request.uri_mut() = url;
        }
        if self.is_https_only {
            check_https(request.uri())?;
            request.extensions_mut().insert(secrets::HttpsOnly);
        }
        let base = self.base.as_ref().map(|(_, origin)| origin);
        self.auth.apply(request, base);
        self.add_headers(request)
    }

    fn add_headers(&self, request: &mut Request<Body>) -> Result<(), Error> {
        if self.headers.is_empty() {
            return Ok(());
        }
        // A redirect that is followed by hand comes here again.
        let is_stripped = request.extensions().get::<secrets::Stripped>().is_some();
        let is_elsewhere = is_stripped
            || self.base.as_ref().is_some_and(|(_, base)| {
                Origin::try_from(&*without_user_info(request.uri())).ok().as_ref() != Some(base)
            });
        let omitted = request.extensions().get::<OmittedHeaders>().cloned();
        let headers = request.headers_mut();
        fields::check_room(headers, self.headers.keys_len())?;
        let is_told = |name: &&HeaderName| {
            (!is_elsewhere || secrets::is_harmless(name))
                && omitted.as_ref().is_none_or(|omitted| !omitted.contains(name))
        };
        for name in self.headers.keys().filter(is_told) {
            if headers.contains_key(name) {
                continue;
            }
            for value in self.headers.get_all(name) {
                if !(is_elsewhere && value.is_sensitive()) {
                    headers.append(name, value.clone());
                }
            }
        }
        Ok(())
    }
}

fn check_https(url: &Uri) -> Result<(), Error> {
    let is_tls = Origin::try_from(&*without_user_info(url))
        .is_ok_and(|origin| matches!(origin.scheme(), Scheme::Https | Scheme::Wss));
    match is_tls {
        true => Ok(()),
        false => Err(Error::builder(format!(
            "{} is not https, and `https_only` allows nothing else",
            shown(url)
        ))),
    }
}

impl Default for DefaultsLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for DefaultsLayer {
    type Service = Defaults<S>;

    fn layer(&self, inner: S) -> Defaults<S> {
        Defaults { inner, settings: self.settings.clone() }
    }
}

pin_project! {
    /// The future of [`Defaults`].
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service.
    #[must_use = "futures do nothing unless polled"]
    pub struct WithDefaults<F> {
        #[pin]
        response: Option<F>,
        mistake: Option<Error>,
    }
}

impl<S, RB> Service<Request<Body>> for Defaults<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>>,
{
    type Response = Response<RB>;
    type Error = Error;
    type Future = WithDefaults<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, mut request: Request<Body>) -> WithDefaults<S::Future> {
        match self.settings.apply(&mut request) {
            Ok(()) => WithDefaults { response: Some(self.inner.call(request)), mistake: None },
            Err(error) => WithDefaults { response: None, mistake: Some(error) },
        }
    }
}

impl<F, RB, E> Future for WithDefaults<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<RB>, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(response) = this.response.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(this.mistake.take().unwrap_or_else(Error::polled_again)));
        };
        let polled = response.poll(cx);
        if polled.is_ready() {
            this.response.set(None);
        }
        polled.map_err(|error| failed(error, ForeignError::LAYER))
    }
}

impl fmt::Debug for DefaultsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt_as("DefaultsLayer", f)
    }
}

impl<S> fmt::Debug for Defaults<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt_as("Defaults", f)
    }
}

impl DefaultsSettings {
    /// The names of the fields alone: their values may be secrets.
    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base.as_ref().map(|(base, _)| shown(base));
        let headers: Vec<_> = self.headers.keys().collect();
        let mut out = f.debug_struct(name);
        out.field("base_url", &base).field("headers", &headers);
        out.field("https_only", &self.is_https_only).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for WithDefaults<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithDefaults").finish_non_exhaustive()
    }
}
