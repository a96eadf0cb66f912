//! A body that a function makes, once for each time that it is sent.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as _, Frame};

use super::{Body, Source};
use crate::error::Error;

/// The function, and the body that it made once that was asked for.
pub(super) struct Repeat {
    make: Arc<dyn Fn() -> Body + Send + Sync>,
    /// In a box, because a body may be made of a body.
    made: OnceLock<Box<Body>>,
}

impl Body {
    /// A body that `make` makes, once for each time that the request is sent: so a file or a stream survives a redirect with
    /// 307 or 308, a challenge, and retries.
    ///
    /// It has to make the same body each time. It is called when the body is first looked at, in the task that sends the
    /// request, and must not block; a body that was made and is not sent is dropped.
    ///
    /// ```
    /// use futures_util::stream;
    /// use tower_transport::Body;
    ///
    /// let body = Body::again(|| Body::stream(stream::iter(["a", "b"].map(Ok::<_, std::io::Error>))));
    /// assert!(body.try_clone().is_some());
    /// ```
    pub fn again(make: impl Fn() -> Self + Send + Sync + 'static) -> Self {
        Repeat { make: Arc::new(make), made: OnceLock::new() }.into()
    }
}

impl Repeat {
    /// From its beginning, whatever was read of this one.
    pub(super) fn again(&self) -> Body {
        Self { make: self.make.clone(), made: OnceLock::new() }.into()
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

impl From<Repeat> for Body {
    fn from(repeat: Repeat) -> Self {
        Self { source: Source::Again(repeat) }
    }
}

#[cfg(test)]
mod tests;
