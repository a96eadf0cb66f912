//! Fields for the next hop only: credentials for a forward proxy, and the removal of such fields before an origin.
//!
//! `Proxy-Authorization` is for the first proxy that asks (RFC 9110 §11.7.2), and `Proxy-Connection` is not an HTTP field
//! (RFC 9112 appendix C.2.2). Neither reaches an origin, unless the caller evidently addresses a proxy by hand.

use std::sync::Arc;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING},
};

use crate::{
    auth::{Asker, Authorizing},
    error::{Error, Kind, ProxyFault, Refusal},
    request_target::addresses_proxy,
    target::{Origin, Proxy},
};

/// Changes of a request's fields for its next hop.
pub(crate) struct HopHeaders {
    added: HeaderMap,
    removed: &'static [HeaderName],
    authorization: Option<Box<Authorization>>,
}

/// The credentials that a proxy was sent, to judge its 407.
pub(crate) struct Authorization {
    proxy: Proxy,
    origin: Origin,
    method: Method,
    target: Uri,
    credentials: Option<HeaderValue>,
}

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

static NOT_FOR_ORIGIN: [HeaderName; 2] = [PROXY_CONNECTION, PROXY_AUTHORIZATION];
static NOT_FOR_PROXY: [HeaderName; 1] = [PROXY_CONNECTION];

/// Fields that belong to each message.
const MESSAGE_FIELDS: [HeaderName; 3] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];

impl HopHeaders {
    /// For a request to its origin; usually `None`: nothing to change.
    pub(crate) fn for_origin<B>(request: &Request<B>) -> Option<Box<Self>> {
        let headers = request.headers();
        let is_clean = headers.is_empty() || !has_any(headers, &NOT_FOR_ORIGIN);
        if is_clean || addresses_proxy(request) {
            return None;
        }
        Some(Box::new(Self::removing(&NOT_FOR_ORIGIN)))
    }

    /// For a request to `origin` through this proxy, with its target as sent; `None` if there is nothing to change.
    pub(crate) fn for_forwarder<B>(
        request: &Request<B>,
        target: &Uri,
        origin: &Origin,
        proxy: &Proxy,
    ) -> Result<Option<Box<Self>>, Error> {
        let headers = request.headers();
        let (can_answer, is_clean) =
            (proxy.authenticator().can_answer(), !has_any(headers, &NOT_FOR_PROXY));
        if is_clean && !can_answer && proxy.headers().is_empty() {
            return Ok(None);
        }
        let mut fields = Self::removing(&NOT_FOR_PROXY);
        fields.added = proxy_fields(proxy, headers)?;
        let has_credentials = |headers: &HeaderMap| headers.contains_key(PROXY_AUTHORIZATION);
        if can_answer && !has_credentials(headers) && !has_credentials(&fields.added) {
            let authorization = Authorization::of(request.method(), target, origin, proxy);
            fields.authorization = Some(Box::new(authorization));
        }
        Ok(Some(Box::new(fields)))
    }

    fn removing(removed: &'static [HeaderName]) -> Self {
        Self { added: HeaderMap::new(), removed, authorization: None }
    }

    /// The number of names it may add.
    pub(crate) fn added_names(&self) -> usize {
        self.added.keys_len() + usize::from(self.authorization.is_some())
    }

    /// Applies the changes.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in self.removed {
            headers.remove(name);
        }
        headers.extend(self.added.clone());
        if let Some(credentials) = self.credentials() {
            headers.insert(PROXY_AUTHORIZATION, credentials.clone());
        }
    }

    fn credentials(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()?.credentials.as_ref()
    }

    /// The credentials, if others may replace them after a 407.
    pub(crate) fn authorization(self) -> Option<Box<Authorization>> {
        self.authorization
    }
}

/// The proxy's fields that the request does not set itself.
fn proxy_fields(proxy: &Proxy, headers: &HeaderMap) -> Result<HeaderMap, Error> {
    let mut proxy_fields = HeaderMap::new();
    for (name, value) in proxy.headers() {
        if MESSAGE_FIELDS.contains(name) {
            return Err(Error::builder(format!("`{name}` is not a field for the proxy {proxy}")));
        }
        // The caller's field takes precedence over the proxy's.
        if !headers.contains_key(name) {
            proxy_fields.append(name.clone(), value.clone());
        }
    }
    Ok(proxy_fields)
}

fn has_any(headers: &HeaderMap, names: &[HeaderName]) -> bool {
    names.iter().any(|name| headers.contains_key(name))
}

impl Authorization {
    fn of(method: &Method, target: &Uri, origin: &Origin, proxy: &Proxy) -> Self {
        let mut credentials = proxy.authenticator().first(method, target);
        if let Some(credentials) = &mut credentials {
            // Keeps credentials out of `Debug`, and of HPACK's tables.
            credentials.set_sensitive(true);
        }
        let (method, target) = (method.clone(), target.clone());
        Self { proxy: proxy.clone(), origin: origin.clone(), method, target, credentials }
    }

    /// An error if the proxy asks for credentials and better ones are available for another attempt.
    pub(crate) fn check(&self, status: StatusCode, headers: &HeaderMap) -> Result<(), Error> {
        if status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Ok(());
        }
        let has_better = self.proxy.authenticator().prepare(&Authorizing {
            asker: Asker::Proxy,
            method: &self.method,
            target: &self.target.to_string(),
            challenge: headers,
            refused: self.credentials.as_ref(),
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
