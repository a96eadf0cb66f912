//! The Basic scheme (RFC 7617). Pure.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;

use super::Credentials;

/// The name of the scheme.
pub(super) const SCHEME: &str = "Basic";

/// `None` for a user with a colon, which would end it, and for control characters (RFC 7617 §2). Always UTF-8, the
/// only charset a challenge may ask for.
pub(super) fn answer(credentials: &Credentials) -> Option<HeaderValue> {
    let (user, password) = (credentials.user(), credentials.password());
    let has_control = |text: &str| text.contains(|c: char| c.is_ascii_control());
    if user.contains(':') || has_control(user) || has_control(password) {
        return None;
    }
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::try_from(format!("{SCHEME} {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_said_as_utf_8_unless_they_cannot_be() {
        let table = [
            ("Aladdin", "open sesame", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
            ("test", "123\u{a3}", Some("Basic dGVzdDoxMjPCow==")),
            ("user", "a:b", Some("Basic dXNlcjphOmI=")),
            ("", "", Some("Basic Og==")),
            ("us:er", "password", None),
            ("user\n", "password", None),
            ("user", "pass\0word", None),
            ("user", "\u{7f}", None),
        ];
        for (user, password, expected) in table {
            let value = answer(&Credentials::new(user, password));
            let said = value.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(said, expected, "{user:?} {password:?}");
            assert!(value.is_none_or(|value| value.is_sensitive()));
        }
    }
}
