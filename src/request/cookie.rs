//! Cookies of one request alone.

use http::{HeaderValue, header::COOKIE};

use super::RequestBuilder;
use crate::{
    error::Error,
    fields::{self, is_tchar},
};

impl<S, A> RequestBuilder<S, A> {
    /// Adds a cookie to those of this request (RFC 6265bis §5.8.1). It is sent as it is, once, and kept in no jar.
    ///
    /// It is a secret: it is in no `Debug` text, and no redirect takes it to another origin.
    ///
    /// # Errors
    ///
    /// [`is_builder`](Error::is_builder) for an invalid name, and for a value with a `;` or a control character.
    pub fn cookie(self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.change(|request| {
            let (name, value) = (name.as_ref(), value.as_ref());
            check(name, value)?;
            let headers = request.headers_mut();
            let before = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
            let pair = format!("{name}={value}");
            let all = before.chain([pair.as_bytes()]).collect::<Vec<_>>().join(&b"; "[..]);
            let wrong = |error| {
                Error::builder("the cookies of the request are not a valid header value")
                    .because(error)
            };
            let mut all = HeaderValue::try_from(all).map_err(wrong)?;
            all.set_sensitive(true);
            fields::check_room(headers, 1)?;
            headers.insert(COOKIE, all);
            Ok(())
        })
    }
}

/// The value may be a secret, so the error names the cookie alone.
fn check(name: &str, value: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::builder("a cookie of the request has no name"));
    }
    let is_of_name = |c: char| u8::try_from(c).is_ok_and(is_tchar);
    if let Some((at, c)) = name.char_indices().find(|(_, c)| !is_of_name(*c)) {
        // What follows may be the value.
        let known = &name[..at];
        let text = format!("the cookie name `{known}…` holds a {c:?}, which no name may hold");
        return Err(Error::builder(text));
    }
    match value.chars().find(|c| *c == ';' || c.is_control()) {
        Some(c) => Err(Error::builder(format!("the value of the cookie `{name}` holds a {c:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::{body::Body, request::Buffered};

    fn builder() -> RequestBuilder<(), Buffered> {
        RequestBuilder::of((), Ok(Request::new(Body::empty())))
    }

    #[test]
    fn cookies_are_added_to_one_field_which_is_a_secret() {
        let builder = builder().header("cookie", "x=0").cookie("a", "1").cookie("b", "2 3");
        let request = builder.build().unwrap();
        let cookies: Vec<_> = request.headers().get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["x=0; a=1; b=2 3"]);
        assert!(cookies[0].is_sensitive());
    }

    #[test]
    fn a_cookie_cannot_end_early_and_an_error_does_not_tell_its_value() {
        for (name, value) in
            [("a", "1; secret=2"), ("a", "secret\r\n"), ("", "secret"), ("a=secret", "secret")]
        {
            let error = builder().cookie(name, value).build().unwrap_err();
            assert!(error.is_builder() && !format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn an_invalid_name_is_named() {
        let error = builder().cookie("sid\u{e9}x", "1").build().unwrap_err().to_string();
        assert_eq!(error, "the cookie name `sid…` holds a 'é', which no name may hold");
    }
}
