//! Header fields: what a token is made of, and how fields are added within a limit, because a full `HeaderMap` panics.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::Error;

#[cfg(any(feature = "http1", feature = "http2", feature = "_decode"))]
pub(crate) mod list;

/// The most names a request may have, including those added to it. A full [`HeaderMap`] panics, and with colliding
/// hashes it may be full from a fifth of its 32,768 slots on: fewer always fit. Values do not count.
pub(crate) const MAX_NAMES: usize = 6000;

/// A character of a token (RFC 9110 §5.6.2).
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// An error if adding so many names would exceed the limit.
pub(crate) fn check_room(headers: &HeaderMap, more: usize) -> Result<(), Error> {
    match headers.keys_len() + more > MAX_NAMES {
        true => Err(Error::builder(format!("more than {MAX_NAMES} header fields"))),
        false => Ok(()),
    }
}

/// Adds a field, keeping others of its name.
pub(crate) fn append(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), Error> {
    check_room(headers, 1)?;
    headers.append(name, value);
    Ok(())
}

/// Adds fields, replacing others of their names.
pub(crate) fn replace(headers: &mut HeaderMap, by: HeaderMap) -> Result<(), Error> {
    check_room(headers, by.keys_len())?;
    headers.extend(by);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> HeaderMap {
        let name = |n: usize| format!("x-{n}").parse::<HeaderName>().unwrap();
        (0..count).map(|n| (name(n), HeaderValue::from_static("1"))).collect()
    }

    #[test]
    fn too_many_names_are_an_error_and_no_panic() {
        let (name, value) = (HeaderName::from_static("x"), HeaderValue::from_static("1"));
        let mut headers = names(MAX_NAMES - 1);
        append(&mut headers, name.clone(), value.clone()).unwrap();
        assert!(append(&mut headers, name, value).unwrap_err().is_builder());
        assert!(replace(&mut names(1), names(MAX_NAMES)).unwrap_err().is_builder());
        assert!(replace(&mut HeaderMap::new(), names(24_000)).unwrap_err().is_builder());
    }

    #[test]
    fn values_of_one_name_are_no_names() {
        let mut many = HeaderMap::new();
        for _ in 0..40_000 {
            let (name, value) = (HeaderName::from_static("x"), HeaderValue::from_static("1"));
            append(&mut many, name, value).unwrap();
        }
        let mut headers = names(1);
        replace(&mut headers, many).unwrap();
        assert_eq!((headers.len(), headers.keys_len()), (40_001, 2));
    }
}
