//! A body made by a function, anew each time it is sent.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use super::{Body, Source};
use crate::error::Error;

/// The function, and the body it made when first needed.
pub(super) struct Repeat {
    make: Arc<dyn Fn() -> Body + Send + Sync>,
    /// Boxed, because a body may contain a body.
    made: OnceLock<Box<Body>>,
}

impl Body {
    /// Makes a body by calling `make` each time the request is sent, so that a file or a stream survives a redirect
    /// with 307 or 308, an authentication challenge, and retries.
    ///
    /// `make` must return the same content each time. It is called when the body is first polled, in the task that
    /// sends the request, and must not block. A body that was made and not sent is dropped.
    ///
    /// ```
    /// use futures_util::stream;
    /// use tower_transport::Body;
    ///
    /// let body = Body::again(|| Body::stream(stream::iter(["a", "b"].map(Ok::<_, std::io::Error>))));
    /// assert!(body.try_clone().is_some());
    /// ```
    pub fn again(make: impl Fn() -> Self + Send + Sync + 'static) -> Self {
        Self::repeatable(Repeat { make: Arc::new(make), made: OnceLock::new() })
    }

    // Not `From`, which would be public: the compiler would list this private type in its errors.
    fn repeatable(repeat: Repeat) -> Self {
        Self { source: Source::Again(repeat) }
    }
}

impl Repeat {
    /// A copy from the beginning, whatever was read of this one.
    pub(super) fn again(&self) -> Body {
        Body::repeatable(Self { make: self.make.clone(), made: OnceLock::new() })
    }

    pub(super) fn body(&self) -> &Body {
        self.made.get_or_init(|| Box::new((self.make)()))
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.body();
        let made = self.made.get_mut();
        made.map_or(Poll::Ready(None), |body| Pin::new(&mut **body).poll_frame(cx))
    }
}

#[cfg(test)]
mod tests;
