//! Writes a field value: a scheme and its parameters (RFC 9110 §11.4). Pure.

use http::HeaderValue;

/// A field value under construction.
pub(super) struct AuthParams {
    value: Vec<u8>,
}

impl AuthParams {
    /// A scheme, without parameters.
    pub(super) fn new(scheme: &str) -> Self {
        Self { value: format!("{scheme} ").into_bytes() }
    }

    pub(super) fn plain(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if !self.value.ends_with(b" ") {
            self.value.extend_from_slice(b", ");
        }
        self.value.extend_from_slice(name.as_bytes());
        self.value.push(b'=');
        self.value.extend_from_slice(value);
        self
    }

    pub(super) fn quoted(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.plain(name, b"\"");
        for byte in value {
            if matches!(byte, b'"' | b'\\') {
                self.value.push(b'\\');
            }
            self.value.push(*byte);
        }
        self.value.push(b'"');
        self
    }

    /// The sensitive value; `None` if it contains a byte that no field allows.
    pub(super) fn into_value(self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
