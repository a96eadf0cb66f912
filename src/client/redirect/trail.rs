//! One request on its way through redirects: where it has been, and where it goes next.

use std::sync::Arc;

use http::{Method, Request, StatusCode, Uri, header::HOST, response::Parts};

use super::{
    FinalUrl, NextHop, NextRequest, RedirectSettings, Redirected, Visited,
    next::{self, Next},
};
use crate::{
    body::Body,
    client::{
        bound,
        kept::Kept,
        same_origin::is_same,
        secrets::{HttpsOnly, Stripped},
        user_info::without_user_info,
    },
    error::{BoxError, Error, Kind},
    events::shown,
    options::{ConnectProtocol, Deadline, RawTarget, Redirects, ServerName, TlsIdentity},
    request::UrlFragment,
    target::{Origin, Scheme},
};

/// The next step after a response.
pub(super) enum Decision {
    /// It is the result.
    Done,
    /// It redirects, and is the result all the same.
    Unfollowed(Option<NextRequest>),
    Follow(NextRequest),
    Refuse(Error),
}

pub(super) struct Trail {
    settings: Arc<RedirectSettings>,
    redirects: Redirects,
    /// The request that was sent last.
    kept: Kept,
    fragment: Option<Arc<str>>,
    hops: Vec<Redirected>,
}

impl Trail {
    // `always`: otherwise the result is moved once more.
    #[inline(always)]
    pub(super) fn new(settings: Arc<RedirectSettings>, request: &Request<Body>) -> Self {
        let extensions = request.extensions();
        let (redirects, fragment) = match extensions.is_empty() {
            true => (settings.redirects, None),
            false => {
                let fragment = extensions.get().map(|UrlFragment(fragment)| fragment.clone());
                (extensions.get().copied().unwrap_or(settings.redirects), fragment)
            }
        };
        let hops = Vec::new();
        Self { settings, redirects, kept: Kept::of(request), fragment, hops }
    }

    /// Whether a response is the result, and has nothing to be told of its way.
    #[inline]
    pub(super) fn is_at_its_end(&self, status: StatusCode) -> bool {
        self.hops.is_empty() && !next::is_redirect(status)
    }

    pub(super) fn decide(&self, response: &Parts) -> Decision {
        if !next::is_redirect(response.status) || self.kept.method() == Method::CONNECT {
            return Decision::Done;
        }
        let next = match self.next(response) {
            Ok(Some(next)) => next,
            Ok(None) => return Decision::Done,
            Err(why) => return self.refuse(None, why),
        };
        let limit = self.redirects.limit();
        if limit == 0 {
            return Decision::Unfollowed(Some(next));
        }
        if self.hops.len() >= limit {
            return self
                .refuse(Some(next), format!("there are more than {limit} redirects").into());
        }
        if self.settings.filter.as_ref().is_some_and(|filter| !filter(&next)) {
            return self.refuse(Some(next), "the filter refuses the next request".into());
        }
        if !next.can_be_sent() {
            let why =
                "the body of the request cannot be sent again: `Body::again` makes one that can";
            return self.refuse(Some(next), why.into());
        }
        Decision::Follow(next)
    }

    fn refuse(&self, next: Option<NextRequest>, why: BoxError) -> Decision {
        if self.redirects.is_lenient() {
            return Decision::Unfollowed(next);
        }
        let url = shown(self.kept.uri());
        let error = Error::new(Kind::Redirect, format!("following the redirect of {url}"));
        Decision::Refuse(error.because(why).with_url(url))
    }

    /// The request that a response asks for; `None` if it names no `Location`.
    fn next(&self, response: &Parts) -> Result<Option<NextRequest>, BoxError> {
        let Some(location) = next::location(&response.headers)? else { return Ok(None) };
        let before = Origin::try_from(&*without_user_info(self.kept.uri()))?;
        let Next { uri, origin, fragment, is_relative } =
            next::resolve(self.kept.uri(), location.as_bytes())?;
        let is_plain = origin.scheme() == Scheme::Http;
        if is_plain && self.kept.extensions().get::<HttpsOnly>().is_some() {
            return Err("it leads to `http`, and `https_only` allows nothing but `https`".into());
        }
        let (method, keeps_body) = next::method(response.status, self.kept.method());
        let mut head = self.kept.head();
        bound::bind(&mut head, &before);
        if method != self.kept.method() {
            next::strip_conditions(head.headers_mut());
        }
        *head.method_mut() = method;
        *head.uri_mut() = uri;
        // It is the name of one host, which no other can prove to be.
        if before.host() != origin.host() {
            head.extensions_mut().remove::<ServerName>();
        }
        let is_trusted = self.settings.trusted.contains(&origin);
        self.strip(&mut head, is_trusted || is_same(&before, &origin));
        if !is_relative {
            head.headers_mut().remove(HOST);
        }
        let body = match keeps_body {
            true => self.kept.body.as_ref().and_then(Body::try_clone),
            false => {
                next::strip_body(head.headers_mut());
                Some(Body::empty())
            }
        };
        let fragment = fragment.map(Arc::from).or_else(|| self.fragment.clone());
        Ok(Some(NextRequest::new(NextHop { head, body }, origin, fragment)))
    }

    /// Takes off what the next request must not have.
    fn strip(&self, head: &mut Request<()>, is_same: bool) {
        head.extensions_mut().remove::<RawTarget>();
        if is_same {
            return;
        }
        next::strip_secrets(head.headers_mut(), &self.settings.also);
        head.extensions_mut().insert(Stripped);
        head.extensions_mut().remove::<ServerName>();
        head.extensions_mut().remove::<TlsIdentity>();
        head.extensions_mut().remove::<ConnectProtocol>();
    }

    /// Goes on to the next request.
    pub(super) fn follow(
        &mut self,
        next: NextRequest,
        response: Parts,
    ) -> Result<Request<Body>, Error> {
        let (method, url) = (self.kept.method().clone(), self.shown_url());
        let Parts { status, headers, .. } = response;
        self.fragment = next.fragment.clone();
        self.hops.push(Redirected { method, url, status, headers });
        let mut request = next.to_request()?;
        // The deadline of the first request goes on.
        if let Some(deadline) = self.kept.extensions().get::<Deadline>() {
            request.extensions_mut().insert(*deadline);
        }
        if let Some(change) = &self.settings.on_redirect {
            change(&mut request);
        }
        self.kept = Kept::of(&request);
        Ok(request)
    }

    /// Tells the result what led to it.
    pub(super) fn finish(&mut self, response: &mut Parts, next: Option<NextRequest>) {
        if let Some(next) = next {
            response.extensions.insert(next);
        }
        if !self.hops.is_empty() {
            let uri = self.shown_url();
            response.extensions.insert(FinalUrl { uri, fragment: self.fragment.take() });
            response.extensions.insert(Visited::new(std::mem::take(&mut self.hops)));
        }
    }

    /// The error of the last request. Those before it were sent.
    pub(super) fn failed(&self, error: Error) -> Error {
        match self.hops.is_empty() {
            true => error,
            false => error.sent(true),
        }
    }

    /// The last URL, without user and password.
    fn shown_url(&self) -> Uri {
        without_user_info(self.kept.uri()).into_owned()
    }

    pub(super) fn uri(&self) -> &Uri {
        self.kept.uri()
    }
}
