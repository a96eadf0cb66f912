//! Conversions to methods and header names; errors quote the invalid text.

use http::{HeaderName, Method};

use crate::error::{BoxError, Error};

/// Converts to a method: implemented for [`Method`], text and bytes. Implement it for your own types.
pub trait IntoMethod {
    /// The method, or an error for which [`Error::is_builder`] holds.
    fn into_method(self) -> Result<Method, Error>;
}

/// Converts to the name of a header field: implemented for [`HeaderName`], text and bytes. Implement it for your own
/// types.
pub trait IntoHeaderName {
    /// The name, or an error for which [`Error::is_builder`] holds.
    fn into_header_name(self) -> Result<HeaderName, Error>;
}

/// The longest part of a name shown in an error: it may be a value in the place of a name.
const LONGEST_SHOWN: usize = 40;

impl IntoMethod for Method {
    fn into_method(self) -> Result<Method, Error> {
        Ok(self)
    }
}

impl IntoMethod for &Method {
    fn into_method(self) -> Result<Method, Error> {
        Ok(self.clone())
    }
}

impl IntoHeaderName for HeaderName {
    fn into_header_name(self) -> Result<HeaderName, Error> {
        Ok(self)
    }
}

impl IntoHeaderName for &HeaderName {
    fn into_header_name(self) -> Result<HeaderName, Error> {
        Ok(self.clone())
    }
}

/// Implements both for text and bytes.
macro_rules! written {
    ($($written:ty),*) => {$(
        impl IntoMethod for $written {
            fn into_method(self) -> Result<Method, Error> {
                let bytes: &[u8] = self.as_ref();
                Method::from_bytes(bytes).map_err(|error| wrong("a method", bytes, error))
            }
        }

        impl IntoHeaderName for $written {
            fn into_header_name(self) -> Result<HeaderName, Error> {
                let bytes: &[u8] = self.as_ref();
                let name = HeaderName::from_bytes(bytes);
                name.map_err(|error| wrong("the name of a header field", bytes, error))
            }
        }
    )*};
}

written!(&str, String, &String, &[u8], Vec<u8>);

fn wrong(what: &str, written: &[u8], error: impl Into<BoxError>) -> Error {
    let text = String::from_utf8_lossy(written);
    let mut shown: String = text.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Error::builder(format!("{shown:?} is not {what}")).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_valid_is_named_and_escaped() {
        for (written, shown) in [
            ("G T", "\"G T\""),
            ("", "\"\""),
            ("GET\r\nX: y", "\"GET\\r\\nX: y\""),
            ("naïve\0", "\"naïve\\0\""),
            (&"a ".repeat(100), &format!("\"{}…\"", "a ".repeat(20))),
        ] {
            let error = written.into_method().unwrap_err();
            assert_eq!(error.to_string(), format!("{shown} is not a method"));
            let error = written.into_header_name().unwrap_err();
            assert_eq!(error.to_string(), format!("{shown} is not the name of a header field"));
            assert!(error.is_builder());
        }
    }

    #[test]
    fn text_and_bytes_are_taken_as_they_are() {
        assert_eq!("GET".into_method().unwrap(), Method::GET);
        assert_eq!((&Method::PUT).into_method().unwrap(), Method::PUT);
        assert_eq!(String::from("PURGE").into_method().unwrap().as_str(), "PURGE");
        assert_eq!((&b"X-A"[..]).into_header_name().unwrap(), "x-a");
        assert_eq!(http::header::ACCEPT.into_header_name().unwrap(), "accept");
        assert_eq!((&http::header::ACCEPT).into_header_name().unwrap(), "accept");
    }
}
