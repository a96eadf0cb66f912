//! Makes a form the body of a request.

use http::{Request, header::CONTENT_TYPE, request};

use super::Form;
use crate::{body::Body, error::Error, fields, request::RequestBuilder};

/// Gives `multipart` to requests of the crate `http` and to their builders.
///
/// ```
/// use tower_transport::client::multipart::{Form, MultipartExt};
///
/// let form = Form::new().text("a", "1").boundary("B");
/// let request = http::Request::post("http://a.example/").multipart(form).unwrap();
/// assert_eq!(request.headers()["content-type"], "multipart/form-data; boundary=B");
/// ```
pub trait MultipartExt {
    /// Sets the body and the `Content-Type`, in place of others.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for what is wrong with the form, as [`Form::into_parts`] says, or with the request.
    fn multipart(self, form: Form) -> Result<Request<Body>, Error>;
}

impl<B> MultipartExt for Request<B> {
    fn multipart(self, form: Form) -> Result<Request<Body>, Error> {
        let (content_type, body) = form.into_parts()?;
        let mut request = self.map(|_| body);
        fields::check_room(request.headers(), 1)?;
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        Ok(request)
    }
}

impl MultipartExt for request::Builder {
    fn multipart(self, form: Form) -> Result<Request<Body>, Error> {
        let request =
            self.body(()).map_err(|error| Error::builder("building the request").because(error))?;
        request.multipart(form)
    }
}

impl<S, A> RequestBuilder<S, A> {
    /// Sets a [form](Form) as the body, with its `Content-Type`.
    pub fn multipart(self, form: Form) -> Self {
        self.change(|request| {
            let replaced = std::mem::take(request);
            *request = MultipartExt::multipart(replaced, form)?;
            Ok(())
        })
    }
}
