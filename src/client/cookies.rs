//! Keeps cookies and sends them again (RFC 6265bis).
//!
//! A [`Jar`] has the rules, [`CookiesLayer`] stands over any service of requests, and [`CookieStore`] is for jars of your own.
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use tower_transport::{Body, client::cookies::{CookiesLayer, Jar}};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let server = service_fn(async |request: Request<Body>| {
//!     let seen = request.headers().get("cookie").map(|cookie| Bytes::copy_from_slice(cookie.as_bytes()));
//!     Response::builder().header("set-cookie", "a=1").body(Full::<Bytes>::from(seen.unwrap_or_default()))
//! });
//! let jar = Jar::new();
//! let service = CookiesLayer::new(jar.clone()).layer(server);
//! let get = || Request::get("https://example.com/").body(Body::empty());
//! let first = service.clone().oneshot(get()?).await?;
//! let second = service.oneshot(get()?).await?;
//! assert_eq!(Body::new(second.into_body()).read().await?, "a=1");
//! assert_eq!(jar.get("https://example.com/", "a").unwrap().value(), "1");
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::{COOKIE, HOST, SET_COOKIE},
};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

mod cookie;
mod date;
mod domain;
mod file;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
mod jar;
mod same_site;
mod set_cookie;
mod state;

pub use cookie::Cookie;
pub use file::Loaded;
pub use jar::Jar;
pub use same_site::SameSite;

/// Where cookies are kept: a [`Jar`], or one of yours.
///
/// It is called while a request is sent and when its response has come, so it should not block.
pub trait CookieStore: Send + Sync {
    /// Stores the `Set-Cookie` fields of a response to a request for this URL.
    fn store(&self, url: &Uri, fields: &mut dyn Iterator<Item = &HeaderValue>);

    /// What `Cookie` says in a request for this URL: `a=1; b=2`.
    fn header_for(&self, url: &Uri) -> Option<HeaderValue>;
}

impl<T: CookieStore + ?Sized> CookieStore for Arc<T> {
    fn store(&self, url: &Uri, fields: &mut dyn Iterator<Item = &HeaderValue>) {
        (**self).store(url, fields);
    }

    fn header_for(&self, url: &Uri) -> Option<HeaderValue> {
        (**self).header_for(url)
    }
}

/// Sends the cookies of a jar with each request, and stores those of each response, whatever its status.
///
/// Put it below redirects and authentication, so that it sees each hop and each 401. The request's own `Cookie`
/// comes first, in one field with those of the jar; cookies of the jar with the same name are left out. If a request sets `Host`, the
/// cookies of that host are sent.
///
/// An empty jar costs a request next to nothing, and a response without `Set-Cookie` as well.
#[derive(Clone)]
pub struct CookiesLayer {
    store: Arc<dyn CookieStore>,
}

/// The service of a [`CookiesLayer`].
///
/// Readiness is that of the inner service: a clone must be polled ready before it is called.
#[derive(Clone)]
pub struct Cookies<S> {
    inner: S,
    store: Arc<dyn CookieStore>,
}

/// Another jar for one request, or none, as an extension of it.
///
/// ```
/// use tower_transport::client::cookies::CookieOverride;
/// let request = http::Request::get("https://example.com/").extension(CookieOverride::none()).body(());
/// ```
#[derive(Clone)]
pub struct CookieOverride {
    store: Option<Arc<dyn CookieStore>>,
}

pin_project! {
    /// The future of [`Cookies`]: waits for the response and stores its cookies.
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the future of the inner service. Nothing is stored of a response that has not arrived.
    pub struct CookiesFuture<F> {
        #[pin]
        future: F,
        jar: Option<(Arc<dyn CookieStore>, Uri)>,
    }
}

impl CookiesLayer {
    /// Keeps cookies in this jar. A clone of it sees what comes.
    pub fn new(store: impl CookieStore + 'static) -> Self {
        Self { store: Arc::new(store) }
    }
}

impl Default for CookiesLayer {
    /// Over a jar of its own, which all services of this layer and its clones share.
    fn default() -> Self {
        Self::new(Jar::new())
    }
}

impl CookieOverride {
    /// Neither sends nor stores cookies.
    pub fn none() -> Self {
        Self { store: None }
    }

    /// Takes this jar instead.
    pub fn jar(store: impl CookieStore + 'static) -> Self {
        Self { store: Some(Arc::new(store)) }
    }
}

impl<S> Layer<S> for CookiesLayer {
    type Service = Cookies<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cookies { inner, store: self.store.clone() }
    }
}

impl<S, B, RB> Service<Request<B>> for Cookies<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CookiesFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let store = match request.extensions().get::<CookieOverride>() {
            Some(choice) => choice.store.clone(),
            None => Some(self.store.clone()),
        };
        let jar = store.map(|store| (store, url_of(&request)));
        if let Some(cookies) = jar.as_ref().and_then(|(store, url)| store.header_for(url)) {
            add(request.headers_mut(), cookies);
        }
        CookiesFuture { future: self.inner.call(request), jar }
    }
}

impl<F, RB, E> Future for CookiesFuture<F>
where
    F: Future<Output = Result<Response<RB>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(cx);
        if let (Poll::Ready(Ok(response)), Some((store, url))) = (&polled, this.jar)
            && response.headers().contains_key(SET_COOKIE)
        {
            store.store(url, &mut response.headers().get_all(SET_COOKIE).into_iter());
        }
        polled
    }
}

/// The URL of a request, with the host that its `Host` names.
fn url_of<B>(request: &Request<B>) -> Uri {
    let url = request.uri();
    let Some(host) = request.headers().get(HOST) else { return url.clone() };
    let mut parts = url.clone().into_parts();
    parts.authority = host.as_bytes().try_into().ok();
    // An invalid `Host` stands for neither the URL's host nor another.
    parts.authority.is_some().then(|| Uri::from_parts(parts).ok()).flatten().unwrap_or_default()
}

/// Adds the jar's cookies to what the request says itself.
fn add(headers: &mut HeaderMap, cookies: HeaderValue) {
    let merged = match headers.contains_key(COOKIE) {
        true => merge(headers, &cookies),
        false => Some(cookies),
    };
    if let Some(merged) = merged {
        // A map that is full refuses it, and what is below refuses the request.
        let _ = headers.try_insert(COOKIE, merged);
    }
}

/// The request's own fields in one, and of the jar's cookies those that it does not name; `None` if there are none of these.
fn merge(headers: &HeaderMap, cookies: &HeaderValue) -> Option<HeaderValue> {
    let own: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let names: Vec<_> = own.iter().flat_map(|field| pairs(field)).map(name).collect();
    let ours = pairs(cookies.as_bytes()).filter(|pair| !names.contains(&name(pair)));
    let own = own.into_iter().map(<[u8]>::trim_ascii).filter(|field| !field.is_empty());
    let merged = own.chain(ours).collect::<Vec<_>>().join(&b"; "[..]);
    let mut merged = HeaderValue::try_from(merged).ok()?;
    merged.set_sensitive(true);
    Some(merged)
}

fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(0);
    pair[..end].trim_ascii()
}

impl fmt::Debug for CookiesLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookiesLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for Cookies<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookies").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Debug for CookieOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.store.is_some() {
            "CookieOverride(jar)"
        } else {
            "CookieOverride(none)"
        })
    }
}

impl<F> fmt::Debug for CookiesFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookiesFuture").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
