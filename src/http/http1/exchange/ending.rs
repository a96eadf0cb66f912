//! How an exchange ends that has no response: it fails, or is dropped.

use http::Request;
use http_body::Body;

use super::{Exchange, HeadSent, Stage};
use crate::{
    connection::{Progress, SendError},
    error::Error,
    events::Sent,
    http::http1::{failure::Failure, upload::UploadError},
};

impl<B: Body> Exchange<B> {
    /// Whether the body waits for `100 Continue`.
    pub(in crate::http::http1) fn withholds_body(&self) -> bool {
        let interim = self.rare.as_ref().and_then(|rare| rare.interim.as_ref());
        interim.is_some_and(|interim| interim.holds_body())
    }

    pub(in crate::http::http1) fn fail(&mut self, failure: Failure) -> SendError<Request<B>> {
        let progress = self.progress();
        let failure = match failure {
            Failure::Io(_) if !self.shared.lock().wire.is_open() => Failure::Aborted,
            failure => failure,
        };
        let error = failure.into_error(&self.shared, progress);
        self.end(progress, error)
    }

    /// Closes the connection. A request that is whole goes with the error, unless an answer has begun.
    pub(super) fn end(&mut self, progress: Progress, error: Error) -> SendError<Request<B>> {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        self.shared.abort();
        self.trace(|trace| trace.failed(&error));
        let request = match stage {
            Stage::Whole { request, .. } if progress < Progress::Answered => Some(request),
            _ => None,
        };
        SendError { error: error.into(), progress, request }
    }

    pub(super) fn progress(&self) -> Progress {
        let counts = self.shared.lock().wire.counts;
        match (counts.written > self.before.written, counts.read > self.before.read) {
            (false, _) => Progress::Unsent,
            (true, false) => Progress::Sent,
            (true, true) => Progress::Answered,
        }
    }

    /// Records how the exchange ended.
    pub(in crate::http::http1) fn trace(&mut self, record: impl FnOnce(Sent)) {
        let Some(rare) = &mut self.rare else { return };
        rare.upload_trace = None;
        rare.trace.take().map(record);
    }
}

impl<B: Body> Drop for Exchange<B> {
    fn drop(&mut self) {
        match &self.stage {
            Stage::Refused(_) | Stage::Over => {}
            Stage::Whole { sent: HeadSent::Nothing, .. } => {
                let mut state = self.shared.lock();
                state.wire.discard_output();
                state.stall = self.stall.take();
                // The watcher may have been woken in vain while the connection was busy, and the caller may wait for it.
                self.shared.end_response(state);
            }
            Stage::Whole { .. } | Stage::Uploading { .. } => self.shared.abort(),
        }
    }
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Io(error) => Self::Io(error),
            UploadError::Body(error) => Self::Body(error),
        }
    }
}
