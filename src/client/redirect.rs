//! Follows redirects (RFC 9110 §15.4).
//!
//! | status | method | body |
//! |---|---|---|
//! | 301, 302 | `POST` becomes `GET`, others stay | gone with `POST`, else sent again |
//! | 303 | `HEAD` stays, others become `GET` | gone |
//! | 307, 308 | stays | sent again |
//!
//! Any other status, and one of these without a `Location`, is an answer like any other.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{failing::not_ready, ready::take_ready};
use crate::{
    body::Body,
    error::{BoxError, Error},
    options::Redirects,
    request::IntoHeaderName,
    target::Origin,
};

mod following;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod next;
mod outcome;
mod refusal;
mod trail;

pub use following::Redirecting;
pub use outcome::{FinalUrl, NextRequest, Redirected, Visited};

use outcome::NextHop;

use trail::Trail;

/// Follows redirects, 20 by default, over any service of requests.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_transport::Error> {
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_transport::{Body, RequestExt, client::RedirectLayer};
///
/// let service = service_fn(|request: Request<Body>| async move {
///     let path = request.uri().path().to_owned();
///     let response = match &*path {
///         "/old" => Response::builder().status(301).header("location", "/new"),
///         _ => Response::builder(),
///     };
///     response.body(Full::new(Bytes::from(path)))
/// });
/// let client = ServiceBuilder::new().layer(RedirectLayer::new()).service(service);
/// assert_eq!(client.request("GET", "http://a.example/old").await?.body(), "/new");
/// # Ok(())
/// # }
/// ```
///
/// # Limits
///
/// A request that cannot go on is an error for which [`Error::is_redirect`] holds, and [`Error::response`] is the response
/// that redirects, with the first 64 KiB of its body: after [too many](Redirects::limited) redirects; for a `Location` that is
/// no URL, or of a scheme other than `http` and `https`; if the body is needed and cannot be
/// [had again](Body::try_clone); if a [filter](Self::filter) says no. [`Redirects::lenient`] returns that response instead.
///
/// # What another origin is told
///
/// Where scheme, host or port differ, only these fields travel: `Accept…`, `Content-…`, `User-Agent`, `Range`,
/// `Cache-Control`, `TE`, the conditions `If-…`, without which a request would do something else, and
/// `Idempotency-Key`, and those of [`also`](Self::also); none of a value that is marked
/// [sensitive](http::HeaderValue::set_sensitive). What was taken off stays off, also when a later hop leads back. From
/// `http` to `https` of the same host, both on their usual ports, all travels, and so it does to an origin that is
/// [trusted](Self::trust). `Host` is that of the new URL; one of the caller's own is kept for a `Location` without a host.
///
/// Where the method becomes `GET`, the body is dropped, and with it the fields that describe it and the conditions `If-Match`,
/// `If-None-Match`, `If-Modified-Since` and `If-Unmodified-Since`, which were about the change that was asked for.
///
/// Of the extensions, [`RawTarget`](crate::options::RawTarget) is for the first request alone; and
/// [`ServerName`](crate::options::ServerName), [`TlsIdentity`](crate::options::TlsIdentity) and
/// [`ConnectProtocol`](crate::options::ConnectProtocol) are dropped where secrets are, `ServerName` for each other host, be it
/// trusted. A user in a `Location` is left out.
///
/// # What the response has
///
/// After a redirect, [`Visited`] and [`FinalUrl`] as extensions. One that redirects and was not followed has a
/// [`NextRequest`].
#[derive(Clone)]
pub struct RedirectLayer {
    settings: Arc<RedirectSettings>,
}

/// The service of a [`RedirectLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct Redirect<S> {
    inner: S,
    settings: Arc<RedirectSettings>,
}

#[derive(Clone, Default)]
struct RedirectSettings {
    redirects: Redirects,
    also: Vec<HeaderName>,
    trusted: Vec<Origin>,
    filter: Option<Arc<Filter>>,
    on_redirect: Option<Arc<OnRedirect>>,
    /// An invalid name in `also`: each request fails with it.
    mistake: Option<Error>,
}

type Filter = dyn Fn(&NextRequest) -> bool + Send + Sync;

type OnRedirect = dyn Fn(&mut Request<Body>) + Send + Sync;

impl RedirectLayer {
    /// Follows 20 redirects at the most.
    pub fn new() -> Self {
        Self { settings: Arc::default() }
    }

    /// Sets how many redirects are followed, for requests without a [`Redirects`] of their own. 20 by default.
    pub fn redirects(self, redirects: Redirects) -> Self {
        self.change(|settings| settings.redirects = redirects)
    }

    /// Lets these header fields travel to other origins, too, unless their values are marked as sensitive. None by default.
    ///
    /// An invalid name fails every request, with [`is_builder`](Error::is_builder).
    pub fn also(self, names: impl IntoIterator<Item = impl IntoHeaderName>) -> Self {
        self.change(|settings| {
            for name in names {
                match name.into_header_name() {
                    Ok(name) => settings.also.push(name),
                    Err(error) => settings.mistake = Some(error),
                }
            }
        })
    }

    /// Treats a redirect to this origin like one to the same origin: `Authorization` and sensitive values are kept.
    ///
    /// Credentials of an [`AuthLayer`](super::AuthLayer) are not: an [`Auth`](super::Auth) and a user in a URL stay bound to
    /// their origin. Set those of this origin by [`AuthLayer::for_origin`](super::AuthLayer::for_origin).
    pub fn trust(self, origin: Origin) -> Self {
        self.change(|settings| settings.trusted.push(origin))
    }

    /// Sees each next request before it is sent, and refuses it by `false`: against servers that redirect to hosts of an
    /// internal network, for example.
    ///
    /// It sees names of hosts, not the addresses that they resolve to: a name may resolve to an internal address, which a
    /// [resolver](crate::connect::Resolve) of yours can refuse. It is called in the task of the request and must not block.
    ///
    /// ```
    /// use tower_transport::client::RedirectLayer;
    ///
    /// let layer = RedirectLayer::new().filter(|next| next.origin().host().ends_with(".example.com"));
    /// ```
    pub fn filter(self, filter: impl Fn(&NextRequest) -> bool + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.filter = Some(Arc::new(filter)))
    }

    /// Changes each next request before it is sent. What it adds counts as the caller's own on the redirects after that.
    ///
    /// It is called after the [filter](Self::filter), in the task of the request, and must not block.
    pub fn on_redirect(self, change: impl Fn(&mut Request<Body>) + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.on_redirect = Some(Arc::new(change)))
    }

    /// A setting that is not valid.
    #[cfg(feature = "client")]
    pub(super) fn mistake(&self) -> Option<&Error> {
        self.settings.mistake.as_ref()
    }

    fn change(mut self, change: impl FnOnce(&mut RedirectSettings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl Default for RedirectLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for RedirectLayer {
    type Service = Redirect<S>;

    fn layer(&self, inner: S) -> Redirect<S> {
        Redirect { inner, settings: self.settings.clone() }
    }
}

impl<S, RB> Service<Request<Body>> for Redirect<S>
where
    S: Service<Request<Body>, Response = Response<RB>, Error: Into<BoxError>> + Clone,
    RB: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<RB>;
    type Error = Error;
    type Future = Redirecting<S>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(not_ready)
    }

    #[inline]
    fn call(&mut self, request: Request<Body>) -> Redirecting<S> {
        if let Some(mistake) = &self.settings.mistake {
            return Redirecting::failed(mistake.clone());
        }
        let service = take_ready(&mut self.inner);
        let trail = Trail::new(self.settings.clone(), &request);
        Redirecting::new(service, trail, request)
    }
}

impl fmt::Debug for RedirectLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedirectLayer").field(&self.settings.redirects).finish()
    }
}

impl<S> fmt::Debug for Redirect<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redirect").field(&self.settings.redirects).finish()
    }
}
