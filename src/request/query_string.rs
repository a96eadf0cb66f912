//! The query of a URL: how names and values are written, and how they are added. Pure.

use http::Uri;

use crate::error::Error;

/// Adds what is encoded already behind what is there.
pub(crate) fn append(uri: &mut Uri, query: &str) -> Result<(), Error> {
    if query.is_empty() {
        return Ok(());
    }
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.as_ref();
    let before = path.map_or("/", |path| path.as_str());
    let separator = match path.and_then(|path| path.query()) {
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let wrong = |error: http::Error| {
        Error::builder("the query cannot be appended to the URL").because(error)
    };
    let appended = format!("{before}{separator}{query}");
    parts.path_and_query = Some(appended.parse().map_err(http::Error::from).map_err(wrong)?);
    *uri = Uri::from_parts(parts).map_err(http::Error::from).map_err(wrong)?;
    Ok(())
}

/// Names and values as forms write them (URL standard, `application/x-www-form-urlencoded` serializer), which is what
/// serde_html_form writes, too: a space is a `+`.
#[cfg(any(feature = "_client", not(feature = "form")))]
pub(crate) fn encode<N: AsRef<str>, V: AsRef<str>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> String {
    use std::fmt::Write;

    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

    /// All but what a form leaves as it is; a space becomes a `+` afterwards.
    const ENCODED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

    let mut query = String::new();
    for (name, value) in pairs {
        let separator = if query.is_empty() { "" } else { "&" };
        let name = utf8_percent_encode(name.as_ref(), ENCODED);
        let value = utf8_percent_encode(value.as_ref(), ENCODED);
        // Writing to a text does not fail.
        let _ = write!(query, "{separator}{name}={value}");
    }
    // The encoder leaves spaces alone, and nothing else brings any.
    query.replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use crate::{
        body::Body,
        request::{Buffered, RequestBuilder},
    };

    fn at(url: &str) -> RequestBuilder<(), Buffered> {
        RequestBuilder::of((), Ok(Request::get(url).body(Body::empty()).unwrap()))
    }

    #[test]
    fn parameters_come_behind_those_that_are_there() {
        for (url, expected) in [
            ("http://a", "http://a/?n=1"),
            ("http://a/b", "http://a/b?n=1"),
            ("http://a/b?", "http://a/b?n=1"),
            ("http://a/b?c", "http://a/b?c&n=1"),
            ("http://a/b?c&", "http://a/b?c&n=1"),
            ("/b", "/b?n=1"),
        ] {
            let request = at(url).query(&[("n", "1")]).build().unwrap();
            assert_eq!(request.uri().to_string(), expected, "{url}");
        }
        let none: [(&str, &str); 0] = [];
        assert_eq!(at("http://a/b").query(&none).build().unwrap().uri(), "http://a/b");
    }

    #[test]
    fn parameters_are_encoded_as_forms_are() {
        let pairs = [("a b", "c&d=e+f#"), ("ü", "*-._~"), ("a b", "")];
        let request = at("http://a/").query(&pairs).build().unwrap();
        assert_eq!(request.uri().query(), Some("a+b=c%26d%3De%2Bf%23&%C3%BC=*-._%7E&a+b="));
    }

    #[test]
    fn a_url_that_becomes_too_long_is_an_error() {
        let error = at("http://a/").query(&[("a", "b".repeat(70_000))]).build().unwrap_err();
        assert!(error.is_builder());
    }
}
