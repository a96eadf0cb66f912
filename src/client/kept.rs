//! A copy of a request, to send it again: its head, and its body if it can be cloned.
//!
//! Each layer makes its own copy, and only if it may send again. A shared copy would travel as an extension, which costs
//! more, and would undo changes of the layers in between.

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::body::Body;

/// A copy of a request, made before it was sent.
pub(super) struct Kept {
    method: Method,
    uri: Uri,
    version: Version,
    /// A list costs less than half of a map, and most copies are never looked at.
    fields: Vec<(HeaderName, HeaderValue)>,
    extensions: Extensions,
    /// `None` for a body that can be sent only once.
    pub(super) body: Option<Body>,
}

impl Kept {
    #[inline(always)]
    pub(super) fn of(request: &Request<Body>) -> Self {
        let mut fields = Vec::with_capacity(request.headers().len());
        for (name, value) in request.headers() {
            fields.push((name.clone(), value.clone()));
        }
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            fields,
            extensions: request.extensions().clone(),
            body: request.body().try_clone(),
        }
    }

    /// The copy, if its body can be had again.
    #[cfg(feature = "retry")]
    pub(super) fn into_repeatable(self) -> Option<Self> {
        self.body.is_some().then_some(self)
    }

    #[cfg(any(feature = "auth", feature = "redirect"))]
    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    #[cfg(feature = "redirect")]
    pub(super) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The request without its body.
    pub(super) fn head(&self) -> Request<()> {
        // More values than a map has room for names are valid, and no reason to panic.
        let mut headers = HeaderMap::try_with_capacity(self.fields.len()).unwrap_or_default();
        for (name, value) in &self.fields {
            headers.append(name, value.clone());
        }
        let mut head = Request::new(());
        *head.method_mut() = self.method.clone();
        *head.uri_mut() = self.uri.clone();
        *head.version_mut() = self.version;
        *head.headers_mut() = headers;
        *head.extensions_mut() = self.extensions.clone();
        head
    }

    /// The request once more; `None` if its body cannot be had again.
    #[cfg(any(feature = "auth", feature = "retry"))]
    pub(super) fn again(&self) -> Option<Request<Body>> {
        let body = self.body.as_ref()?.try_clone()?;
        Some(self.head().map(|()| body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_request_with_very_many_values_is_the_same() {
        let mut request = Request::get("http://a/").body(Body::empty()).unwrap();
        for number in 0..30_000 {
            request.headers_mut().append("x", number.into());
        }
        assert_eq!(Kept::of(&request).head().headers(), request.headers());
    }
}
