//! A form as the body of a request.

use http::HeaderValue;
use serde_core::Serialize;

use super::RequestBuilder;
use crate::error::Error;

impl<S, A> RequestBuilder<S, A> {
    /// Sets the body to the names and values of a form, and `Content-Type` to `application/x-www-form-urlencoded` if the
    /// request has none. It takes what [`query`](Self::query) takes: a sequence repeats its name.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for values that have no names, and for maps within maps.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        let written = serde_html_form::to_string(form);
        self.change(|request| {
            let form =
                written.map_err(|error| Error::builder("writing the form").because(error))?;
            *request.body_mut() = form.into();
            let name = HeaderValue::from_static("application/x-www-form-urlencoded");
            super::set_content_type(request.headers_mut(), name)
        })
    }
}
