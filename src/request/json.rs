//! JSON as the body of a request.

use http::HeaderValue;
use serde_core::Serialize;

use super::RequestBuilder;
use crate::error::Error;

impl<S, A> RequestBuilder<S, A> {
    /// Sets the body to a value as compact JSON, and `Content-Type` to `application/json` if the request has none.
    /// A number that is not finite becomes `null`, as serde_json writes it: JSON has no other word for it.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for what JSON cannot say, like a map whose keys are no text.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let written = serde_json::to_vec(value);
        self.change(|request| {
            let json = written
                .map_err(|error| Error::builder("writing the body as JSON").because(error))?;
            *request.body_mut() = json.into();
            let name = HeaderValue::from_static("application/json");
            super::set_content_type(request.headers_mut(), name)
        })
    }
}
