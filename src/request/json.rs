//! JSON as the body of a request.

use http::HeaderValue;
use serde_core::Serialize;

use super::RequestBuilder;
use crate::error::Error;

mod finite;
mod place;

impl<S, A> RequestBuilder<S, A> {
    /// Sets the body to a value as compact JSON, and `Content-Type` to `application/json` if the request has none.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for what JSON cannot say: NaN and infinite numbers, and a map whose keys are no text. The
    /// error names the place, like `$.prices[3].max`. Where `null` is meant, write an `Option`.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        let written = write(value);
        self.change(|request| {
            *request.body_mut() = written?.into();
            let name = HeaderValue::from_static("application/json");
            super::set_content_type(request.headers_mut(), name)
        })
    }
}

fn write<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    let mut json = Vec::with_capacity(128);
    match finite::Finite(value).serialize(&mut serde_json::Serializer::new(&mut json)) {
        Ok(()) => Ok(json),
        Err(error) => {
            let place = place::path(&String::from_utf8_lossy(&json));
            Err(Error::builder(format!("writing the body as JSON, at {place}")).because(error))
        }
    }
}

#[cfg(test)]
mod tests;
