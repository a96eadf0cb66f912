//! Adds to the query of a URL. Pure.

use std::fmt::Write;

use http::{Uri, uri::PathAndQuery};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;

/// All but the unreserved characters (RFC 3986 §2.3), so that no reader takes a part of a value for anything else.
const PAIR: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn append<N, V>(uri: &Uri, pairs: impl IntoIterator<Item = (N, V)>) -> Result<Uri, Error>
where
    N: AsRef<str>,
    V: AsRef<str>,
{
    let mut query = uri.query().unwrap_or_default().to_owned();
    for (name, value) in pairs {
        let separator = if query.is_empty() || query.ends_with('&') { "" } else { "&" };
        let name = utf8_percent_encode(name.as_ref(), PAIR);
        let value = utf8_percent_encode(value.as_ref(), PAIR);
        // Writing to a string cannot fail.
        let _ = write!(query, "{separator}{name}={value}");
    }
    if query.is_empty() {
        return Ok(uri.clone());
    }
    let mut parts = uri.clone().into_parts();
    let path = PathAndQuery::try_from(format!("{}?{query}", uri.path()))
        .map_err(|error| Error::builder("the query of the URL").because(error))?;
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|error| Error::builder("the URL and its query").because(error))
}
