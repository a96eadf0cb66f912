//! What a request is while it is on its way: first itself, then the future of its response.

use std::pin::Pin;

use http::Request;
use pin_project_lite::pin_project;

pin_project! {
    /// Both are large, and share their space. Next to the state of the task and not inside it, because they would move
    /// with each state.
    #[project = AttemptProj]
    pub(super) enum Attempt<F, B> {
        /// `None` once it is taken.
        Unsent { request: Option<Request<B>> },
        Sent {
            #[pin]
            response: F,
        },
        Over,
    }
}

impl<F, B> Attempt<F, B> {
    pub(super) fn unsent(request: Request<B>) -> Self {
        Self::Unsent { request: Some(request) }
    }

    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Self::Sent { .. })
    }

    /// The request, until it is sent.
    pub(super) fn request(&self) -> Option<&Request<B>> {
        match self {
            Self::Unsent { request } => request.as_ref(),
            Self::Sent { .. } | Self::Over => None,
        }
    }

    pub(super) fn take_request(self: Pin<&mut Self>) -> Option<Request<B>> {
        match self.project() {
            AttemptProj::Unsent { request } => request.take(),
            AttemptProj::Sent { .. } | AttemptProj::Over => None,
        }
    }
}
