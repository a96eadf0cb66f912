//! Text in a build without charsets: UTF-8, whatever else a response says.

/// The text of a body: without a byte order mark, and with U+FFFD in place of what is not UTF-8.
pub(crate) fn decode_text(bytes: &[u8], _content_type: Option<&http::HeaderValue>) -> String {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    String::from_utf8_lossy(text).into_owned()
}
