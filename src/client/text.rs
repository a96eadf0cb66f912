//! Bodies as text: which charset they are in, and what they say in it.
//!
//! The charset is what a byte order mark says, else what `Content-Type` says, else UTF-8 (WHATWG Encoding Standard, "decode").
//! A label that is not known is as none: what it was meant to say is most likely UTF-8. With the feature `charset` the labels of the
//! Encoding Standard are known, without it those of UTF-8.

use http::HeaderValue;

use crate::error::{Error, Kind};

#[cfg(feature = "charset")]
mod charset;
#[cfg(not(feature = "charset"))]
#[path = "text/utf8.rs"]
mod charset;
mod label;
pub(crate) mod lines;

pub(crate) use charset::TextDecoder;
pub(crate) use label::charset_label;

use charset::Charset;

/// The text of a body; what is no text in its charset is replaced by U+FFFD.
pub(crate) fn decode_text(bytes: &[u8], content_type: Option<&HeaderValue>) -> String {
    let label = content_type.and_then(charset_label);
    let charset = label.and_then(|label| Charset::by_label(&label)).unwrap_or(Charset::UTF_8);
    charset.decode(bytes).0
}

/// The text of a body.
///
/// # Errors
///
/// [`is_data`](Error::is_data) for bytes that are no text in its charset, and for a charset that is not known.
pub(crate) fn decode_text_strict(
    bytes: &[u8],
    content_type: Option<&HeaderValue>,
) -> Result<String, Error> {
    let charset = match content_type.and_then(charset_label) {
        None => Charset::UTF_8,
        Some(label) => Charset::by_label(&label).ok_or_else(|| {
            Error::new(Kind::Data, format!("the charset {label:?} of a body is not known"))
                .sent(true)
        })?,
    };
    match charset.decode(bytes) {
        (text, false) => Ok(text),
        (_, true) => {
            let text = format!("the body is not text in its charset {}", charset.name());
            Err(Error::new(Kind::Data, text).sent(true))
        }
    }
}

/// The text of a body in the charset of this label, whatever `Content-Type` says; what is no text is replaced. A byte order
/// mark still decides.
///
/// # Errors
///
/// [`is_builder`](Error::is_builder) for a label that is not known.
pub(crate) fn decode_text_with(bytes: &[u8], label: &str) -> Result<String, Error> {
    let charset = Charset::by_label(label)
        .ok_or_else(|| Error::builder(format!("the charset {label:?} is not known")))?;
    Ok(charset.decode(bytes).0)
}

#[cfg(test)]
mod tests;
