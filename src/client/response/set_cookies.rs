//! Names and values of the cookies that a response sets. Pure.

use http::{HeaderMap, header::SET_COOKIE};

pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let fields = headers.get_all(SET_COOKIE).into_iter();
    fields.filter_map(|field| {
        let field = std::str::from_utf8(field.as_bytes()).ok()?;
        // The attributes follow (RFC 6265bis §5.6).
        let pair = field.split(';').next().unwrap_or_default();
        let (name, value) = pair.split_once('=')?;
        Some((name.trim(), value.trim())).filter(|(name, _)| !name.is_empty())
    })
}
