//! UTF-8 alone, in place of charsets. Twin of `charset.rs`.

/// The byte order mark (RFC 3629 §6).
const MARK: &[u8] = "\u{feff}".as_bytes();

#[derive(Clone, Copy, Debug)]
pub(super) struct Charset;

/// Decodes text as it comes: a character may be cut by the end of a chunk.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    /// The beginning of a character, or of the mark.
    begun: Vec<u8>,
    /// The mark was there, or something else.
    has_begun: bool,
}

impl Charset {
    pub(super) const UTF_8: Self = Self;

    /// The labels of UTF-8 and of ASCII, which is a part of it.
    pub(super) fn by_label(label: &str) -> Option<Self> {
        let known = ["utf-8", "utf8", "unicode-1-1-utf-8", "us-ascii", "ascii"];
        known.iter().any(|known| label.trim_ascii().eq_ignore_ascii_case(known)).then_some(Self)
    }

    pub(super) fn name(self) -> &'static str {
        "UTF-8"
    }

    /// The text, and whether anything in it was replaced.
    pub(super) fn decode(self, bytes: &[u8]) -> (String, bool) {
        let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
        match str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (String::from_utf8_lossy(bytes).into_owned(), true),
        }
    }

    pub(super) fn decoder(self) -> TextDecoder {
        TextDecoder::default()
    }
}

impl TextDecoder {
    /// Appends the text of a chunk, as far as that is known without the next; the last one may be empty.
    pub(crate) fn push(&mut self, bytes: &[u8], is_last: bool, text: &mut String) {
        self.begun.extend_from_slice(bytes);
        let mut bytes = &*self.begun;
        if !self.has_begun {
            if bytes.len() < MARK.len() && MARK.starts_with(bytes) && !is_last {
                return;
            }
            self.has_begun = true;
            bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
        }
        let rest = append(bytes, is_last, text).to_vec();
        self.begun = rest;
    }
}

/// Appends what is whole, and returns a character that is not.
fn append<'a>(bytes: &'a [u8], is_last: bool, text: &mut String) -> &'a [u8] {
    let mut read = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        read += chunk.valid().len();
        let invalid = chunk.invalid();
        let is_cut = read + invalid.len() == bytes.len()
            && str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_cut && !is_last {
            return &bytes[read..];
        }
        read += invalid.len();
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    &[]
}
