//! Takes the user and the password out of a URL. Pure.

use std::borrow::Cow;

use http::{Uri, uri::Authority};

use crate::request_target::without_user;

/// The same URI without a user and a password.
pub(super) fn without_user_info(uri: &Uri) -> Cow<'_, Uri> {
    let Some(authority) = uri.authority().filter(|authority| authority.as_str().contains('@'))
    else {
        return Cow::Borrowed(uri);
    };
    let mut parts = uri.clone().into_parts();
    // An invalid host is left out, and the URI is refused because it has no host.
    parts.authority = without_user(authority.as_str()).parse::<Authority>().ok();
    if parts.authority.is_none() {
        parts.scheme = None;
    }
    Cow::Owned(Uri::from_parts(parts).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_taken_out_and_nothing_else() {
        for (url, expected) in [
            ("http://me:secret@a:81/b?c", "http://a:81/b?c"),
            ("http://me@secret@a/", "http://a/"),
            ("http://@a/", "http://a/"),
            ("http://a/b@c", "http://a/b@c"),
        ] {
            assert_eq!(without_user_info(&url.parse().unwrap()).to_string(), expected, "{url}");
        }
        assert!(matches!(without_user_info(&Uri::from_static("http://a/")), Cow::Borrowed(_)));
    }
}
