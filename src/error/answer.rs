//! The response that caused an error, and the URL.

use std::{fmt, sync::Arc};

use http::Response;

use super::*;

/// The URL of a request, and the response that became an error.
#[derive(Clone, Default)]
pub(super) struct Reply {
    /// The URL without credentials and signatures.
    url: Option<Arc<str>>,
    response: Option<Arc<Response<Bytes>>>,
}

impl Error {
    /// A redirect could not be followed: too many, an invalid `Location`, a scheme other than `http` and `https`, a
    /// body that cannot be sent again, or a filter that refused. [`response`](Self::response) is the redirect.
    pub fn is_redirect(&self) -> bool {
        self.report.kind == Kind::Redirect
    }

    /// A response with a [`status`](Self::status) of 4xx or 5xx was made an error, as `ResponseExt::error_for_status` does (feature
    /// `client`).
    pub fn is_status(&self) -> bool {
        self.report.kind == Kind::Status
    }

    /// The body of the response is not in the coding that its `Content-Encoding` names, or is larger than allowed: once it is
    /// decoded, or where it is [read whole](crate::options::MaxBody).
    pub fn is_decode(&self) -> bool {
        self.report.kind == Kind::Decode
    }

    /// The content of a body does not parse as expected, such as JSON of another shape.
    pub fn is_data(&self) -> bool {
        self.report.kind == Kind::Data
    }

    /// The status of the [`response`](Self::response).
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(Response::status)
    }

    /// The URL of the failed request, if the error knows it, without user and password, and without the values of
    /// parameters that sign it.
    pub fn url(&self) -> Option<&str> {
        self.report.answer.as_ref()?.url.as_deref()
    }

    /// The response that became an error, with the first 64 KiB of its body: a redirect that was not followed, or an
    /// error status.
    pub fn response(&self) -> Option<&Response<Bytes>> {
        self.report.answer.as_ref()?.response.as_deref()
    }

    /// Sets the URL, without credentials and signatures.
    pub(crate) fn with_url(self, url: impl Into<Arc<str>>) -> Self {
        self.rewrite(|report| report.answer.get_or_insert_default().url = Some(url.into()))
    }

    /// Sets the response; its request was sent.
    #[cfg(any(feature = "redirect", all(test, feature = "_client")))]
    pub(crate) fn with_response(self, response: Response<Bytes>) -> Self {
        let response = Some(Arc::new(response));
        self.rewrite(|report| report.answer.get_or_insert_default().response = response).sent(true)
    }
}

impl fmt::Debug for Reply {
    /// Prints the status only: the header may contain a cookie, and the text has the URL where it helps.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.response.as_ref().map(|response| response.status());
        f.debug_struct("Reply").field("status", &status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
