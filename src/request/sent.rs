//! What was sent for a response: the request as the service below the layers of a client was given it. Its twin is `no_sent.rs`.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, Method, Request, Uri};

use crate::{body::Body, events::shown};

/// The request that a response is the answer to: an extension of each response of a [`Client`](crate::Client).
///
/// It is the last one after redirects, with the header fields that the layers have added. Its body has gone.
#[derive(Clone)]
pub struct Sent {
    head: Arc<SentHead>,
}

struct SentHead {
    method: Method,
    url: Uri,
    headers: HeaderMap,
}

impl Sent {
    pub(crate) fn of(request: &Request<Body>) -> Self {
        let (method, url) = (request.method().clone(), request.uri().clone());
        Self { head: Arc::new(SentHead { method, url, headers: request.headers().clone() }) }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The URL, without a fragment.
    pub fn url(&self) -> &Uri {
        &self.head.url
    }

    /// The header fields, among them cookies and credentials. `Host` and those of the body are added further below.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }
}

impl fmt::Debug for Sent {
    /// Without the header: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sent({} {})", self.method(), shown(self.url()))
    }
}

/// The URL of the request that a response with these extensions is the answer to.
pub(super) fn url_of(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<Sent>().map(Sent::url)
}
