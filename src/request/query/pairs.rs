//! Query parameters in a build without serde: names and values.

use super::{RequestBuilder, query_string};

impl<S, A> RequestBuilder<S, A> {
    /// Adds parameters to the query of the URL, behind those that are there: names and values. With the feature `form` it takes
    /// whatever serde takes apart into those, too.
    ///
    /// They are encoded as forms are (`application/x-www-form-urlencoded`): a space as `+`.
    ///
    /// # Errors
    ///
    /// [`is_builder`](crate::Error::is_builder) if the URL becomes too long.
    pub fn query<N: AsRef<str>, V: AsRef<str>>(self, parameters: &[(N, V)]) -> Self {
        self.change(|request| {
            let query = query_string::encode(parameters.iter().map(|(name, value)| (name, value)));
            query_string::append(request.uri_mut(), &query)
        })
    }
}
