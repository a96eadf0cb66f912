//! What a response tells of redirects, as extensions.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Method, Request, StatusCode, Uri};

use crate::{
    body::Body,
    error::{Error, Kind},
    events::shown,
    options::Deadline,
    request::UrlFragment,
    target::Origin,
};

/// The redirects that led to a response: an extension of it, if there were any.
#[derive(Clone)]
pub struct Visited {
    hops: Arc<[Redirected]>,
}

/// A request that was redirected, and the head of its response.
#[derive(Clone)]
pub struct Redirected {
    pub(super) method: Method,
    pub(super) url: Uri,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
}

/// The URL of the last request: an extension of its response, if there were redirects.
#[derive(Clone)]
pub struct FinalUrl {
    pub(super) uri: Uri,
    pub(super) fragment: Option<Arc<str>>,
}

/// The request that a redirect asks for: an extension of a response that redirects and was not followed.
///
/// It is the request that would have been sent: with the method of the redirect, without secrets for another origin, and
/// without a body if the redirect drops it. Sending it starts the time of a
/// [`DeadlineLayer`](crate::client::DeadlineLayer) anew.
#[derive(Clone)]
pub struct NextRequest {
    next: Arc<NextHop>,
    origin: Origin,
    pub(super) fragment: Option<Arc<str>>,
}

/// A request that is to be sent.
pub(super) struct NextHop {
    pub(super) head: Request<()>,
    /// `None` if it cannot be had again.
    pub(super) body: Option<Body>,
}

impl Visited {
    pub(super) fn new(hops: Vec<Redirected>) -> Self {
        Self { hops: hops.into() }
    }

    /// The redirects, the first one first.
    pub fn hops(&self) -> &[Redirected] {
        &self.hops
    }
}

impl Redirected {
    /// The method of the request.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URL of the request, without a user and a password.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The header of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl FinalUrl {
    /// The URL, without its fragment, and without a user and a password.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The fragment of the last `Location` that had one (RFC 9110 §10.2.2).
    pub fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }
}

impl NextRequest {
    pub(super) fn new(next: NextHop, origin: Origin, fragment: Option<Arc<str>>) -> Self {
        Self { next: Arc::new(next), origin, fragment }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        self.next.head.method()
    }

    /// The URL.
    pub fn url(&self) -> &Uri {
        self.next.head.uri()
    }

    /// The fragment of the URL, of this `Location` or of the last that had one (RFC 9110 §10.2.2).
    pub fn fragment(&self) -> Option<&str> {
        self.fragment.as_deref()
    }

    /// Scheme, host and port of the URL.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The header.
    pub fn headers(&self) -> &HeaderMap {
        self.next.head.headers()
    }

    /// Whether the request can be sent: it has no body, or its body can be cloned.
    pub fn can_be_sent(&self) -> bool {
        self.next.body.is_some()
    }

    /// The request, to be sent by any service.
    ///
    /// # Errors
    ///
    /// [`is_redirect`](Error::is_redirect) if its body cannot be had again.
    pub fn to_request(&self) -> Result<Request<Body>, Error> {
        let body = self.next.body.as_ref().and_then(Body::try_clone);
        let request = body.map(|body| self.next.head.clone().map(|()| body));
        let mut request = request.ok_or_else(|| {
            let url = shown(self.url());
            Error::new(Kind::Redirect, format!("the body for {url} cannot be sent again"))
        })?;
        let extensions = request.extensions_mut();
        // The caller may send it at any time: without a deadline but the caller's own.
        if let Some(asked) = extensions.remove::<Deadline>().and_then(Deadline::asked) {
            extensions.insert(asked);
        }
        if let Some(fragment) = &self.fragment {
            extensions.insert(UrlFragment(fragment.clone()));
        }
        Ok(request)
    }
}

impl fmt::Debug for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.hops).finish()
    }
}

impl fmt::Debug for Redirected {
    /// Without the header: it may hold cookies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, shown(&self.url), self.status)
    }
}

impl fmt::Debug for FinalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A fragment may be a token (RFC 6749 §4.2.2).
        write!(f, "FinalUrl({})", shown(&self.uri))
    }
}

impl fmt::Debug for NextRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NextRequest({} {})", self.method(), shown(self.url()))
    }
}
