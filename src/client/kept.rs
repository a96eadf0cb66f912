//! A request that may have to be sent again: its head, and its body if that can be had again.
//!
//! Each layer that sends again has a copy of its own, and makes it only where it can come to that. One that is shared would
//! have to travel as an extension, which costs more than the copy, and would undo what a layer in between has changed.

use http::Request;

use crate::body::Body;

/// A copy of a request, made before it was sent.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) head: Request<()>,
    /// `None` for one that can be sent only once.
    pub(super) body: Option<Body>,
}

impl Kept {
    #[inline]
    pub(super) fn of(request: &Request<Body>) -> Self {
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.version_mut() = request.version();
        *head.headers_mut() = request.headers().clone();
        *head.extensions_mut() = request.extensions().clone();
        Self { head, body: request.body().try_clone() }
    }

    /// `None` if it can be sent only once.
    #[cfg(feature = "retry")]
    pub(super) fn into_repeatable(self) -> Option<Self> {
        self.body.is_some().then_some(self)
    }

    /// The request once more; `None` if its body cannot be had again.
    pub(super) fn again(&self) -> Option<Request<Body>> {
        let body = self.body.as_ref()?.try_clone()?;
        Some(self.head.clone().map(|()| body))
    }
}
