//! Query parameters in a build without serde: names and values.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::RequestBuilder;

#[path = "append.rs"]
mod append;

/// All but what a form leaves as it is (URL standard, `application/x-www-form-urlencoded` percent-encode set); a space
/// becomes a `+` afterwards.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

impl<S, A> RequestBuilder<S, A> {
    /// Adds parameters to the query of the URL, behind those that are there: names and values. With the feature `form` it takes
    /// whatever serde takes apart into those, too.
    ///
    /// They are encoded as forms are (`application/x-www-form-urlencoded`).
    ///
    /// # Errors
    ///
    /// [`is_builder`](crate::Error::is_builder) if the URL becomes too long.
    pub fn query<N: AsRef<str>, V: AsRef<str>>(self, parameters: &[(N, V)]) -> Self {
        self.change(|request| {
            let encoded =
                |text: &str| utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+");
            let pair = |(name, value): &(N, V)| {
                format!("{}={}", encoded(name.as_ref()), encoded(value.as_ref()))
            };
            let query = parameters.iter().map(pair).collect::<Vec<_>>().join("&");
            append::append(request.uri_mut(), &query)
        })
    }
}
