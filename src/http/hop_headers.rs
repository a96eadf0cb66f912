//! What a request says to the next hop alone: a proxy that forwards it is told who we are, an origin never is.
//!
//! `Proxy-Authorization` is for the first proxy that asks (RFC 9110 §11.7.2), and `Proxy-Connection` is no field of HTTP
//! (RFC 9112 appendix C.2.2). Neither gets to an origin, unless the request shows that its maker speaks to a proxy by hand.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING},
};

use crate::{
    auth::{Asker, Authorizing},
    error::{Error, Kind, ProxyFault, Refusal},
    request_target::is_by_hand,
    target::{Origin, Proxy},
};

/// What is done to the fields of a request for its next hop.
pub(crate) struct HopHeaders {
    added: HeaderMap,
    unwanted: &'static [HeaderName],
    authorization: Option<Box<Authorization>>,
}

/// What a proxy was told about us, for the case that it is not enough.
pub(crate) struct Authorization {
    proxy: Proxy,
    origin: Origin,
    method: Method,
    target: Uri,
    said: Option<HeaderValue>,
}

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

static FOR_NO_ORIGIN: [HeaderName; 2] = [PROXY_CONNECTION, PROXY_AUTHORIZATION];
static FOR_NO_PROXY: [HeaderName; 1] = [PROXY_CONNECTION];

/// Each request has its own.
const OF_THE_MESSAGE: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

impl HopHeaders {
    /// Of a request that goes to its origin; `None`, as nearly always, if there is nothing to be done.
    pub(crate) fn for_origin<B>(request: &Request<B>) -> Option<Box<Self>> {
        let headers = request.headers();
        let is_clean = headers.is_empty() || !has_any(headers, &FOR_NO_ORIGIN);
        if is_clean || is_by_hand(request) {
            return None;
        }
        Some(Box::new(Self::without(&FOR_NO_ORIGIN)))
    }

    /// Of a request to `origin` that is given to this proxy, under a target as it is sent; `None` as above.
    pub(crate) fn for_forwarder<B>(
        request: &Request<B>,
        target: &Uri,
        origin: &Origin,
        proxy: &Proxy,
    ) -> Result<Option<Box<Self>>, Error> {
        let headers = request.headers();
        let (can_answer, is_clean) =
            (proxy.authenticator().can_answer(), !has_any(headers, &FOR_NO_PROXY));
        if is_clean && !can_answer && proxy.headers().is_empty() {
            return Ok(None);
        }
        let mut fields = Self::without(&FOR_NO_PROXY);
        fields.added = told(proxy, headers)?;
        let is_told = |headers: &HeaderMap| headers.contains_key(PROXY_AUTHORIZATION);
        if can_answer && !is_told(headers) && !is_told(&fields.added) {
            let authorization = Authorization::of(request.method(), target, origin, proxy);
            fields.authorization = Some(Box::new(authorization));
        }
        Ok(Some(Box::new(fields)))
    }

    fn without(unwanted: &'static [HeaderName]) -> Self {
        Self { added: HeaderMap::new(), unwanted, authorization: None }
    }

    /// How many names it may add to a request.
    pub(crate) fn added_names(&self) -> usize {
        self.added.keys_len() + usize::from(self.authorization.is_some())
    }

    /// The fields as they are sent.
    pub(crate) fn put_into(&self, headers: &mut HeaderMap) {
        for name in self.unwanted {
            headers.remove(name);
        }
        headers.extend(self.added.clone());
        if let Some(said) = self.said() {
            headers.insert(PROXY_AUTHORIZATION, said.clone());
        }
    }

    fn said(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()?.said.as_ref()
    }

    /// What the proxy was told about us, if it may be told something else.
    pub(crate) fn authorization(self) -> Option<Box<Authorization>> {
        self.authorization
    }
}

/// The fields for this proxy that the request does not have itself.
fn told(proxy: &Proxy, headers: &HeaderMap) -> Result<HeaderMap, Error> {
    let mut told = HeaderMap::new();
    for (name, value) in proxy.headers() {
        if OF_THE_MESSAGE.contains(name) {
            return Err(Error::builder(format!("`{name}` is not a field for the proxy {proxy}")));
        }
        if !headers.contains_key(name) {
            told.append(name.clone(), value.clone());
        }
    }
    Ok(told)
}

fn has_any(headers: &HeaderMap, names: &[HeaderName]) -> bool {
    names.iter().any(|name| headers.contains_key(name))
}

impl Authorization {
    fn of(method: &Method, target: &Uri, origin: &Origin, proxy: &Proxy) -> Self {
        let mut said = proxy.authenticator().first(method, target);
        if let Some(said) = &mut said {
            said.set_sensitive(true);
        }
        let (method, target) = (method.clone(), target.clone());
        Self { proxy: proxy.clone(), origin: origin.clone(), method, target, said }
    }

    /// An error if the proxy asks who we are, and there is more to be said: it is said when the request is sent again.
    pub(crate) fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
        if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(());
        }
        let has_better = self.proxy.authenticator().prepare(&Authorizing {
            asker: Asker::Proxy,
            method: &self.method,
            target: &self.target.to_string(),
            challenge: headers,
            refused: self.said.as_ref(),
        });
        if has_better { Err(self.refused(status, headers)) } else { Ok(()) }
    }

    fn refused(&self, status: StatusCode, headers: &HeaderMap) -> Error {
        let Self { proxy, origin, .. } = self;
        let text = format!(
            "forwarding a request to {origin} through the proxy {proxy}: it wants to know who we are"
        );
        let refusal = Refusal { status, headers: headers.clone(), body: Default::default() };
        Error::new(Kind::Protocol, text).by_proxy(ProxyFault::Refused(Arc::new(refusal)))
    }
}

#[cfg(test)]
mod tests;
