//! Query parameters of whatever serde can take apart into names and values.

use serde_core::Serialize;

use super::{RequestBuilder, query_string};
use crate::error::Error;

impl<S, A> RequestBuilder<S, A> {
    /// Adds parameters to the query of the URL, behind those that are there: of a map, of a struct, or of a slice of pairs. A
    /// sequence, like a `Vec`, repeats its name, and `None` is left out.
    ///
    /// They are encoded as forms are (`application/x-www-form-urlencoded`): a space as `+`.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for values that have no names, and for maps within maps.
    pub fn query<T: Serialize + ?Sized>(self, parameters: &T) -> Self {
        self.change(|request| {
            let query = serde_html_form::to_string(parameters)
                .map_err(|error| Error::builder("writing the query").because(error))?;
            query_string::append(request.uri_mut(), &query)
        })
    }
}
