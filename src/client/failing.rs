//! Errors of inner services, and of a service that is not ready.

use crate::error::{BoxError, Error, ForeignError};

/// A foreign layer or service that has seen no request.
pub(super) const UNSENT: ForeignError = ForeignError { sent: Some(false), ..ForeignError::LAYER };

/// The error of a service that is not ready.
pub(super) fn not_ready(error: impl Into<BoxError>) -> Error {
    Error::adopt(error.into(), UNSENT, "waiting for the service to be ready")
}

/// The error of a service, where its request is no longer known: ours as it is, a foreign one with its own text.
#[cfg(any(
    feature = "auth",
    feature = "deadline",
    feature = "_decode",
    feature = "defaults",
    feature = "progress",
    feature = "retry"
))]
pub(super) fn failed(error: impl Into<BoxError>, foreign: ForeignError) -> Error {
    let error = error.into();
    let doing = match error.is::<Error>() {
        true => String::new(),
        false => format!("sending a request: {error}"),
    };
    Error::adopt(error, foreign, doing)
}
