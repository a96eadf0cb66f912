//! Appends the URL of a request to a base. Pure.

use http::{Uri, uri::Authority};

use crate::error::Error;

/// A URL that others can be appended to.
pub(super) fn checked(base: Uri) -> Result<Uri, Error> {
    match base.query() {
        None => Ok(base),
        Some(_) => Err(Error::builder("it has a query, which no request would be sent with")),
    }
}

/// The URL of a request that has no host, below the base; `None` for one that has. The base has a host.
pub(super) fn joined(base: &Uri, url: &Uri) -> Result<Option<Uri>, Error> {
    if url.scheme().is_some() {
        return Ok(None);
    }
    // One segment without a slash is parsed as a host without a scheme.
    let path = match url.authority().map(Authority::as_str) {
        Some(segment) => segment,
        None => url.path_and_query().map_or("", |path| path.as_str()),
    };
    let directory = base.path().strip_suffix('/').unwrap_or(base.path());
    let path = match path.strip_prefix('/').unwrap_or(path) {
        // The base itself, as it is written.
        "" => base.path().to_owned(),
        query if query.starts_with('?') => format!("{}{query}", base.path()),
        relative => format!("{directory}/{relative}"),
    };
    let mut parts = base.clone().into_parts();
    let wrong = |error: http::uri::InvalidUri| {
        Error::builder("appending the URL of the request to the base URL").because(error)
    };
    parts.path_and_query = Some(path.parse().map_err(wrong)?);
    // All parts are there, so this cannot fail; if it does, the URL is as it was.
    Ok(Uri::from_parts(parts).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_host_is_appended() {
        let table = [
            ("https://a/v1/", "/users", Some("https://a/v1/users")),
            ("https://a/v1", "/users", Some("https://a/v1/users")),
            ("https://a/v1/", "users", Some("https://a/v1/users")),
            ("https://a", "/users?q=1", Some("https://a/users?q=1")),
            ("https://a/", "/users/1/", Some("https://a/users/1/")),
            ("https://a:8443/v1/", "/", Some("https://a:8443/v1/")),
            ("https://a/v1", "/", Some("https://a/v1")),
            ("https://a/v1/", "/?q", Some("https://a/v1/?q")),
            ("https://a/v1/", "//b/c", Some("https://a/v1//b/c")),
            ("https://a/v1/", "/x?u=http://b/", Some("https://a/v1/x?u=http://b/")),
            ("https://a/v1/", "https://b/users", None),
            ("https://a/v1/", "http://a/users", None),
        ];
        for (base, url, expected) in table {
            let joined = joined(&base.parse().unwrap(), &url.parse().unwrap()).unwrap();
            let joined = joined.map(|url| url.to_string());
            assert_eq!(joined.as_deref(), expected, "{base} {url}");
        }
    }

    #[test]
    fn a_base_has_no_query() {
        assert!(checked("https://a/?b".parse().unwrap()).unwrap_err().is_builder());
    }
}
